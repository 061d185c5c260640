//! What it costs to say something: a line about a request in each dialect, a span on the wire, and
//! both on their way through the collector.

use std::sync::Arc;
use std::time::Duration;

use divan::{Bencher, black_box};
use prost::Message;
use sim_services::clock::{Clock, Moment};
use sim_services::meter::ReplicaMeter;
use sim_services::telemetry::collector::Collector;
use sim_services::telemetry::sink::Counting;
use sim_services::telemetry::voice::Voice;
use sim_services::telemetry::{
    Access, Attribute, Export, Identity, Ids, Line, LogEvent, Span, SpanKind, dialect, otlp,
};
use sim_services::topology::{Dialect, EnvironmentKind, Level, LogSpec, TracingSpec};
use tokio_util::sync::CancellationToken;

fn main() {
    divan::main();
}

const AT: Moment = Moment(1_772_359_200_123_456_789);
const DIALECTS: [Dialect; 10] = [
    Dialect::Pino,
    Dialect::Zap,
    Dialect::Ecs,
    Dialect::Logfmt,
    Dialect::Spring,
    Dialect::Nginx,
    Dialect::Envoy,
    Dialect::Klog,
    Dialect::Syslog,
    Dialect::Plain,
];

fn identity() -> Identity {
    Identity {
        service: "orders".into(),
        namespace: "shop".into(),
        version: "3.1.4".into(),
        instance: "orders-6d5f7c9b8-x2x4k".into(),
        replica: 0,
        environment: "cloud-a".into(),
        kind: EnvironmentKind::Cloud,
        provider: Some("aws".into()),
        region: Some("eu-west-1".into()),
        zone: Some("eu-west-1a".into()),
        cluster: Some("shop-eu".into()),
        site: None,
    }
}

fn access() -> Access {
    Access {
        ids: Ids {
            trace: Some([0xa7; 16]),
            span: Some([0x31; 8]),
            request: Some("4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23".into()),
        },
        method: "POST".into(),
        route: "/orders/{id}/pay".into(),
        path: "/orders/4711/pay?retry=1".into(),
        status: 201,
        grpc_status: None,
        duration: Duration::from_nanos(12_345_678),
        request_bytes: 310,
        response_bytes: 256,
        peer: "10.1.4.17:51322".into(),
        user_agent: "ShopApp/5.2 (iPhone; iOS 18.1)".into(),
        client: Some("mobile-0042".into()),
        tenant: Some("acme".into()),
        upstream: Some(("10.2.0.9:8080".into(), Duration::from_micros(9_870))),
    }
}

fn span() -> Span {
    let text = |value: &str| Attribute::Text(value.into());
    Span {
        trace: [0xa7; 16],
        id: [0x31; 8],
        parent: Some([0x7; 8]),
        name: "POST /orders/{id}/pay".into(),
        kind: SpanKind::Server,
        start: AT - Duration::from_millis(12),
        end: AT,
        attributes: vec![
            ("http.request.method", text("POST")),
            ("http.route", text("/orders/{id}/pay")),
            ("url.path", text("/orders/4711/pay")),
            ("http.response.status_code", Attribute::Int(201)),
            ("server.address", text("orders")),
            ("client.address", text("10.1.4.17")),
        ],
        error: None,
    }
}

#[divan::bench(args = DIALECTS)]
fn line(bencher: Bencher<'_, '_>, dialect: Dialect) {
    let (who, event) = (identity(), LogEvent::Access(access()));
    bencher.bench(|| dialect::write(dialect, black_box(&who), AT, black_box(&event)));
}

/// Of a batch of 1,000: the time shown is for all of them.
const BATCH: usize = 1_000;

#[divan::bench]
fn spans_encoded(bencher: Bencher<'_, '_>) {
    let export = Export {
        identity: Arc::new(identity()),
        clock_offset: 0,
        lines: Vec::new(),
        spans: vec![span(); BATCH],
        gauges: Vec::new(),
    };
    let exports = [export];
    bencher
        .counter(divan::counter::ItemsCount::new(BATCH))
        .bench(|| otlp::traces(black_box(&exports)).encode_to_vec());
}

#[divan::bench]
fn lines_encoded(bencher: Bencher<'_, '_>) {
    let text = dialect::write(
        Dialect::Logfmt,
        &identity(),
        AT,
        &LogEvent::Access(access()),
    );
    let export = Export {
        identity: Arc::new(identity()),
        clock_offset: 0,
        lines: vec![Line { at: AT, text }; BATCH],
        spans: Vec::new(),
        gauges: Vec::new(),
    };
    let exports = [export];
    bencher
        .counter(divan::counter::ItemsCount::new(BATCH))
        .bench(|| otlp::logs(black_box(&exports)).encode_to_vec());
}

/// From a request's end to the sink: a line and a span each.
#[divan::bench]
fn said_and_collected(bencher: Bencher<'_, '_>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime needs nothing else");
    bencher
        .counter(divan::counter::ItemsCount::new(BATCH))
        .with_inputs(|| vec![(LogEvent::Access(access()), span()); BATCH])
        .bench_local_values(|said| {
            runtime.block_on(async {
                let clock = Clock::starting_at(AT);
                let sink = Arc::new(Counting::default());
                let collector = Collector::new("cloud-a", sink, clock, 2 * BATCH);
                let spec = LogSpec {
                    dialect: Dialect::Logfmt,
                    level: Level::Info,
                };
                let voice = Voice::new(
                    Arc::new(identity()),
                    &spec,
                    &TracingSpec::default(),
                    clock,
                    0,
                    Arc::new(ReplicaMeter::default()),
                    collector.handle(),
                );
                for (event, span) in said {
                    voice.log(event);
                    voice.span(span);
                }
                let stop = CancellationToken::new();
                stop.cancel();
                collector.run(stop).await;
            });
        });
}
