//! Requests that are wrong by mistake or on purpose, and names that want to be more than text.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, header};
use expect_test::{Expect, expect};
use monitor_core::{Band, LogSearch, SearchError, SearchPage, SearchRequest, Subject};
use monitor_serve::receive::Auth;
use proptest::prelude::*;

use super::parcels::key;
use super::{get, get_from, router, send, usual};

/// One line for each: status, then the problem as its `Display` writes it.
async fn check(uris: &[&str], expected: Expect) {
    let mut lines = String::new();
    for uri in uris {
        let answer = get(uri).await;
        assert_eq!(
            answer.headers[header::CONTENT_TYPE],
            "application/problem+json",
            "{uri}"
        );
        let problem: monitor_api::Problem = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(problem.status, answer.status.as_u16());
        lines.push_str(&format!("{uri}\n    {} {problem}\n", problem.status));
    }
    expected.assert_eq(&lines);
}

#[tokio::test]
async fn mistakes_are_explained() {
    check(
        &[
            "/api/v1/nosuch",
            "/api/v1/apis/00",
            "/api/v1/apis?limit=99999999999999999999",
            "/api/v1/apis?limit=1000000",
            "/api/v1/apis?limit=0",
            "/api/v1/apis?enviroment=a",
            "/api/v1/apis?state=broken",
            "/api/v1/anomalies/%3Cscript%3E",
            "/api/v1/anomalies?open=maybe",
            "/api/v1/alerts?state=angry",
            "/api/v1/search?query=(",
            "/api/v1/search?query=nosuch:1",
            "/api/v1/search?limit=1001",
            "/api/v1/search?offset=100001",
            "/api/v1/search?from=yesterday",
            "/api/v1/search?from=now&to=-1h",
            "/api/v1/search?order=random",
            "/api/v1/search?limit=1&limit=2",
            "/api/v1/search/histogram?step=0s",
            "/api/v1/search/histogram?from=1677-09-22T00:00:00Z&to=now&step=1ms",
            "/api/v1/search/facets",
            "/api/v1/search/facets?field=colour",
            "/api/v1/search/tail?query=(",
            "/api/v1/traces/xyz",
            "/api/v1/traces/00000000000000000000000000000001",
            "/api/v1/live",
        ],
        expect![[r#"
            /api/v1/nosuch
                404 the API has no such path; GET /api/v1/openapi.json describes all that there are
            /api/v1/apis/00
                404 no Api has this id (in `id`); GET /api/v1/apis lists them; one that was not called for long is forgotten
            /api/v1/apis?limit=99999999999999999999
                400 number too large to fit in target type (in `limit`)
            /api/v1/apis?limit=1000000
                400 1000000 is outside 1 to 10000 (in `limit`); ask for one part after another with `offset`
            /api/v1/apis?limit=0
                400 0 is outside 1 to 10000 (in `limit`); ask for one part after another with `offset`
            /api/v1/apis?enviroment=a
                400 unknown field `enviroment`, expected one of `service`, `environment`, `state`, `limit`, `offset` (in `enviroment`)
            /api/v1/apis?state=broken
                400 this is no state of an Api (in `state`); states are learning, ok, at-risk, anomalous, silent, paused; several with commas between
            /api/v1/anomalies/%3Cscript%3E
                404 no anomaly has this id (in `id`); GET /api/v1/anomalies lists them; those that ended long ago are forgotten
            /api/v1/anomalies?open=maybe
                400 provided string was not `true` or `false` (in `open`)
            /api/v1/alerts?state=angry
                400 unknown variant `angry`, expected one of `pending`, `firing`, `resolved` (in `state`)
            /api/v1/search?query=(
                400 this bracket is never closed (in `query` at character 0); for example: service:cart AND severity:ERROR "connection refused"
            /api/v1/search?query=nosuch:1
                400 cannot search by `nosuch` (in `query`); fields are environment, service, trace_id
            /api/v1/search?limit=1001
                400 1001 is outside 1 to 1000 (in `limit`); ask for one part after another with `offset`
            /api/v1/search?offset=100001
                400 100001 is more than 100000 (in `offset`); narrow the answer with filters or the time range
            /api/v1/search?from=yesterday
                400 `yesterday` is not a time (in `from`); write 2026-11-21T10:05:00Z, `now`, or a time before now such as -15m or -2h
            /api/v1/search?from=now&to=-1h
                400 `from` (2026-11-21T12:00:00Z) is later than `to` (2026-11-21T11:00:00Z) (in `from`); exchange the two
            /api/v1/search?order=random
                400 unknown variant `random`, expected `newest` or `oldest` (in `order`)
            /api/v1/search?limit=1&limit=2
                400 duplicate field `limit` (in `query`)
            /api/v1/search/histogram?step=0s
                400 `0s` is not an interval (in `step`); write a number and a unit: 250ms, 10s, 1m, 1h, 1d
            /api/v1/search/histogram?from=1677-09-22T00:00:00Z&to=now&step=1ms
                400 this step divides the time range into more than 10000 intervals (in `step`); leave `step` out for a fitting one
            /api/v1/search/facets
                400 no field is named (in `field`); name one: field=service
            /api/v1/search/facets?field=colour
                400 cannot search by `colour` (in `field`); fields are environment, service, trace_id
            /api/v1/search/tail?query=(
                400 this bracket is never closed (in `query` at character 0); for example: service:cart AND severity:ERROR "connection refused"
            /api/v1/traces/xyz
                400 this is no trace id: expected 32 hexadecimal digits that are not all zero (in `trace_id`)
            /api/v1/traces/00000000000000000000000000000001
                404 no stored record has this trace id (in `trace_id`); it may not have arrived yet, was not sampled, or is past its retention
            /api/v1/live
                426 Connection header did not include 'upgrade'; connect with a WebSocket client: ws://HOST:PORT/api/v1/live
        "#]],
    )
    .await;
}

#[tokio::test]
async fn long_queries_are_refused_and_not_echoed() {
    let uri = format!("/api/v1/search?query={}", "x".repeat(60_000));
    let answer = get(&uri).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.len() < 400, "{}", answer.body);

    let uri = format!("/api/v1/search?from={}", "9".repeat(8_000));
    let answer = get(&uri).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.len() < 400, "{}", answer.body);
}

#[tokio::test]
async fn everything_is_read_only() {
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let request = Request::builder()
            .method(&method)
            .uri("/api/v1/apis")
            .body(Body::from("{}"))
            .unwrap();
        let answer = send(router(&usual()), request).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(
            answer.headers[header::CONTENT_TYPE],
            "application/problem+json"
        );
    }
}

#[tokio::test]
async fn what_is_not_finite_is_not_known() {
    let site = usual();
    let mut view = super::parcels::view(super::noon());
    view.apis[0].rate = f64::NAN;
    view.apis[0].p99 = Some(f64::INFINITY);
    view.apis[0].latency_signal.band = Some(Band {
        lower: f64::NEG_INFINITY,
        upper: f64::INFINITY,
    });
    view.anomalies[0].explanation.actual = f64::NAN;
    site.view.send_replace(Arc::new(view));
    let item = &get_from(&site, "/api/v1/apis").await.json()["items"][0];
    assert_eq!(item["calls_per_second"], 0.0);
    assert!(item["latency_p99_seconds"].is_null());
    assert!(item["signals"]["latency_seconds"]["expected"]["upper"].is_null());
    // And it is what the client's types expect.
    let text = get_from(&site, "/api/v1/anomalies").await.body;
    serde_json::from_str::<monitor_api::Listing<monitor_api::Anomaly>>(&text).unwrap();
}

#[tokio::test]
async fn names_cannot_leave_their_quotes_in_evidence() {
    let site = usual();
    let mut view = super::parcels::view(super::noon());
    view.anomalies[0].signal.subject =
        Subject::Api(key("a b", "x\" OR service:\"", "GET", "/q\\\"/{id}"));
    site.view.send_replace(Arc::new(view));
    let json = get_from(&site, "/api/v1/anomalies").await.json();
    expect![[r#"service:"x\" OR service:\"" AND environment:"a b" AND (route:"/q\\\"/{id}" OR severity:>=WARN)"#]].assert_eq(json["items"][0]["evidence"]["query"].as_str().unwrap());
}

/// Whatever happens inside, the cause is for the log and not for whoever asks.
#[derive(Debug)]
struct Broken;

impl LogSearch for Broken {
    fn search(&self, _: &SearchRequest) -> Result<SearchPage, SearchError> {
        Err(SearchError::Index(
            "secret path /var/lib/x is unreadable".into(),
        ))
    }

    fn histogram(
        &self,
        _: &SearchRequest,
        _: std::time::Duration,
    ) -> Result<Vec<monitor_core::HistogramBucket>, SearchError> {
        panic!("a mistake in the index")
    }

    fn facets(
        &self,
        _: &SearchRequest,
        _: &str,
        _: usize,
    ) -> Result<Vec<monitor_core::FacetCount>, SearchError> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn a_broken_index_is_a_problem_of_ours() {
    let mut site = usual();
    site.ports.search = Arc::new(Broken);
    for path in ["/api/v1/search", "/api/v1/search/histogram"] {
        let answer = get_from(&site, path).await;
        assert_eq!(answer.status, 500);
        assert!(!answer.body.contains("secret") && !answer.body.contains("mistake"));
    }
}

/// Blocks until the test lets go.
#[derive(Debug)]
struct Slow(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

impl LogSearch for Slow {
    fn search(&self, _: &SearchRequest) -> Result<SearchPage, SearchError> {
        self.0.lock().unwrap().recv().ok();
        Ok(SearchPage::default())
    }

    fn histogram(
        &self,
        _: &SearchRequest,
        _: std::time::Duration,
    ) -> Result<Vec<monitor_core::HistogramBucket>, SearchError> {
        Ok(Vec::new())
    }

    fn facets(
        &self,
        _: &SearchRequest,
        _: &str,
        _: usize,
    ) -> Result<Vec<monitor_core::FacetCount>, SearchError> {
        Ok(Vec::new())
    }
}

#[tokio::test(start_paused = true)]
async fn searches_beyond_the_limit_are_told_to_come_back() {
    let mut site = usual();
    let (let_go, wait) = std::sync::mpsc::channel();
    site.ports.search = Arc::new(Slow(std::sync::Mutex::new(wait)));
    let router = router(&site);
    let mut searches = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let request = Request::get("/api/v1/search").body(Body::empty()).unwrap();
        searches.spawn(send(router.clone(), request));
    }
    // On one thread, each has asked for its turn once all have been polled.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    // The fifth finds no turn within its patience; the other four are still at work then.
    tokio::time::advance(std::time::Duration::from_secs(6)).await;
    let refused = searches.join_next().await.unwrap().unwrap();
    assert_eq!(refused.status, 429);
    assert_eq!(refused.headers[header::RETRY_AFTER], "1");
    drop(let_go);
    for answer in searches.join_all().await {
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn what_shows_data_can_be_protected_and_the_rest_stays_open() {
    let loopback = "127.0.0.1:8080".parse().unwrap();
    let auth = Auth::decide(loopback, vec!["s3cret".to_owned()]).unwrap();
    let site = usual();
    let stop = tokio_util::sync::CancellationToken::new();
    let router = monitor_serve::router(site.ports.clone(), stop, |data| auth.protect(data));
    for (path, status) in [
        ("/", 200),
        ("/assets/crosswatch.js", 200),
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 401),
        ("/api/v1/status", 401),
        ("/api/v1/live", 401),
        ("/api/v1/search?query=x", 401),
        ("/api/v1/nosuch", 401),
    ] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(send(router.clone(), request).await.status, status, "{path}");
    }
    let request = Request::get("/api/v1/status")
        .header(header::AUTHORIZATION, "Bearer s3cret")
        .body(Body::empty())
        .unwrap();
    assert_eq!(send(router, request).await.status, 200);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_request_breaks_the_api(
        path in prop::sample::select(vec![
            "apis", "apis/x", "services", "anomalies", "alerts", "search", "search/histogram",
            "search/facets", "traces/0123456789abcdef", "streams", "templates", "live",
        ]),
        name in prop::sample::select(vec![
            "limit", "offset", "from", "to", "query", "state", "step", "field", "order", "kinds",
        ]),
        value in "\\PC{0,30}",
    ) {
        let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(get(&format!("/api/v1/{path}?{name}={value}")));
        prop_assert!(!answer.status.is_server_error(), "{}", answer.body);
    }
}
