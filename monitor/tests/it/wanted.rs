//! What operators and people put, through the typed client and every thread of the monitor.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use monitor::config::Values;
use monitor_api::{
    ApiState, Change, ChangesQuery, Client, Configuration, Maintenance, Probe, Receiver, Route,
    WorkloadSettings, Workloads, WorkloadsQuery,
};
use monitor_core::Time;
use tokio::sync::mpsc;

use crate::support::{Site, batch};

const START: Time = Time::from_secs(1_772_359_200);

fn client(site: &Site) -> Client {
    Client::new(&format!("http://{}", site.running.http), None).unwrap()
}

fn wish(own: WorkloadSettings) -> Configuration {
    Configuration {
        revision: "17".to_owned(),
        workloads: vec![WorkloadSettings {
            service: "orders".to_owned(),
            ..own
        }],
        ..Configuration::default()
    }
}

/// Asks until something is so, as an operator does: by cursor, waiting.
async fn until(site: &Site, shown: impl Fn(&Workloads) -> bool) -> Workloads {
    let client = client(site);
    for _ in 0..60 {
        let all = client.workloads(&WorkloadsQuery::default()).await.unwrap();
        if shown(&all) {
            return all;
        }
        // The worker looks at the time when it wakes by itself.
        site.clock
            .set(site.running.view.borrow().at.max(site_now(site)) + Duration::from_secs(1));
        let mut view = site.running.view.clone();
        view.changed().await.unwrap();
        // What is told of workloads follows the view at a pace of its own, which no clock of ours
        // moves; who waits is woken by it.
        let waiting = WorkloadsQuery {
            after: Some(all.cursor),
            wait_seconds: Some(1),
            ..WorkloadsQuery::default()
        };
        client.workloads(&waiting).await.unwrap();
    }
    panic!(
        "it is never so: {:#?}",
        client.workloads(&WorkloadsQuery::default()).await
    );
}

fn site_now(site: &Site) -> Time {
    use monitor_serve::Clock;
    site.clock.now()
}

#[tokio::test]
async fn who_waits_hears_of_a_first_log_before_its_second_is_judged() {
    let site = Site::start(START, Values::default()).await;
    let client = client(&site);
    let before = client.workloads(&WorkloadsQuery::default()).await.unwrap();
    assert!(before.complete && before.items.is_empty(), "{before:?}");
    let query = WorkloadsQuery {
        after: Some(before.cursor),
        wait_seconds: Some(30),
        ..WorkloadsQuery::default()
    };
    let waiting = tokio::spawn(async move { client.workloads(&query).await });
    // The clock moves by less than the lateness: nothing can be judged meanwhile.
    site.clock.set(START + Duration::from_millis(900));
    let mut first = batch(START, 1, Duration::from_millis(40));
    first.received = START + Duration::from_millis(900);
    site.intake().submit(first).await.unwrap();
    let told = waiting.await.unwrap().unwrap();
    assert_eq!(told.items.len(), 1, "{told:#?}");
    let orders = &told.items[0];
    assert_eq!(
        (&*orders.service, &*orders.environment),
        ("orders", "unknown")
    );
    assert_eq!(orders.state, ApiState::Learning);
    assert_eq!(orders.first_log.as_deref(), Some(&*START.to_string()));
    assert_eq!(orders.log_format.as_deref(), Some("logfmt"));
    site.running.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_put_is_in_force_and_kept_over_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let values = || Values {
        data_dir: Some(data.path().join("data")),
        ..Values::default()
    };
    let site = Site::start(START, values()).await;
    let now = site.calls(START, 60, 10, Duration::from_millis(40)).await;
    let paused = wish(WorkloadSettings {
        paused: true,
        ..WorkloadSettings::default()
    });
    let outcome = client(&site)
        .put_configuration("cluster", &paused)
        .await
        .unwrap();
    assert_eq!((outcome.accepted, outcome.refused.len()), (1, 0));
    let is_paused = |all: &Workloads| {
        all.items
            .first()
            .is_some_and(|item| item.state == ApiState::Paused)
    };
    let all = until(&site, is_paused).await;
    assert_eq!(all.configurations["cluster"], "17");
    let change = Change {
        id: "rollout-1".to_owned(),
        at: site_now(&site).to_string(),
        kind: "rollout".to_owned(),
        service: Some("orders".to_owned()),
        source: "kubernetes".to_owned(),
        ..Change::default()
    };
    let noted = client(&site)
        .post_changes(&[change.clone(), change])
        .await
        .unwrap();
    assert_eq!((noted.accepted, noted.duplicates), (1, 1));
    let later = site_now(&site);
    site.running.stop().await.unwrap();

    let kept = data.path().join("data/configuration/cluster.json");
    let rights = std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777;
    assert_eq!(rights, 0o600);
    std::fs::write(kept.with_file_name("broken.json"), "{").unwrap();
    let site = Site::start(later.max(now), values()).await;
    let all = until(&site, is_paused).await;
    assert_eq!(all.configurations.len(), 1, "the broken one is set aside");
    let changes = client(&site)
        .changes(&ChangesQuery::default())
        .await
        .unwrap();
    assert_eq!(changes.items[0].id, "rollout-1");
    let shown = client(&site).configuration("cluster").await.unwrap();
    assert_eq!(shown, Some(paused));
    client(&site).delete_configuration("cluster").await.unwrap();
    assert!(!kept.exists());
    until(&site, |all| {
        !is_paused(all) && all.configurations.is_empty()
    })
    .await;
    assert_eq!(client(&site).configuration("cluster").await.unwrap(), None);
    site.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_route_tells_its_receiver_with_its_token_and_severity_unless_muted() {
    type Told = mpsc::Sender<(String, serde_json::Value)>;
    async fn take(
        State(told): State<Told>,
        headers: HeaderMap,
        axum::Json(body): axum::Json<serde_json::Value>,
    ) {
        let token = headers["authorization"].to_str().unwrap().to_owned();
        told.send((token, body)).await.unwrap();
    }
    let (told, mut heard) = mpsc::channel(64);
    let address = serve(
        axum::Router::new()
            .route("/hook", post(take))
            .with_state(told),
    )
    .await;
    let site = Site::start(START, Values::default()).await;
    let muted_until = START + Duration::from_secs(200);
    let routing = Configuration {
        routing: vec![Route {
            name: "pager".to_owned(),
            severity: Some("info".to_owned()),
            receivers: vec![Receiver {
                name: "hook".to_owned(),
                kind: "webhook".to_owned(),
                url: format!("{address}/hook"),
                token: Some("s3cret".to_owned()),
            }],
            ..Route::default()
        }],
        maintenance: vec![Maintenance {
            name: "night".to_owned(),
            starts_at: START.to_string(),
            ends_at: muted_until.to_string(),
            mute: true,
            ..Maintenance::default()
        }],
        ..Configuration::default()
    };
    client(&site)
        .put_configuration("person", &routing)
        .await
        .unwrap();
    let now = site.calls(START, 120, 20, Duration::from_millis(40)).await;
    let now = site.calls(now, 60, 20, Duration::from_millis(900)).await;
    let shown = site
        .until("the muted alert", |view| {
            view.alerts.iter().any(|alert| {
                alert
                    .muted
                    .as_deref()
                    .is_some_and(|why| why.starts_with("maintenance `night`"))
            })
        })
        .await;
    assert!(shown.at < muted_until, "{shown:#?}");
    assert!(heard.try_recv().is_err());
    site.calls(now.max(site_now(&site)), 60, 20, Duration::from_millis(900))
        .await;
    let (token, body) = heard.recv().await.unwrap();
    assert_eq!(token, "Bearer s3cret");
    assert_eq!(body["alerts"][0]["labels"]["severity"], "info", "{body:#}");
    site.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_probe_says_what_it_is_and_what_came_of_it() {
    async fn answer(
        State(asked): State<mpsc::Sender<HeaderMap>>,
        headers: HeaderMap,
    ) -> StatusCode {
        asked.send(headers).await.unwrap();
        StatusCode::SERVICE_UNAVAILABLE
    }
    let (asked, mut questions) = mpsc::channel(64);
    let address = serve(
        axum::Router::new()
            .route("/", get(answer))
            .with_state(asked),
    )
    .await;
    let site = Site::start(START, Values::default()).await;
    site.calls(START, 5, 10, Duration::from_millis(40)).await;
    let asking = wish(WorkloadSettings {
        probes: vec![Probe {
            name: "home".to_owned(),
            url: format!("{address}/"),
            interval_seconds: 5,
            ..Probe::default()
        }],
        ..WorkloadSettings::default()
    });
    client(&site)
        .put_configuration("person", &asking)
        .await
        .unwrap();
    let headers = questions.recv().await.unwrap();
    assert!(
        headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("crosswatch-probe/")
    );
    let trace = headers["traceparent"].to_str().unwrap()[3..35].to_owned();
    let failed = |all: &Workloads| {
        all.items
            .first()
            .is_some_and(|item| !item.probes.is_empty())
    };
    let all = until(&site, failed).await;
    let probe = &all.items[0].probes[0];
    assert_eq!((&*probe.name, probe.ok), ("home", false));
    assert_eq!(probe.failure.as_deref(), Some("it answered 503"));
    // Its record is there, and it is nobody's call.
    let found = site.finds(&format!("trace_id:{trace}"), 1).await;
    assert_eq!(found["records"][0]["service"], "orders", "{found:#}");
    let view = Arc::clone(&site.running.view.borrow());
    assert!(
        view.apis
            .iter()
            .all(|api| api.key.route.starts_with("/orders"))
    );
    site.running.stop().await.unwrap();
}

async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}
