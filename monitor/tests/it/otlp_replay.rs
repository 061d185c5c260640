//! Replaying what a collector's file exporter wrote: an invented morning of a shop.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use expect_test::expect;
use monitor::replay::{ReplayArgs, Report, Speed, run};
use serde_json::{Value, json};

/// 2026-03-01T10:00:00Z
const START: u64 = 1_772_359_200;
const CHAIN: [(&str, &str, &str); 4] = [
    ("edge", "cloud-a", "POST /api/checkout"),
    ("checkout", "cloud-a", "POST /checkout"),
    ("payments", "cloud-b", "POST /payments"),
    ("ledger", "on-prem", "POST /bookings"),
];

/// Eight minutes of three requests a second through the chain; from 10:05 on the ledger takes ten
/// times as long for a minute and a half.
fn slow_from_five(second: u64) -> bool {
    (300..390).contains(&second)
}

fn resource(service: &str, environment: &str) -> Value {
    json!({"attributes": [
        {"key": "service.name", "value": {"stringValue": service}},
        {"key": "crosswatch.environment", "value": {"stringValue": environment}},
    ]})
}

/// One request a line, as the exporter writes them; about a second of one service each.
fn spans() -> String {
    let mut text = String::new();
    for second in 0..480u64 {
        for (depth, (service, environment, name)) in (0u64..).zip(CHAIN) {
            let mut spans = Vec::new();
            for request in 0..3u64 {
                let number = second * 3 + request;
                let start = (START + second) * 1_000_000_000 + request * 300_000_000;
                // Between 20 and 40 ms in the ledger, without a random number.
                let ledger = 20_000_000 + number.wrapping_mul(7_919) % 20_000 * 1_000;
                let slow = if slow_from_five(second) { 10 } else { 1 };
                let took = ledger * slow + (3 - depth) * 5_000_000;
                let id = |place: u64| format!("{:016x}", number * 16 + place + 1);
                let mut span = json!({
                    "traceId": format!("{:032x}", number + 1),
                    "spanId": id(2 * depth),
                    "name": name,
                    "kind": 2,
                    "startTimeUnixNano": (start + depth * 1_000_000).to_string(),
                    "endTimeUnixNano": (start + depth * 1_000_000 + took).to_string(),
                    "attributes": [{"key": "http.response.status_code", "value": {"intValue": "200"}}],
                });
                if depth > 0 {
                    span["parentSpanId"] = json!(id(2 * depth - 1));
                }
                spans.push(span.clone());
                if depth < 3 {
                    span["spanId"] = json!(id(2 * depth + 1));
                    span["parentSpanId"] = json!(id(2 * depth));
                    span["kind"] = json!(3);
                    spans.push(span);
                }
            }
            let line = json!({"resourceSpans": [{
                "resource": resource(service, environment),
                "scopeSpans": [{"scope": {"name": "shop"}, "spans": spans}],
            }]});
            writeln!(text, "{line}").expect("a String takes everything");
        }
    }
    text
}

/// The ledger's own lines say when they were written; their carrier does not.
fn logs() -> String {
    let mut text = String::new();
    for second in 0..480u64 {
        let (minute, of_minute) = (second / 60, second % 60);
        let clock = format!("2026-03-01T10:{minute:02}:{of_minute:02}Z");
        let line = json!({"resourceLogs": [{
            "resource": resource("ledger", "on-prem"),
            "scopeLogs": [{"logRecords": [
                {"body": {"stringValue": format!("{clock} INFO booked entry {second}")}},
            ]}],
        }]});
        writeln!(text, "{line}").expect("a String takes everything");
    }
    text
}

fn replay(input: &Path, data: &Path, stop_after: Option<u64>) -> anyhow::Result<Report> {
    let args = ReplayArgs {
        paths: vec![input.to_owned()],
        speed: Speed::Max,
        from: None,
        to: None,
        data: data.to_owned(),
        fresh: false,
        service: None,
        lateness_seconds: 10,
        false_alarms_per_week: 0.1,
        stop_after,
    };
    run(&args, &AtomicBool::new(false), false)
}

fn recording(folder: &Path) -> std::path::PathBuf {
    let input = folder.join("shop");
    fs::create_dir(&input).expect("an empty folder");
    let mut spans = spans();
    spans.push_str("{\"resourceSpans\": [{\n");
    spans.push_str("not a request\n");
    fs::write(input.join("traces.jsonl"), spans).expect("a new file");
    fs::write(input.join("logs.json"), logs()).expect("a new file");
    fs::write(input.join("truth.json"), "{\"faults\": []}").expect("a new file");
    input
}

#[test]
fn a_collectors_files_are_merged_and_the_cause_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let input = recording(folder.path());
    let data = folder.path().join("data");
    let report = replay(&input, &data, None).unwrap();
    let mut text = Vec::new();
    report.write_text(&mut text).unwrap();
    let text = String::from_utf8(text)
        .unwrap()
        .replace(&data.display().to_string(), "DATA");
    expect![[r#"
        Read
          from 2026-03-01T10:00:00Z to 2026-03-01T10:07:59.603Z
          log records         480 read,       480 searchable
          spans             10080 read,     10080 searchable
          rows refused          2
            traces.jsonl, line 1921: the body is not the JSON form of ExportTraceServiceRequest: EOF while parsing an object at line 1 column 20
            traces.jsonl, line 1922: neither resourceLogs, nor resourceSpans, nor resourceMetrics
          passed over, as no part of the recording: truth.json
          too late for the signals (but searchable): 0

        Formats
          timestamp-level                    1 streams       480 records

        Service                                  logs   errors    spans templates
        checkout                                    0        0     2880         0
        edge                                        0        0     2880         0
        ledger                                    480        0     1440         1
        payments                                    0        0     2880         0

        4 Apis discovered; what is normal for them
             calls  errors       p50       p95       p99  Api
              1440   0.00%   42.0 ms  357.0 ms  394.5 ms  checkout POST /checkout
              1440   0.00%   47.4 ms  364.2 ms  402.5 ms  edge POST /api/checkout
              1440   0.00%   37.2 ms  349.9 ms  394.5 ms  payments POST /payments
              1440   0.00%   32.4 ms  343.0 ms  386.7 ms  ledger POST /bookings

        5 anomalies were found as they happened (`crosswatch explain`)

        Incidents: what belongs together, and the likeliest causes
          2026-03-01T10:04:54Z to 2026-03-01T10:07:39Z, told at 2026-03-01T10:05:08Z
            checkout @ cloud-a, edge @ cloud-a, ledger @ on-prem, payments @ cloud-b
            0.41 ledger @ on-prem: its own time for a call rose 7.1×, from 30 ms to 213 ms, waiting for other services not counted; 25 % of all delay and failures began here; changed at 10:04:54, together with checkout; it calls nobody…
            0.24 payments @ cloud-b: its own time for a call rose 6.2×, from 35 ms to 218 ms, waiting for other services not counted; 25 % of all delay and failures began here; changed at 10:04:54; it calls ledger, which changed at the s…
            0.23 checkout @ cloud-a: its own time for a call rose 5.6×, from 40 ms to 223 ms, waiting for other services not counted; 25 % of all delay and failures began here; changed at 10:04:54; it calls payments, which changed at the…

        What next
          crosswatch explain --data DATA
          crosswatch search --data DATA 'severity:ERROR' --facet service
    "#]].assert_eq(&text);

    let kept = fs::read_to_string(data.join("incidents.jsonl")).unwrap();
    assert_eq!(kept.lines().count(), report.incidents.len());
}

#[test]
fn an_interrupted_replay_finds_the_same_incidents() {
    let folder = tempfile::tempdir().unwrap();
    let input = recording(folder.path());
    let straight = replay(&input, &folder.path().join("straight"), None).unwrap();
    let twice = folder.path().join("twice");
    assert!(replay(&input, &twice, Some(3)).is_err(), "interrupted");
    let resumed = replay(&input, &twice, None).unwrap();
    let told = |report: &Report| serde_json::to_string(&report.incidents).unwrap();
    assert_eq!(told(&straight), told(&resumed));
    for file in ["anomalies.jsonl", "incidents.jsonl"] {
        assert_eq!(
            fs::read(folder.path().join("straight").join(file)).unwrap(),
            fs::read(twice.join(file)).unwrap(),
            "{file}"
        );
    }
}

#[test]
fn a_bad_item_costs_itself() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("traces.jsonl");
    let good = json!({
        "traceId": "0000000000000000000000000000000a", "spanId": "000000000000000b",
        "name": "GET /", "kind": 2,
        "startTimeUnixNano": "1772359200000000000", "endTimeUnixNano": "1772359200020000000",
    });
    let mut bad = good.clone();
    bad["spanId"] = json!("");
    let line = json!({"resourceSpans": [{
        "resource": resource("edge", "cloud-a"),
        "scopeSpans": [{"spans": [good, bad]}],
    }]});
    fs::write(&input, format!("{line}\n\n{line}\n")).unwrap();
    let report = replay(&input, &folder.path().join("data"), None).unwrap();
    assert_eq!((report.input.span_rows, report.searchable.spans), (2, 2));
    assert_eq!(report.input.rejected, 2);
    expect![[r#"
        traces.jsonl, line 1: item 2: the span id has 0 bytes, not 8 (invalid_id)
        traces.jsonl, line 3: item 2: the span id has 0 bytes, not 8 (invalid_id)"#]]
    .assert_eq(&report.input.rejections.join("\n"));
}
