//! Serves the page and the API with invented data that moves: for working on the page.
//!
//! `cargo run -p monitor-serve --example page -- [ADDRESS] [empty|usual|many|hostile]`

#![expect(clippy::print_stdout, reason = "says where the page is")]

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{Call, CallSource, CallStatus, IngestView, ServiceKey, Time, View};
use monitor_serve::{Clock, LiveEvent};
use tokio_util::sync::CancellationToken;

#[path = "../tests/it/query/fixture.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "made for the tests, which use more of it"
)]
mod fixture;

#[path = "../tests/it/query/parcels.rs"]
#[expect(clippy::unwrap_used, reason = "made for the tests")]
mod parcels;

#[path = "../tests/it/query/two_models.rs"]
#[expect(clippy::unwrap_used, reason = "made for the tests")]
mod two_models;

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "an example stands for the binary, which has one"
    )]
    fn now(&self) -> Time {
        jiff::Timestamp::now().into()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let scene = arguments.next().unwrap_or_else(|| "usual".to_owned());

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let site = fixture::site(clock.clone());
    let live = site.ports.live.clone();
    let router = monitor_serve::router(
        site.ports.clone(),
        CancellationToken::new(),
        std::convert::identity,
    );
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!(
        "http://{}/ shows the scene `{scene}`",
        listener.local_addr()?
    );

    let start = clock.now();
    let play = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        for second in 0u64.. {
            ticks.tick().await;
            let now = clock.now();
            let view = paint(&scene, start, now, second);
            for api in view.apis.iter().take(5) {
                // Nobody may be listening.
                drop(live.send(LiveEvent::Call(call(api.key.clone(), now))));
            }
            if scene == "empty" {
                site.ingest.send_replace(Arc::new(IngestView::default()));
            }
            site.view.send_replace(Arc::new(view));
        }
    };
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        () = play => {}
    }
    Ok(())
}

fn paint(scene: &str, start: Time, now: Time, second: u64) -> View {
    let mut view = parcels::view(now);
    // The invented anomalies began before the start and last since then.
    let age = now.since(start);
    for anomaly in &mut view.anomalies {
        if anomaly.end.is_none() {
            anomaly.start = anomaly.start - age;
        }
    }
    let wave = (second as f64 / 7.0).sin();
    for api in &mut view.apis {
        api.rate *= 1.0 + 0.1 * wave;
        api.p50 = api.p50.map(|p50| p50 * (1.0 + 0.05 * wave));
    }
    match scene {
        "empty" => View::default(),
        "many" => {
            for n in 0..500u32 {
                let service = format!("service-{:02}", n % 40);
                let environment =
                    ["aws-eu-central-1", "dc-north", "gcp-europe-west4"][n as usize % 3];
                let route = format!("/things-{n}/{{id}}/parts");
                let key = parcels::key(environment, &service, "GET", &route);
                view.apis.push(parcels::calm(
                    key,
                    now,
                    f64::from(n) / 3.0,
                    0.001 * f64::from(n + 1),
                ));
            }
            view
        }
        "hostile" => {
            let evil = "<img src=x onerror=alert(1)>\u{202e}txt.exe";
            let mut key = monitor_core::ApiKey {
                environment: "\"><script>alert(2)</script>".into(),
                service: ServiceKey::new("javascript:alert(3)", evil),
                method: "GET".into(),
                route: format!("/{}", "very-long-path-segment-without-any-break".repeat(8)).into(),
            };
            for n in 0..3 {
                key.method = format!("<b>{n}</b>").into();
                view.apis
                    .insert(0, parcels::calm(Arc::new(key.clone()), now, 1e9, 1e-9));
            }
            view
        }
        _ => view,
    }
}

fn call(api: Arc<monitor_core::ApiKey>, now: Time) -> Call {
    Call {
        api,
        source: CallSource::Span,
        end: now,
        duration: Some(Duration::from_millis(31)),
        response_bytes: None,
        status: CallStatus::Http(200),
        error_type: None,
        instance: "a-0".into(),
        version: None,
        caller: None,
        client: None,
        trace_id: None,
        span_id: None,
        parent: None,
        request_id: None,
        synthetic: false,
    }
}
