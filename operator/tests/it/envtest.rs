//! A real API server out of the folder that `KUBEBUILDER_ASSETS` names: `etcd` and `kube-apiserver`,
//! as `setup-envtest` puts them there. No controllers run, as in the simulated world.
//!
//! The arguments are those of controller-runtime's `envtest`
//! (`pkg/internal/testing/controlplane`), but that users come from a file of tokens. The tests of a
//! run share one while any of them needs it; it ends with the last of them.

use std::ffi::OsString;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Weak};
use std::time::Duration;

use kube::config::Kubeconfig;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::world::{TOO_LONG, connect};

/// Where the tests run.
#[derive(Debug, PartialEq)]
pub(crate) enum Choice {
    Simulated,
    /// A cluster that somebody else keeps.
    Kubeconfig(PathBuf),
    /// A folder with `etcd` and `kube-apiserver`.
    Assets(PathBuf),
}

/// From `KUBECONFIG_E2E` and `KUBEBUILDER_ASSETS`, which comes second.
pub(crate) fn choose(kubeconfig: Option<OsString>, assets: Option<OsString>) -> Choice {
    let given = |it: Option<OsString>| it.filter(|it| !it.is_empty()).map(PathBuf::from);
    match (given(kubeconfig), given(assets)) {
        (Some(path), _) => Choice::Kubeconfig(path),
        (None, Some(path)) => Choice::Assets(path),
        (None, None) => Choice::Simulated,
    }
}

pub(crate) struct ControlPlane {
    server: Child,
    etcd: Child,
    pub(crate) kubeconfig: Kubeconfig,
    /// Goes last.
    folder: TempDir,
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // Nothing of it is kept, so that it need not end in good order.
        for process in [&mut self.server, &mut self.etcd] {
            if let Err(error) = process.kill().and_then(|()| process.wait()) {
                eprintln!("a process of the control plane could not be ended: {error}");
            }
        }
    }
}

static RUNNING: Mutex<Weak<ControlPlane>> = Mutex::const_new(Weak::new());

/// The one that runs, or a new one.
pub(crate) async fn shared(assets: &Path) -> Arc<ControlPlane> {
    let mut running = RUNNING.lock().await;
    if let Some(plane) = running.upgrade() {
        return plane;
    }
    let plane = Arc::new(start(assets).await);
    *running = Arc::downgrade(&plane);
    plane
}

async fn start(assets: &Path) -> ControlPlane {
    let folder = TempDir::new().unwrap();
    let [client, peer, secure] = free_addresses();
    let key = rcgen::KeyPair::generate().unwrap();
    let files = [
        ("sa.key", key.serialize_pem()),
        ("sa.pub", key.public_key_pem()),
        (
            "tokens.csv",
            format!("{TOKEN},tests,tests,\"system:masters\"\n"),
        ),
    ];
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let etcd = spawn(
        assets,
        "etcd",
        etcd_arguments(folder.path(), client, peer),
        &folder,
    );
    let arguments = server_arguments(folder.path(), client, secure);
    let server = spawn(assets, "kube-apiserver", arguments, &folder);
    let mut plane = ControlPlane {
        server,
        etcd,
        kubeconfig: kubeconfig(secure),
        folder,
    };
    let ready = ready(&mut plane);
    if tokio::time::timeout(TOO_LONG, ready).await.is_err() {
        panic!("not ready in time; the API server says:\n{}", log(&plane));
    }
    plane
}

const TOKEN: &str = "of-the-tests";

fn spawn(assets: &Path, name: &str, arguments: Vec<String>, folder: &TempDir) -> Child {
    let path = assets.join(name);
    let log = File::create(folder.path().join(format!("{name}.log"))).unwrap();
    let mut command = Command::new(&path);
    command
        .args(arguments)
        .stdout(log.try_clone().unwrap())
        .stderr(log);
    match command.spawn() {
        Ok(child) => child,
        Err(error) => panic!(
            "{} cannot be started: {error}; KUBEBUILDER_ASSETS names the folder that `setup-envtest \
             use -p path` prints",
            path.display()
        ),
    }
}

fn log(plane: &ControlPlane) -> String {
    let path = plane.folder.path().join("kube-apiserver.log");
    std::fs::read_to_string(path).unwrap_or_default()
}

async fn ready(plane: &mut ControlPlane) {
    let client = connect(plane.kubeconfig.clone()).await;
    let mut every = tokio::time::interval(Duration::from_millis(100));
    loop {
        every.tick().await;
        let ends = [
            ("kube-apiserver", plane.server.try_wait().unwrap()),
            ("etcd", plane.etcd.try_wait().unwrap()),
        ];
        if let Some((name, status)) = ends.iter().find_map(|(name, it)| Some((name, (*it)?))) {
            panic!(
                "{name} ended ({status}); the API server says:\n{}",
                log(plane)
            );
        }
        let request = axum::http::Request::get("/readyz")
            .body(Vec::new())
            .unwrap();
        if client.request_text(request).await.is_ok() {
            return;
        }
    }
}

/// Nobody listens there now: what the kernel has just given out it does not give out again soon.
fn free_addresses() -> [SocketAddr; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
    listeners.map(|it| it.local_addr().unwrap())
}

fn etcd_arguments(folder: &Path, client: SocketAddr, peer: SocketAddr) -> Vec<String> {
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls=http://{client}"),
        format!("--advertise-client-urls=http://{client}"),
        format!("--listen-peer-urls=http://{peer}"),
        "--unsafe-no-fsync=true".to_owned(),
    ]
}

fn server_arguments(folder: &Path, etcd: SocketAddr, secure: SocketAddr) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        format!("--etcd-servers=http://{etcd}"),
        format!("--bind-address={}", secure.ip()),
        format!("--secure-port={}", secure.port()),
        format!("--cert-dir={}", folder.display()),
        format!("--service-account-issuer=https://{secure}/"),
        format!("--service-account-key-file={}", file("sa.pub")),
        format!("--service-account-signing-key-file={}", file("sa.key")),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--authorization-mode=RBAC".to_owned(),
        // Service accounts are made by a controller, and none runs.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--allow-privileged=true".to_owned(),
    ]
}

/// The API server makes its own certificate, on this machine, for as long as the tests run.
fn kubeconfig(server: SocketAddr) -> Kubeconfig {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "tests",
        "clusters": [{ "name": "tests", "cluster": {
            "server": format!("https://{server}"), "insecure-skip-tls-verify": true,
        } }],
        "users": [{ "name": "tests", "user": { "token": TOKEN } }],
        "contexts": [{ "name": "tests", "context": { "cluster": "tests", "user": "tests" } }],
    }))
    .unwrap()
}

#[test]
fn a_cluster_of_somebody_comes_before_binaries_and_both_before_the_simulated_one() {
    let some = |it: &str| Some(OsString::from(it));
    assert_eq!(choose(None, None), Choice::Simulated);
    assert_eq!(choose(some(""), some("")), Choice::Simulated);
    let assets = Choice::Assets("/envtest".into());
    assert_eq!(choose(some(""), some("/envtest")), assets);
    let kubeconfig = Choice::Kubeconfig("/config".into());
    assert_eq!(choose(some("/config"), some("/envtest")), kubeconfig);
}

#[test]
fn the_real_programs_are_started_as_envtest_does() {
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let folder = Path::new("/folder");
    let mut all = etcd_arguments(folder, address(1), address(2));
    all.push(String::new());
    all.extend(server_arguments(folder, address(1), address(3)));
    expect_test::expect![[r#"
        --data-dir=/folder/etcd
        --listen-client-urls=http://127.0.0.1:1
        --advertise-client-urls=http://127.0.0.1:1
        --listen-peer-urls=http://127.0.0.1:2
        --unsafe-no-fsync=true

        --etcd-servers=http://127.0.0.1:1
        --bind-address=127.0.0.1
        --secure-port=3
        --cert-dir=/folder
        --service-account-issuer=https://127.0.0.1:3/
        --service-account-key-file=/folder/sa.pub
        --service-account-signing-key-file=/folder/sa.key
        --token-auth-file=/folder/tokens.csv
        --authorization-mode=RBAC
        --disable-admission-plugins=ServiceAccount
        --service-cluster-ip-range=10.0.0.0/24
        --allow-privileged=true"#]]
    .assert_eq(&all.join("\n"));
    let addresses = free_addresses();
    assert!(addresses.iter().all(|it| it.ip().is_loopback()));
}

#[tokio::test]
async fn a_program_that_ends_is_noticed_and_leaves_nothing_behind() {
    let config = kubeconfig(SocketAddr::from(([127, 0, 0, 1], 1)));
    let run = |name: &str, arguments: &[&str]| Command::new(name).args(arguments).spawn().unwrap();
    let mut plane = ControlPlane {
        server: run("sh", &["-c", "exit 3"]),
        // Itself, not a shell around it: what a killed shell has started would stay.
        etcd: run("sleep", &["1000"]),
        kubeconfig: config,
        folder: TempDir::new().unwrap(),
    };
    let etcd = plane.etcd.id();
    let task = tokio::spawn(async move { ready(&mut plane).await });
    let panic = task.await.unwrap_err().into_panic();
    let said = panic.downcast_ref::<String>().unwrap();
    assert!(
        said.starts_with("kube-apiserver ended (exit status: 3)"),
        "{said}"
    );
    assert!(!Path::new(&format!("/proc/{etcd}/exe")).exists());
}
