//! How log events and spans are written and delivered.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod collector;
mod dialects;
mod folder;
mod hostile;
mod otlp;
mod post;
mod voice;

use std::sync::Arc;
use std::time::Duration;

use sim_services::clock::Moment;
use sim_services::telemetry::{
    Access, Attribute, Export, Gauge, Identity, Ids, Line, LogEvent, Message, Span, SpanKind,
};
use sim_services::topology::{Dialect, EnvironmentKind, Level};

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

/// 2026-03-01T10:00:00.123456789Z
const AT: Moment = Moment(1_772_359_200_123_456_789);

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

fn ids() -> Ids {
    Ids {
        trace: Some(*b"\x69\xa4\x0f\x60\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"),
        span: Some(*b"\xb7\xad\x6b\x71\x69\x20\x33\x31"),
        request: Some("4f3c2a10-9d6e-4b57-8a21-0c5d7e9f1b23".into()),
    }
}

fn access() -> Access {
    Access {
        ids: ids(),
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

fn message() -> Message {
    Message {
        ids: ids(),
        level: Level::Info,
        logger: "OrderService",
        text: "order accepted".into(),
        fields: vec![("order", "4711".into()), ("state", "to be paid".into())],
        error: None,
    }
}

fn failure() -> Message {
    Message {
        level: Level::Error,
        text: "payment failed".into(),
        error: Some((
            "UpstreamTimeout",
            "payments: no answer within 2000 ms".into(),
        )),
        ..message()
    }
}

fn span() -> Span {
    Span {
        trace: *b"\x69\xa4\x0f\x60\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c",
        id: *b"\xb7\xad\x6b\x71\x69\x20\x33\x31",
        parent: Some([7; 8]),
        name: "POST /orders/{id}/pay".into(),
        kind: SpanKind::Server,
        start: AT - Duration::from_millis(12),
        end: AT,
        attributes: vec![
            ("http.request.method", Attribute::Text("POST".into())),
            ("http.response.status_code", Attribute::Int(503)),
            ("cache.hit", Attribute::Bool(false)),
        ],
        error: Some("503".into()),
    }
}

fn export(clock_offset: i64) -> Export {
    Export {
        identity: Arc::new(identity()),
        clock_offset,
        lines: ["first", "second\n\tat of(Two.java:1)"]
            .map(|text| Line {
                at: AT,
                text: text.into(),
            })
            .into(),
        spans: vec![span()],
        gauges: Vec::new(),
    }
}

/// Two series of one metric, and what there is.
fn gauges() -> Vec<Gauge> {
    let of = |name, kind: Option<&str>, value| Gauge {
        at: AT,
        name,
        unit: "By",
        value,
        attributes: kind
            .map(|kind| ("go.memory.type", kind.to_owned()))
            .into_iter()
            .collect(),
    };
    vec![
        of("go.memory.used", Some("other"), 80e6),
        of("go.memory.limit", None, 256e6),
        of("go.memory.used", Some("stack"), 2e6),
    ]
}

fn texts(exports: &[Export]) -> Vec<&str> {
    exports
        .iter()
        .flat_map(|export| &export.lines)
        .map(|line| line.text.as_str())
        .collect()
}

fn message_event(level: Level, text: &str) -> LogEvent {
    LogEvent::Message(Message {
        level,
        text: text.into(),
        ..message()
    })
}
