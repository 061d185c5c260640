//! A real API server: `etcd` and `kube-apiserver` of a folder, on free loopback ports.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kube::config::Kubeconfig;
use serde_json::json;
use tokio::process::{Child, Command};

/// As long as a start may take.
const PATIENCE: Duration = Duration::from_secs(120);

const TOKEN: &str = "expectations";

/// Both end with this.
pub(super) struct Processes {
    etcd: Child,
    server: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Processes {
    pub(super) fn start(assets: &Path) -> Processes {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let accounts = rcgen::KeyPair::generate().unwrap();
        let key = accounts.serialize_der();
        std::fs::write(path("accounts.key"), pem("PRIVATE KEY", &key)).unwrap();
        // Of private keys it reads none but those in SEC 1 here, and this one is in PKCS #8.
        let key = rcgen::PublicKeyData::subject_public_key_info(&accounts);
        std::fs::write(path("accounts.pub"), pem("PUBLIC KEY", &key)).unwrap();
        let server = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = server.signing_key.serialize_der();
        std::fs::write(path("server.crt"), pem("CERTIFICATE", server.cert.der())).unwrap();
        std::fs::write(path("server.key"), pem("PRIVATE KEY", &key)).unwrap();
        let user = format!("{TOKEN},admin,admin,\"system:masters\"\n");
        std::fs::write(path("tokens.csv"), user).unwrap();

        let [clients, peers, address] = free_addresses();
        let (clients, peers) = (format!("http://{clients}"), format!("http://{peers}"));
        let etcd = quiet(Command::new(assets.join("etcd")).args([
            format!("--data-dir={}", path("etcd")),
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            "--unsafe-no-fsync".to_owned(),
        ]));
        let server = quiet(Command::new(assets.join("kube-apiserver")).args([
            format!("--etcd-servers={clients}"),
            format!("--cert-dir={}", path("certificates")),
            format!("--tls-cert-file={}", path("server.crt")),
            format!("--tls-private-key-file={}", path("server.key")),
            format!("--bind-address={}", address.ip()),
            format!("--secure-port={}", address.port()),
            format!("--token-auth-file={}", path("tokens.csv")),
            format!("--service-account-key-file={}", path("accounts.pub")),
            format!(
                "--service-account-signing-key-file={}",
                path("accounts.key")
            ),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            // Nobody makes the accounts that pods would need.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
        ]));
        Processes {
            etcd,
            server,
            address,
            folder,
        }
    }

    pub(super) fn kubeconfig(&self) -> Kubeconfig {
        let certificate = self.folder.path().join("server.crt");
        let written = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "real",
            "clusters": [{ "name": "real", "cluster": {
                "server": format!("https://{}", self.address),
                "certificate-authority": certificate,
            } }],
            "users": [{ "name": "admin", "user": { "token": TOKEN } }],
            "contexts": [{ "name": "real", "context": { "cluster": "real", "user": "admin" } }],
        });
        Kubeconfig::from_yaml(&written.to_string()).unwrap()
    }

    /// Waits until it serves.
    pub(super) async fn ready(&self, client: &kube::Client) {
        let asking = async {
            let mut every = tokio::time::interval(Duration::from_millis(200));
            loop {
                every.tick().await;
                let request = hyper::Request::get("/readyz").body(Vec::new()).unwrap();
                if client.request_text(request).await.is_ok() {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, asking)
            .await
            .expect("kube-apiserver does not become ready");
    }

    pub(super) async fn stop(mut self) {
        self.server.kill().await.unwrap();
        self.etcd.kill().await.unwrap();
    }
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let written = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = written
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    let body = lines.join("\n");
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn quiet(command: &mut Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("KUBEBUILDER_ASSETS holds etcd and kube-apiserver")
}

/// The programs take no listeners, so these are let go just before they start.
fn free_addresses() -> [SocketAddr; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.each_ref().map(|it| it.local_addr().unwrap())
}
