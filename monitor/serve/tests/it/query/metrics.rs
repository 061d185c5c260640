//! `/metrics` in both formats.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, header};
use expect_test::expect_file;

use super::fixture::noon;
use super::parcels::{calm, key, view};
use super::{get, get_from, router, send, usual};

#[tokio::test]
async fn prometheus_text() {
    let answer = get("/metrics").await;
    assert_eq!(
        answer.headers[header::CONTENT_TYPE],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    expect_file!["golden/metrics.txt"].assert_eq(&answer.body);
}

#[tokio::test]
async fn open_metrics_when_asked_for() {
    let request = Request::get("/metrics")
        .header(
            header::ACCEPT,
            "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.5",
        )
        .body(Body::empty())
        .unwrap();
    let answer = send(router(&usual()), request).await;
    assert_eq!(
        answer.headers[header::CONTENT_TYPE],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(answer.body.ends_with("# EOF\n"));
    assert!(
        answer
            .body
            .contains("# TYPE crosswatch_build info\ncrosswatch_build_info{")
    );
    assert!(
        answer
            .body
            .contains("# TYPE crosswatch_api_requests counter\ncrosswatch_api_requests_total{")
    );
}

#[tokio::test]
async fn too_many_apis_are_summed_visibly() {
    let site = usual();
    let mut view = view(noon());
    view.apis.clear();
    for n in 0..2_010u32 {
        let mut api = calm(key("dc", "s", "GET", &format!("/{n:05}")), noon(), 1.0, 0.1);
        (api.calls_total, api.errors_total) = (2, 1);
        view.apis.push(api);
    }
    site.view.send_replace(Arc::new(view));
    let text = get_from(&site, "/metrics").await.body;
    let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("crosswatch_api_requests_total{"), 2_001);
    let other =
        "{service=\"~other\",namespace=\"\",environment=\"~other\",method=\"\",route=\"~other\"}";
    assert!(text.contains(&format!("crosswatch_api_requests_total{other} 20\n")));
    assert!(text.contains(&format!("crosswatch_api_errors_total{other} 10\n")));
    assert!(text.contains("crosswatch_api_overflowing 10\n"));
}

#[tokio::test]
async fn no_series_is_there_twice() {
    let text = get("/metrics").await.body;
    let mut series: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    let all = series.len();
    series.sort_unstable();
    series.dedup();
    assert_eq!(series.len(), all);
}

#[tokio::test]
#[ignore = "needs promtool"]
async fn promtool_has_nothing_to_say() {
    let site = usual();
    let mut view = view(noon());
    let hostile = "\"}\n# TYPE x\\{a=\"é\u{202e}";
    view.apis.push(calm(
        key(hostile, hostile, hostile, hostile),
        noon(),
        1.0,
        0.1,
    ));
    site.view.send_replace(Arc::new(view));
    let body = get_from(&site, "/metrics").await.body;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is in Debian's package `prometheus`");
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(body.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr]
        .map(|text| String::from_utf8(text).unwrap())
        .concat();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
}
