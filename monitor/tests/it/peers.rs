//! With a real Prometheus and a real Alertmanager, from Debian's packages, on free loopback ports.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use monitor::config::Values;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::alerting::receiver;
use crate::support::{Site, real_now};

/// A process that ends with the test.
struct Peer {
    child: Child,
    address: SocketAddr,
}

impl Peer {
    /// Starts `command`, which logs the address it listens on.
    fn start(command: &mut Command) -> Peer {
        #[expect(
            clippy::zombie_processes,
            reason = "waited for when the peer is dropped"
        )]
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        for line in &mut lines {
            let line = line.unwrap();
            if let Some(address) = line
                .contains("msg=\"Listening on\"")
                .then(|| line.split("address=").nth(1))
                .flatten()
                .and_then(|text| text.trim().parse().ok())
            {
                std::thread::spawn(move || lines.for_each(drop));
                return Peer { child, address };
            }
            said.push_str(&line);
            said.push('\n');
        }
        panic!("{command:?} does not listen; it said:\n{said}");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn alertmanager(folder: &Path, webhook: &str) -> Peer {
    let config = folder.join("alertmanager.yml");
    let text = format!(
        "route:\n  receiver: test\n  group_by: ['...']\n  group_wait: 0s\n  group_interval: 1s\n  \
         repeat_interval: 1h\nreceivers:\n- name: test\n  webhook_configs:\n  - url: {webhook}\n    \
         send_resolved: true\n"
    );
    std::fs::write(&config, text).unwrap();
    Peer::start(
        Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.path={}",
                folder.join("alertmanager").display()
            ))
            .args([
                "--web.listen-address=127.0.0.1:0",
                "--cluster.listen-address=",
            ]),
    )
}

#[tokio::test]
#[ignore = "needs Debian's prometheus-alertmanager"]
async fn alertmanager_receives_holds_and_resolves_an_alert() {
    let folder = tempfile::tempdir().unwrap();
    let (url, mut heard) = receiver().await;
    let peer = alertmanager(folder.path(), url.as_str());
    let values = Values {
        alertmanager: Some(vec![format!("http://{}", peer.address).parse().unwrap()]),
        ..Values::default()
    };
    // Alertmanager has a clock of its own: the story is told so that it ends now.
    let start = real_now() - Duration::from_secs(230);
    let site = Site::start(start, values).await;
    let now = site.calls(start, 90, 20, Duration::from_millis(40)).await;
    let now = site.calls(now, 30, 20, Duration::from_millis(900)).await;
    let firing = heard.recv().await.unwrap();
    assert_eq!(firing["status"], "firing", "{firing:#}");
    let held: Value = reqwest::get(format!("http://{}/api/v2/alerts", peer.address))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(held[0]["status"]["state"], "active", "{held:#}");
    assert_eq!(held[0]["labels"]["service"], "orders", "{held:#}");

    site.calls(now, 110, 20, Duration::from_millis(40)).await;
    let mut resolved = heard.recv().await.unwrap();
    while resolved["status"] == "firing" {
        resolved = heard.recv().await.unwrap();
    }
    assert_eq!(
        resolved["alerts"][0]["labels"],
        firing["alerts"][0]["labels"]
    );
    site.running.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs Debian's prometheus"]
async fn prometheus_scrapes_the_monitor() {
    let folder = tempfile::tempdir().unwrap();
    let start = real_now() - Duration::from_secs(60);
    let site = Site::start(start, Values::default()).await;
    site.calls(start, 60, 20, Duration::from_millis(40)).await;

    // Prometheus tells us by remote write that it has scraped; no one has to wait and look.
    async fn take(State(told): State<mpsc::Sender<()>>) {
        let _full_when_told_before = told.try_send(());
    }
    let (told, mut heard) = mpsc::channel(1);
    let router = Router::new().route("/write", post(take)).with_state(told);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let remote = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = folder.path().join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: crosswatch\n  static_configs:\n  \
         - targets: ['{}']\nremote_write:\n- url: http://{remote}/write\n  queue_config: \
         {{batch_send_deadline: 1s}}\n",
        site.running.http
    );
    std::fs::write(&config, text).unwrap();
    let peer = Peer::start(
        Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("tsdb").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0"),
    );
    heard.recv().await.unwrap();
    let query = |expression: &'static str| {
        let url = format!("http://{}/api/v1/query", peer.address);
        async move {
            let url = reqwest::Url::parse_with_params(&url, [("query", expression)]).unwrap();
            let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
            answer["data"]["result"].clone()
        }
    };
    let up = query("up").await;
    assert_eq!(up[0]["value"][1], "1", "{up:#}");
    let requests = query("crosswatch_api_requests_total").await;
    assert_eq!(
        requests[0]["metric"]["route"], "/orders/{id}",
        "{requests:#}"
    );
    site.running.stop().await.unwrap();
}

#[tokio::test]
#[ignore = "needs promtool of Debian's prometheus"]
async fn promtool_accepts_the_metrics_of_a_monitor_at_work() {
    let start = real_now() - Duration::from_secs(60);
    let site = Site::start(start, Values::default()).await;
    site.calls(start, 60, 20, Duration::from_millis(40)).await;
    let text = site.get("/metrics").await.text().await.unwrap();
    site.running.stop().await.unwrap();
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}\n{text}",
        String::from_utf8_lossy(&said)
    );
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
