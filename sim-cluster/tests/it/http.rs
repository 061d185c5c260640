//! The API over HTTP, with kube's client: another implementation of the other side.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which stop where something is amiss"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod, ServiceAccount};
use k8s_openapi::api::events::v1::Event as NewEvent;
use kube::api::{
    Api, DeleteParams, EvictParams, ListParams, LogParams, Patch, PatchParams, PostParams,
    WatchEvent, WatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::runtime::watcher;
use serde_json::{Value, json};
use sim_cluster::access::User;
use sim_cluster::client::Patch as OurPatch;
use sim_cluster::faults::{Effect, Rule};
use sim_cluster::http::{ApiServer, HttpConfig, LogOptions, LogStream, Logs};
use sim_cluster::status::Status;
use sim_cluster::{Cluster, ClusterConfig};
use tokio_util::sync::CancellationToken;

use crate::client::{cluster, pod};

struct Served {
    cluster: Cluster,
    server: ApiServer,
    stop: CancellationToken,
}

async fn serve_with(cluster: Cluster, config: HttpConfig) -> Served {
    let stop = CancellationToken::new();
    let server = ApiServer::start(cluster.clone(), config, stop.clone())
        .await
        .unwrap();
    Served {
        cluster,
        server,
        stop,
    }
}

/// Without TLS: these tests are about what is said. One test is about TLS.
async fn serve() -> Served {
    serve_with(
        cluster(),
        HttpConfig {
            tls: false,
            ..HttpConfig::default()
        },
    )
    .await
}

impl Served {
    async fn as_user(&self, user: User) -> kube::Client {
        self.with_token(&self.cluster.issue_token(user)).await
    }

    async fn admin(&self) -> kube::Client {
        self.as_user(User::admin()).await
    }

    async fn with_token(&self, token: &str) -> kube::Client {
        let written = Kubeconfig::from_yaml(&self.server.kubeconfig(token)).unwrap();
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(written, &options)
            .await
            .unwrap();
        kube::Client::try_from(config).unwrap()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.server.stopped().await;
    }

    async fn get(&self, path: &str, accept: &str) -> Value {
        let token = self.cluster.issue_token(User::admin());
        let request = reqwest::Client::new()
            .get(format!("{}{path}", self.server.url()))
            .bearer_auth(token)
            .header("accept", accept);
        request.send().await.unwrap().json().await.unwrap()
    }
}

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({ "metadata": { "name": name }, "data": { "k": "v" } })).unwrap()
}

fn code(error: kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("no answer of the API: {other}"),
    }
}

#[tokio::test]
async fn kube_reaches_it_over_tls() {
    // Certificates hold around the cluster's time, and the client looks at its own clock.
    let clock =
        Arc::new(|| jiff::Timestamp::try_from(std::time::UNIX_EPOCH.elapsed_now()).unwrap());
    let served = serve_with(
        Cluster::new(ClusterConfig::new(clock, 1)),
        HttpConfig::default(),
    )
    .await;
    let client = served.admin().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    maps.create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    assert_eq!(maps.get("a").await.unwrap().data.unwrap()["k"], "v");
    assert_eq!(client.apiserver_version().await.unwrap().major, "1");
    served.stop().await;
}

/// The one test that needs the machine's time, because the other side reads it too.
trait Now {
    fn elapsed_now(&self) -> std::time::SystemTime;
}

impl Now for std::time::SystemTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "TLS clients check certificates by this clock"
    )]
    fn elapsed_now(&self) -> std::time::SystemTime {
        std::time::SystemTime::now()
    }
}

#[tokio::test]
async fn a_list_in_parts_shows_one_moment() {
    let served = serve().await;
    let client = served.admin().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    for name in ["a", "b", "c", "d", "e"] {
        maps.create(&PostParams::default(), &config_map(name))
            .await
            .unwrap();
    }
    let first = maps.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    maps.delete("d", &DeleteParams::default()).await.unwrap();
    maps.create(&PostParams::default(), &config_map("cc"))
        .await
        .unwrap();
    let rest = ListParams::default().continue_token(&first.metadata.continue_.unwrap());
    let rest = maps.list(&rest).await.unwrap();
    let names: Vec<&str> = rest
        .iter()
        .map(|it| it.metadata.name.as_deref().unwrap())
        .collect();
    assert_eq!(names, ["c", "d", "e"]);
    assert_eq!(
        rest.metadata.resource_version,
        first.metadata.resource_version
    );
    served.stop().await;
}

#[tokio::test]
async fn a_list_that_is_too_old_to_go_on_is_expired() {
    let start: jiff::Timestamp = "2026-11-21T18:00:00Z".parse().unwrap();
    let mut config = ClusterConfig::new(Arc::new(move || start), 7);
    config.window = 3;
    let http = HttpConfig {
        tls: false,
        ..HttpConfig::default()
    };
    let served = serve_with(Cluster::new(config), http).await;
    let maps: Api<ConfigMap> = Api::default_namespaced(served.admin().await);
    for name in ["a", "b"] {
        maps.create(&PostParams::default(), &config_map(name))
            .await
            .unwrap();
    }
    let first = maps.list(&ListParams::default().limit(1)).await.unwrap();
    for name in ["c", "d", "e", "f"] {
        maps.create(&PostParams::default(), &config_map(name))
            .await
            .unwrap();
    }
    let rest = ListParams::default().continue_token(&first.metadata.continue_.unwrap());
    assert_eq!(code(maps.list(&rest).await.unwrap_err()), 410);
    let mut watch = maps
        .watch(
            &WatchParams::default(),
            &first.metadata.resource_version.unwrap(),
        )
        .await
        .unwrap()
        .boxed();
    match watch.try_next().await.unwrap() {
        Some(WatchEvent::Error(status)) => assert_eq!(status.code, 410),
        other => panic!("expected an error in the stream: {other:?}"),
    }
    drop(watch);
    served.stop().await;
}

#[tokio::test]
async fn server_side_apply_knows_owners() {
    let served = serve().await;
    let client = served.admin().await;
    let deployments: Api<Deployment> = Api::default_namespaced(client);
    let wish = |replicas: u32| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
            "spec": {
                "replicas": replicas, "selector": { "matchLabels": { "app": "web" } },
                "template": {
                    "metadata": { "labels": { "app": "web" } },
                    "spec": { "containers": [{ "name": "main", "image": "shop:1" }] },
                },
            },
        })
    };
    let mine = PatchParams::apply("mine");
    let made = deployments
        .patch("web", &mine, &Patch::Apply(wish(2)))
        .await
        .unwrap();
    let again = deployments
        .patch("web", &mine, &Patch::Apply(wish(2)))
        .await
        .unwrap();
    assert_eq!(
        made.metadata.resource_version,
        again.metadata.resource_version
    );
    let theirs = PatchParams::apply("theirs");
    let refused = deployments
        .patch("web", &theirs, &Patch::Apply(wish(3)))
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("conflict with \"mine\": .spec.replicas"),
        "{refused}"
    );
    let taken = deployments
        .patch("web", &theirs.force(), &Patch::Apply(wish(3)))
        .await
        .unwrap();
    let managers: Vec<String> = taken
        .metadata
        .managed_fields
        .unwrap()
        .into_iter()
        .map(|entry| entry.manager.unwrap())
        .collect();
    assert_eq!(managers, ["mine", "theirs"]);
    served.stop().await;
}

/// What a controller said once and says no longer goes, also where only the status is its own.
#[tokio::test]
async fn what_is_no_longer_applied_to_a_status_goes() {
    let served = serve().await;
    let client = served.admin().await;
    let deployments: Api<Deployment> = Api::default_namespaced(client);
    let wish = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "main", "image": "shop:1" }] },
            },
        },
    });
    let mine = PatchParams::apply("mine");
    deployments
        .patch("web", &mine, &Patch::Apply(wish))
        .await
        .unwrap();
    let condition = |type_: &str| json!({ "type": type_, "status": "True" });
    let status = |conditions: serde_json::Value| {
        Patch::Apply(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
            "status": { "conditions": conditions },
        }))
    };
    for said in [
        json!([condition("Shiny"), condition("Round")]),
        json!([condition("Round"), condition("Large")]),
    ] {
        deployments
            .patch_status("web", &mine, &status(said))
            .await
            .unwrap();
    }
    let stored = deployments.get("web").await.unwrap();
    let conditions = stored.status.unwrap().conditions.unwrap();
    let types: Vec<&str> = conditions
        .iter()
        .map(|it| it.type_.as_deref().unwrap())
        .collect();
    assert_eq!(types, ["Round", "Large"]);
    let owners = stored.metadata.managed_fields.unwrap();
    let doors: Vec<_> = owners.iter().map(|it| it.subresource.as_deref()).collect();
    assert_eq!(doors, [None, Some("status")]);
    served.stop().await;
}

#[tokio::test]
async fn unknown_fields_are_refused_when_asked() {
    let served = serve().await;
    let maps: Api<DynamicObject> =
        Api::default_namespaced_with(served.admin().await, &ApiResource::erase::<ConfigMap>(&()));
    let odd: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "date": { "k": "v" },
    }))
    .unwrap();
    let mut patch = PatchParams::apply("me");
    patch.field_validation = Some(kube::api::ValidationDirective::Strict);
    let refused = maps
        .patch("a", &patch, &Patch::Apply(&odd))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("date"), "{refused}");
    assert_eq!(code(maps.get("a").await.unwrap_err()), 404);
    served.stop().await;
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let served = serve().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(served.admin().await);
    let before = served.cluster.revision();
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let shown = maps.create(&dry, &config_map("a")).await.unwrap();
    assert!(shown.metadata.uid.is_some());
    assert_eq!(served.cluster.revision(), before);
    served.stop().await;
}

#[tokio::test]
async fn a_service_account_may_what_its_roles_allow() {
    let served = serve().await;
    let admin = served.cluster.client("system:admin");
    let account = json!({ "metadata": { "name": "robot", "namespace": "default" } });
    admin.create("serviceaccounts", account).unwrap();
    let token = served
        .cluster
        .issue_service_account_token("default", "robot", None)
        .unwrap();
    let robot = served.with_token(&token).await;
    let pods: Api<Pod> = Api::namespaced(robot.clone(), "default");
    let refused = pods.list(&ListParams::default()).await.unwrap_err();
    assert!(
        refused.to_string().contains(
            "pods is forbidden: User \"system:serviceaccount:default:robot\" cannot list resource \
             \"pods\" in API group \"\" in the namespace \"default\""
        ),
        "{refused}"
    );
    let binding = json!({
        "metadata": { "name": "robot", "namespace": "default" },
        "roleRef": { "kind": "ClusterRole", "name": "view" },
        "subjects": [{ "kind": "ServiceAccount", "name": "robot" }],
    });
    admin
        .create("rolebindings.rbac.authorization.k8s.io", binding)
        .unwrap();
    pods.list(&ListParams::default()).await.unwrap();
    let everywhere: Api<Pod> = Api::all(robot.clone());
    let refused = everywhere.list(&ListParams::default()).await.unwrap_err();
    assert!(
        refused.to_string().contains("at the cluster scope"),
        "{refused}"
    );
    let refused = pods
        .create(&PostParams::default(), &a_pod("x"))
        .await
        .unwrap_err();
    assert_eq!(code(refused), 403);
    admin
        .delete("serviceaccounts", "default", "robot", &Default::default())
        .unwrap();
    assert_eq!(
        code(pods.list(&ListParams::default()).await.unwrap_err()),
        401
    );
    served.stop().await;
}

fn a_pod(name: &str) -> Pod {
    let mut object = pod(name, "web");
    object["apiVersion"] = json!("v1");
    object["kind"] = json!("Pod");
    serde_json::from_value(object).unwrap()
}

#[tokio::test]
async fn tokens_are_requested_and_reviewed() {
    let served = serve().await;
    let client = served.admin().await;
    let accounts: Api<ServiceAccount> = Api::default_namespaced(client.clone());
    let account = serde_json::from_value(json!({ "metadata": { "name": "robot" } })).unwrap();
    accounts
        .create(&PostParams::default(), &account)
        .await
        .unwrap();
    let request = serde_json::from_value(json!({
        "metadata": {}, "spec": { "audiences": [], "expirationSeconds": 600 },
    }))
    .unwrap();
    let answer = accounts
        .create_token_request("robot", &PostParams::default(), &request)
        .await
        .unwrap();
    let token = answer.status.unwrap().token.unwrap();
    let user = served.cluster.user_of_token(&token).unwrap();
    assert_eq!(user.name, "system:serviceaccount:default:robot");
    assert!(
        user.groups
            .contains(&"system:serviceaccounts:default".to_owned())
    );
    served.stop().await;
}

#[tokio::test]
async fn events_are_the_same_in_both_groups() {
    let served = serve().await;
    let client = served.admin().await;
    let new: Api<NewEvent> = Api::default_namespaced(client.clone());
    let event = serde_json::from_value(json!({
        "metadata": { "name": "e" }, "eventTime": "2026-11-21T18:00:00.000000Z",
        "regarding": { "kind": "Pod", "name": "a", "namespace": "default" },
        "note": "was seen", "reason": "Seen", "type": "Normal", "action": "Look",
        "reportingController": "example.org/eye", "reportingInstance": "eye-1",
    }))
    .unwrap();
    new.create(&PostParams::default(), &event).await.unwrap();
    let old: Api<Event> = Api::default_namespaced(client);
    let about = ListParams::default().fields("involvedObject.name=a");
    let found = old.list(&about).await.unwrap().items.remove(0);
    assert_eq!(found.message.as_deref(), Some("was seen"));
    assert_eq!(
        found.reporting_component.as_deref(),
        Some("example.org/eye")
    );
    let about = ListParams::default().fields("regarding.name=a");
    assert_eq!(
        new.list(&about).await.unwrap().items[0].note.as_deref(),
        Some("was seen")
    );
    served.stop().await;
}

#[tokio::test]
async fn watchers_see_everything_whatever_happens_to_their_watches() {
    for strategy in [
        watcher::Config::default(),
        watcher::Config::default().streaming_lists(),
    ] {
        let served = serve().await;
        let maps: Api<ConfigMap> = Api::default_namespaced(served.admin().await);
        let mut seen = BTreeSet::new();
        let mut stream = watcher(maps.clone(), strategy)
            .filter_map(|event| async { event.ok() })
            .boxed();
        for (i, effect) in [
            None,
            Some(Effect::DropWatches),
            Some(Effect::ExpireWatches),
            None,
        ]
        .into_iter()
        .enumerate()
        {
            served
                .cluster
                .put_faults(effect.map(Rule::new).into_iter().collect());
            served.cluster.put_faults(Vec::new());
            let name = format!("map-{i}");
            maps.create(&PostParams::default(), &config_map(&name))
                .await
                .unwrap();
            while !seen.contains(&name) {
                match stream.next().await.unwrap() {
                    watcher::Event::Apply(it) | watcher::Event::InitApply(it) => {
                        seen.insert(it.metadata.name.unwrap());
                    }
                    _ => {}
                }
            }
        }
        drop(stream);
        served.stop().await;
    }
}

#[tokio::test]
async fn faults_meet_whom_they_are_for() {
    let served = serve().await;
    let unlucky = served
        .as_user(User {
            name: "unlucky".into(),
            ..User::admin()
        })
        .await;
    let lucky = served.admin().await;
    let rule = |effect| Rule::new(effect).for_user("unlucky");
    let of = |client: kube::Client| -> Api<ConfigMap> { Api::default_namespaced(client) };
    served.cluster.put_faults(vec![rule(Effect::InternalError)]);
    assert_eq!(code(of(unlucky.clone()).get("a").await.unwrap_err()), 500);
    assert_eq!(code(of(lucky).get("a").await.unwrap_err()), 404);
    served.cluster.put_faults(Vec::new());
    assert_eq!(code(of(unlucky).get("a").await.unwrap_err()), 404);
    let failed = |it: &sim_cluster::requests::Request| {
        it.user == "unlucky" && it.verb == "get" && it.resource == "configmaps" && it.code == 500
    };
    assert_eq!(served.cluster.requests().total(failed), 1);
    let metrics = served.cluster.requests().snapshot();
    assert!(
        metrics
            .keys()
            .any(|it| it.code == 404 && it.user == "kubernetes-admin")
    );
    served.stop().await;
}

#[tokio::test]
async fn who_is_too_fast_is_told_when_to_come_back() {
    let served = serve().await;
    let faults = json!([{ "verbs": ["list"], "seconds": 60,
        "effect": { "kind": "too-many-requests", "retry_after_seconds": 7 } }]);
    let token = served.cluster.issue_token(User::admin());
    let http = reqwest::Client::new();
    let url = |path: &str| format!("{}{path}", served.server.url());
    let put = http
        .put(url("/crosswatch/faults"))
        .bearer_auth(&token)
        .body(faults.to_string());
    assert_eq!(put.send().await.unwrap().status(), 200);
    let answer = http
        .get(url("/api/v1/pods"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "7");
    served.stop().await;
}

#[tokio::test]
async fn stale_reads_are_of_the_past_and_only_for_those_who_allow_it() {
    let served = serve().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(served.admin().await);
    maps.create(&PostParams::default(), &config_map("a"))
        .await
        .unwrap();
    served
        .cluster
        .put_faults(vec![Rule::new(Effect::StaleReads)]);
    maps.create(&PostParams::default(), &config_map("b"))
        .await
        .unwrap();
    let any = ListParams::default().match_any();
    assert_eq!(maps.list(&any).await.unwrap().items.len(), 1);
    assert_eq!(
        maps.list(&ListParams::default()).await.unwrap().items.len(),
        2
    );
    served.stop().await;
}

#[tokio::test]
async fn tables_print_what_a_definition_says() {
    let served = serve().await;
    let admin = served.cluster.client("system:admin");
    admin
        .create("customresourcedefinitions.apiextensions.k8s.io", widgets())
        .unwrap();
    let mut widget = json!({ "metadata": { "name": "a", "namespace": "default" } });
    widget["spec"] = json!({ "size": 3 });
    admin.create("widgets.example.org", widget).unwrap();
    let table = served
        .get(
            "/apis/example.org/v1/namespaces/default/widgets",
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        )
        .await;
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["columnDefinitions"][1]["name"], "Size");
    assert_eq!(table["rows"][0]["cells"], json!(["a", 3, "0s"]));
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    served.stop().await;
}

fn widgets() -> Value {
    json!({
        "metadata": { "name": "widgets.example.org" },
        "spec": {
            "group": "example.org", "scope": "Namespaced",
            "names": { "plural": "widgets", "kind": "Widget", "shortNames": ["wd"] },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object", "properties": {
                        "spec": { "type": "object", "properties": {
                            "size": { "type": "integer", "minimum": 1 },
                            "shape": { "type": "string", "default": "round" },
                        } },
                        "status": {
                            "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                        },
                    },
                } },
                "subresources": { "status": {}, "scale": {
                    "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size",
                } },
                "additionalPrinterColumns": [
                    { "name": "Size", "type": "integer", "jsonPath": ".spec.size" },
                    { "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" },
                ],
            }],
        },
    })
}

#[tokio::test]
async fn a_definition_is_served_from_when_it_is_written_until_it_is_gone() {
    let served = serve().await;
    let client = served.admin().await;
    let admin = served.cluster.client("system:admin");
    let definitions = "customresourcedefinitions.apiextensions.k8s.io";
    let made = admin.create(definitions, widgets()).unwrap();
    assert_eq!(made["status"]["conditions"][1]["type"], "Established");
    let groups = client.list_api_groups().await.unwrap();
    assert!(
        groups
            .groups
            .iter()
            .any(|group| group.name == "example.org")
    );
    let resource = ApiResource {
        group: "example.org".into(),
        version: "v1".into(),
        api_version: "example.org/v1".into(),
        kind: "Widget".into(),
        plural: "widgets".into(),
    };
    let api: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &resource);
    let widget: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "example.org/v1", "kind": "Widget", "metadata": { "name": "a" },
        "spec": { "size": 2 },
    }))
    .unwrap();
    let made = api.create(&PostParams::default(), &widget).await.unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    let mut scale = api.get_scale("a").await.unwrap();
    assert_eq!(scale.spec.as_ref().unwrap().replicas, Some(2));
    scale.spec.as_mut().unwrap().replicas = Some(5);
    api.replace_scale("a", &PostParams::default(), &scale)
        .await
        .unwrap();
    assert_eq!(api.get("a").await.unwrap().data["spec"]["size"], 5);
    let mut watch = api
        .watch(&WatchParams::default(), "0")
        .await
        .unwrap()
        .boxed();
    assert!(matches!(
        watch.try_next().await.unwrap(),
        Some(WatchEvent::Added(_))
    ));
    admin
        .delete(definitions, "", "widgets.example.org", &Default::default())
        .unwrap();
    assert!(matches!(
        watch.try_next().await.unwrap(),
        Some(WatchEvent::Deleted(_))
    ));
    assert_eq!(
        code(api.list(&ListParams::default()).await.unwrap_err()),
        404
    );
    drop(watch);
    served.stop().await;
}

#[tokio::test]
async fn discovery_is_the_same_in_one_document_and_in_many() {
    let served = serve().await;
    let client = served.admin().await;
    let many = kube::Discovery::new(client.clone()).run().await.unwrap();
    let one = kube::Discovery::new(client).run_aggregated().await.unwrap();
    let all = |discovery: &kube::Discovery| -> BTreeSet<(String, String, String)> {
        discovery
            .groups()
            .flat_map(|group| group.recommended_resources())
            .map(|(resource, _)| (resource.api_version, resource.kind, resource.plural))
            .collect()
    };
    assert_eq!(all(&many), all(&one));
    assert!(all(&one).contains(&("apps/v1".into(), "Deployment".into(), "deployments".into())));
    served.stop().await;
}

struct Words;

impl Logs for Words {
    fn open(&self, pod: &Arc<Value>, options: &LogOptions) -> Result<LogStream, Status> {
        let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        let first = stream::iter([Bytes::from(format!("{name} says hello\n"))]);
        if options.follow {
            Ok(first.chain(stream::pending()).boxed())
        } else {
            Ok(first.boxed())
        }
    }
}

#[tokio::test]
async fn logs_are_read_and_followed() {
    use futures::AsyncBufReadExt as _;
    let served = serve().await;
    served.cluster.answer_logs_with(Arc::new(Words));
    served
        .cluster
        .client("system:admin")
        .create("pods", pod("a", "web"))
        .unwrap();
    let pods: Api<Pod> = Api::default_namespaced(served.admin().await);
    assert_eq!(
        pods.logs("a", &LogParams::default()).await.unwrap(),
        "a says hello\n"
    );
    let follow = LogParams {
        follow: true,
        ..LogParams::default()
    };
    let mut lines = pods.log_stream("a", &follow).await.unwrap().lines();
    assert_eq!(lines.try_next().await.unwrap().unwrap(), "a says hello");
    drop(lines);
    served.stop().await;
}

#[tokio::test]
async fn an_eviction_asks_the_budget() {
    let served = serve().await;
    let admin = served.cluster.client("system:admin");
    for name in ["a", "b"] {
        admin.create("pods", pod(name, "web")).unwrap();
        let running = OurPatch::Merge(json!({ "status": { "phase": "Running" } }));
        admin
            .patch("pods", "default", name, "status", running)
            .unwrap();
    }
    let budget = json!({
        "metadata": { "name": "web", "namespace": "default" },
        "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } },
    });
    admin.create("poddisruptionbudgets.policy", budget).unwrap();
    let status = OurPatch::Merge(json!({
        "status": { "disruptionsAllowed": 1, "observedGeneration": 1, "currentHealthy": 2 },
    }));
    admin
        .patch(
            "poddisruptionbudgets.policy",
            "default",
            "web",
            "status",
            status,
        )
        .unwrap();
    let pods: Api<Pod> = Api::default_namespaced(served.admin().await);
    pods.evict("a", &EvictParams::default()).await.unwrap();
    // Not with kube, which comes back by itself as long as it is told to.
    let url = format!(
        "{}/api/v1/namespaces/default/pods/b/eviction",
        served.server.url()
    );
    let refused = reqwest::Client::new()
        .post(url)
        .bearer_auth(served.cluster.issue_token(User::admin()))
        .body(json!({ "metadata": { "name": "b" } }).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 429);
    let refused: Value = refused.json().await.unwrap();
    assert_eq!(
        refused["message"],
        "Cannot evict pod as it would violate the pod's disruption budget."
    );
    assert!(pods.get_opt("a").await.unwrap().is_none());
    served.stop().await;
}

#[tokio::test]
async fn bookmarks_tell_quiet_watchers_where_they_are() {
    let http = HttpConfig {
        tls: false,
        bookmark_every: Duration::from_millis(5),
        ..HttpConfig::default()
    };
    let served = serve_with(cluster(), http).await;
    let client = served.admin().await;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let from = served.cluster.revision().to_string();
    let mut watch = pods
        .watch(&WatchParams::default(), &from)
        .await
        .unwrap()
        .boxed();
    maps.create(&PostParams::default(), &config_map("elsewhere"))
        .await
        .unwrap();
    let now = served.cluster.revision().to_string();
    loop {
        match watch.try_next().await.unwrap() {
            Some(WatchEvent::Bookmark(mark)) if mark.metadata.resource_version == now => break,
            Some(WatchEvent::Bookmark(_)) => {}
            other => panic!("expected bookmarks: {other:?}"),
        }
    }
    drop(watch);
    served.stop().await;
}
