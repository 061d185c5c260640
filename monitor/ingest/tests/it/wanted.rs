//! What people want of how a service's records are read.

use std::sync::Arc;

use monitor_core::{
    ApiKey, Batch, FieldMetric, Item, LogItem, Observation, Origin, PathPattern, Payload, Resource,
    RouteTemplate, ServiceKey, Settings, Source, Time, Watching,
};
use monitor_ingest::pipeline::Pipeline;

const START: Time = Time::from_secs(1_772_359_200);

fn pipeline(own: Watching) -> Pipeline {
    let mut pipeline = Pipeline::new();
    let orders = ServiceKey::new("", "orders");
    let settings = Settings::new([(orders, None, own)], Vec::new(), Vec::new());
    pipeline.configure(Arc::new(settings));
    pipeline
}

fn batch(service: &str, lines: &[&str]) -> Batch {
    let item = |line: &&str| Item {
        source: 0,
        payload: Payload::Log(LogItem {
            text: (*line).to_owned(),
            ..LogItem::default()
        }),
    };
    Batch {
        origin: Origin::JsonLines,
        received: START,
        sources: vec![Source {
            resource: Arc::new(Resource::of_service(service)),
            stream: "stdout".into(),
        }],
        items: lines.iter().map(item).collect(),
    }
}

fn apis(pipeline: &mut Pipeline, service: &str, lines: &[&str]) -> Vec<String> {
    let understood = pipeline.process(batch(service, lines));
    let operation = |api: &Arc<ApiKey>| api.operation();
    let calls = understood.observations.iter();
    calls
        .filter_map(|observation| match observation {
            Observation::Call(call) => Some(operation(&call.api)),
            _ => None,
        })
        .collect()
}

const LINES: [&str; 4] = [
    "method=GET path=/shelves/oak/7 status=200 duration=12ms",
    "method=GET path=/shelves/elm/8?q=1 status=200 duration=12ms",
    "method=PUT path=/shelves/elm/8 status=200 duration=12ms",
    "method=GET path=/internal/ready status=200 duration=1ms",
];

#[test]
fn a_persons_routes_come_first_and_excluded_paths_are_no_apis() {
    let own = Watching {
        routes: vec![RouteTemplate::parse("GET /shelves/{wood}/{number}").unwrap()],
        exclude_paths: vec![PathPattern::new("/internal/*")],
        ..Watching::default()
    };
    let mut pipeline = pipeline(own);
    assert_eq!(
        apis(&mut pipeline, "orders", &LINES),
        [
            "GET /shelves/{wood}/{number}",
            "GET /shelves/{wood}/{number}",
            "PUT /shelves/elm/{id}"
        ]
    );
    // Only that service is meant.
    assert_eq!(apis(&mut pipeline, "cart", &LINES).len(), 4);
    // What is said no more holds no more.
    pipeline.configure(Arc::default());
    assert_eq!(apis(&mut pipeline, "orders", &LINES).len(), 4);
}

#[test]
fn our_own_probes_in_access_logs_are_synthetic() {
    let line = "10.0.0.1 - - [01/Mar/2026:10:00:00 +0000] \"GET /cart HTTP/1.1\" 200 12 \"-\" \
                \"crosswatch-probe/0.1.0\"";
    let mut pipeline = Pipeline::new();
    let understood = pipeline.process(batch("cart", &[line]));
    let synthetic = understood
        .observations
        .iter()
        .any(|observation| matches!(observation, Observation::Call(call) if call.synthetic));
    assert!(synthetic, "{:#?}", understood.observations);
}

#[test]
fn a_hint_is_tried_first_and_others_are_still_read() {
    let own = |format: &str| Watching {
        log_format: Some(format.into()),
        ..Watching::default()
    };
    let format = |own: Watching, line: &str| {
        let understood = pipeline(own).process(batch("orders", &[line]));
        understood.records[0].1.format
    };
    let text = "level=info msg=\"a=1 b=2\"";
    assert_eq!(format(Watching::default(), text), Some("logfmt"));
    assert_eq!(format(own("text"), text), Some("text"));
    assert_eq!(format(own("access"), text), Some("logfmt"));
    assert_eq!(format(own("json"), "nothing that is any"), None);
}

#[test]
fn numbers_are_taken_out_of_fields() {
    let own = Watching {
        metrics: vec![
            FieldMetric {
                name: "depth".into(),
                field: "queue.depth".into(),
                unit: Some("messages".into()),
            },
            FieldMetric {
                name: "absent".into(),
                field: "nosuch".into(),
                unit: None,
            },
        ],
        ..Watching::default()
    };
    let mut pipeline = pipeline(own);
    for (line, shown) in [
        (r#"{"msg":"a","queue":{"depth":7}}"#, vec![7.0]),
        (r#"{"msg":"a","queue":{"depth":"deep"}}"#, vec![7.0]),
        (r#"{"msg":"a","queue.depth":"8.5"}"#, vec![8.5]),
        (r#"{"msg":"a"}"#, vec![8.5]),
    ] {
        pipeline.process(batch("orders", &[line]));
        let fields = pipeline.fields();
        let values: Vec<f64> = fields.iter().map(|field| field.value).collect();
        assert_eq!(values, shown, "{line}");
    }
    assert_eq!(pipeline.fields()[0].unit.as_deref(), Some("messages"));
    pipeline.configure(Arc::default());
    assert!(pipeline.fields().is_empty());
}

#[test]
fn who_sends_logs_is_known_at_once_and_how_they_are_read() {
    let mut pipeline = Pipeline::new();
    assert!(!pipeline.take_news());
    pipeline.process(batch(
        "orders",
        &["level=info msg=a", "what is this", "level=info msg=b"],
    ));
    assert!(pipeline.take_news());
    let logs = pipeline.logs();
    assert_eq!((logs.len(), logs[0].records), (1, 3));
    assert_eq!(logs[0].format.as_deref(), Some("logfmt"));
    assert!((logs[0].unrecognised_ratio - 1.0 / 3.0).abs() < 1e-9);
    // Minutes later all is read, and a restart knows it too.
    let mut later = batch("orders", &["level=info msg=a"]);
    later.received = START + std::time::Duration::from_secs(600);
    pipeline.process(later);
    let mut restored = Pipeline::restore(&pipeline.snapshot().unwrap()).unwrap();
    assert_eq!(restored.logs(), pipeline.logs());
    assert_eq!(restored.logs()[0].unrecognised_ratio, 0.0);
    restored.process(batch("orders", &["level=info msg=a"]));
    assert!(!restored.take_news(), "it is known");
    assert_eq!(restored.logs().len(), 1);
}
