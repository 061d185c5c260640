//! A number out of a log field, from the line to the anomaly, and over a restart.

use std::sync::Arc;
use std::time::Duration;

use monitor::heart::Heart;
use monitor_core::{
    Anomaly, Batch, FieldMetric, Item, LogItem, Origin, Payload, Resource, ServiceKey, Settings,
    Source, Time, Watching,
};
use monitor_engine::{Effect, EngineConfig};

const START: Time = Time::from_secs(1_772_359_200);

fn settings() -> Arc<Settings> {
    let own = Watching {
        metrics: vec![FieldMetric {
            name: "queue depth".into(),
            field: "queue.depth".into(),
            unit: Some("messages".into()),
        }],
        ..Watching::default()
    };
    let orders = ServiceKey::new("", "orders");
    Arc::new(Settings::new([(orders, None, own)], Vec::new(), Vec::new()))
}

fn line(at: Time, depth: f64) -> Batch {
    let text =
        format!(r#"{{"time":"{at}","level":"info","msg":"tick","queue":{{"depth":{depth}}}}}"#);
    Batch {
        origin: Origin::JsonLines,
        received: at,
        sources: vec![Source {
            resource: Arc::new(Resource::of_service("orders")),
            stream: "stdout".into(),
        }],
        items: vec![Item {
            source: 0,
            payload: Payload::Log(LogItem {
                text,
                ..LogItem::default()
            }),
        }],
    }
}

/// A line every ten seconds, the depth going to and fro between two numbers.
fn minutes(heart: &mut Heart, from: i64, count: i64, (low, high): (f64, f64)) -> Vec<Anomaly> {
    let mut opened = Vec::new();
    for step in from * 6..(from + count) * 6 {
        let at = START + Duration::from_secs(step.unsigned_abs() * 10);
        let part = step.wrapping_mul(7).rem_euclid(13) as f64 / 12.0;
        heart.take(line(at, (low + (high - low) * part).round()));
        let effects = heart.tick(at + Duration::from_secs(1));
        opened.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::AnomalyOpened(anomaly) if &*anomaly.detector == "stream" => Some(anomaly),
            _ => None,
        }));
    }
    opened
}

#[test]
fn a_field_that_people_want_watched_becomes_an_anomaly_also_after_a_restart() {
    let mut heart = Heart::new(EngineConfig::default());
    heart.configure(&settings());
    assert_eq!(minutes(&mut heart, 0, 240, (30.0, 50.0)), []);
    let bytes = heart.snapshot().unwrap();
    let mut heart = Heart::restore(EngineConfig::default(), &bytes).unwrap();
    heart.configure(&settings());
    let opened = minutes(&mut heart, 240, 10, (800.0, 820.0));
    let [anomaly] = opened.as_slice() else {
        panic!("{opened:#?}");
    };
    assert_eq!(
        anomaly.signal.to_string(),
        "number of orders @ unknown queue depth (messages)"
    );
    let (start, why) = (anomaly.start, &anomaly.explanation.why);
    assert_eq!(start, START + Duration::from_secs(240 * 60));
    assert!(why.starts_with("queue depth 8"), "{why}");
    assert!(why.contains("messages expected now"), "{why}");
    assert!(why.ends_with("by the mean of 6 values in 60 s"), "{why}");
    let view = heart.view();
    assert_eq!(view.fields.len(), 1);
    assert!(view.alerts.is_empty(), "it pages nobody");
    assert!(view.anomalies.iter().any(|shown| shown.id == anomaly.id));
}
