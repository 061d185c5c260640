//! kubectl's typed commands, whose bodies are in protobuf.
//!
//! Ignored by default, for kubectl may not be there: `cargo test -p sim-cluster -- --ignored typed`.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sim_cluster::access::User;
use sim_cluster::http::{ApiServer, HttpConfig};
use sim_cluster::{Cluster, ClusterConfig};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// As long as no command may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What kubectl says, however it ends.
async fn kubectl(home: &Path, line: &str, input: &str) -> String {
    let mut child = Command::new("kubectl")
        .args(line.split_whitespace())
        .env("KUBECONFIG", home.join("config"))
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("kubectl is on the path");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output())
        .await
        .unwrap_or_else(|_| panic!("kubectl {line} does not end"))
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[tokio::test]
#[ignore = "needs kubectl"]
async fn what_kubectl_sends_in_protobuf_is_understood() {
    #[expect(
        clippy::disallowed_methods,
        reason = "kubectl checks certificates by this clock, and sends no token without TLS"
    )]
    let clock = Arc::new(jiff::Timestamp::now);
    let cluster = Cluster::new(ClusterConfig::new(clock, 7));
    let token = cluster.issue_token(User::admin());
    let stop = CancellationToken::new();
    let server = ApiServer::start(cluster.clone(), HttpConfig::default(), stop.clone())
        .await
        .unwrap();
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config"), server.kubeconfig(&token)).unwrap();

    for (line, says) in [
        ("create namespace shop", "namespace/shop created"),
        (
            "create configmap a --from-literal=k=v",
            "configmap/a created",
        ),
        (
            "create secret generic s --from-literal=k=v",
            "secret/s created",
        ),
        (
            "create serviceaccount robot",
            "serviceaccount/robot created",
        ),
        (
            "create role reader --verb=get,list --resource=pods",
            "role.rbac.authorization.k8s.io/reader created",
        ),
        (
            "create rolebinding reader --role=reader --serviceaccount=default:robot",
            "rolebinding.rbac.authorization.k8s.io/reader created",
        ),
        (
            "create clusterrole watcher --verb=watch --resource=nodes",
            "clusterrole.rbac.authorization.k8s.io/watcher created",
        ),
        (
            "create clusterrolebinding watcher --clusterrole=watcher --user=jane",
            "clusterrolebinding.rbac.authorization.k8s.io/watcher created",
        ),
        (
            "create deployment web --image=shop:1 --replicas=0 --port=8080",
            "deployment.apps/web created",
        ),
        (
            "create job once --image=shop:1 -- run it",
            "job.batch/once created",
        ),
        (
            "create cronjob nightly --image=shop:1 --schedule=@daily",
            "cronjob.batch/nightly created",
        ),
        (
            "create service clusterip web --tcp=80:8080",
            "service/web created",
        ),
        (
            "create quota q --hard=pods=10,cpu=2",
            "resourcequota/q created",
        ),
        (
            "create poddisruptionbudget p --selector=app=web --min-available=50%",
            "poddisruptionbudget.policy/p created",
        ),
        (
            "create ingress web --rule=shop.example/*=web:80",
            "ingress.networking.k8s.io/web created",
        ),
        (
            "create priorityclass high --value=7",
            "priorityclass.scheduling.k8s.io/high created",
        ),
        ("auth can-i delete pods", "yes"),
        ("auth can-i --list", "selfsubjectaccessreviews"),
        (
            "auth can-i list pods --as=system:serviceaccount:default:robot",
            "yes",
        ),
        ("auth can-i list pods --as=somebody", "no"),
        ("auth whoami", "Username"),
        (
            "scale deployment web --replicas=2 --current-replicas=0",
            "scaled",
        ),
        // Nobody collects here, so that it stays marked.
        (
            "delete configmap a --cascade=foreground --wait=false",
            "deleted",
        ),
    ] {
        let said = kubectl(home.path(), line, "").await;
        assert!(said.contains(says), "kubectl {line}: {said}");
    }
    let token = kubectl(home.path(), "create token robot --duration=20m", "").await;
    let user = cluster.user_of_token(token.trim()).expect("a token");
    assert_eq!(user.name, "system:serviceaccount:default:robot");

    let client = cluster.client("system:admin");
    let get = |resource: &str, name: &str| -> Value {
        (*client.get(resource, "default", name).unwrap()).clone()
    };
    assert_eq!(get("secrets", "s")["data"], json!({ "k": "dg==" }));
    let job = get("jobs.batch", "once");
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"], json!(["run", "it"]));
    assert_eq!(job["spec"]["backoffLimit"], 6, "defaults hold");
    let deployment = get("deployments.apps", "web");
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(
        deployment["spec"]["template"]["spec"]["restartPolicy"],
        "Always"
    );
    let service = get("services", "web");
    assert_eq!(service["spec"]["ports"][0]["targetPort"], 8080);
    assert!(service["spec"]["ports"][0].get("nodePort").is_none());
    assert_eq!(
        get("poddisruptionbudgets.policy", "p")["spec"]["minAvailable"],
        "50%"
    );
    assert_eq!(
        get("resourcequotas", "q")["spec"]["hard"],
        json!({ "pods": "10", "cpu": "2" })
    );
    stop.cancel();
    server.stopped().await;
}
