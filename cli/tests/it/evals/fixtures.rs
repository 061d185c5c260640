//! Benchmarks of next to nothing, in the formats of the real ones.

use std::fmt::Write;
use std::fs;
use std::path::Path;

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Some noise that is the same everywhere.
fn noise(at: u32) -> f64 {
    f64::from(at.wrapping_mul(2_654_435_769) >> 22) / 1_024.0
}

/// Two series of four days with a trouble each, and what another detector said of them.
pub(super) fn nab(folder: &Path) {
    let stamp = |row: u32| {
        let (day, minute) = (1 + row / 144, row % 144 * 10);
        format!("2020-03-{day:02} {:02}:{:02}:00", minute / 60, minute % 60)
    };
    for (name, height) in [("up", 40.0), ("down", -30.0)] {
        let (mut rows, mut said) = (String::new(), String::new());
        for row in 0..576 {
            let wave = (f64::from(row % 144) / 144.0 * std::f64::consts::TAU).sin();
            let trouble = (500..510).contains(&row);
            let value = 10.0 * wave + noise(row) + if trouble { height } else { 0.0 };
            let score = u8::from(row == 500);
            writeln!(rows, "{},{value}", stamp(row)).unwrap();
            writeln!(said, "{},{value},{score},0", stamp(row)).unwrap();
        }
        let head = "timestamp,value";
        put(
            folder,
            &format!("data/real/{name}.csv"),
            &format!("{head}\n{rows}"),
        );
        put(
            folder,
            &format!("results/oracle/real/oracle_{name}.csv"),
            &format!("{head},anomaly_score,label\n{said}"),
        );
    }
    let window = format!("[[\"{}.000000\", \"{}.000000\"]]", stamp(490), stamp(530));
    put(
        folder,
        "labels/combined_windows.json",
        &format!("{{\"real/up.csv\": {window}, \"real/down.csv\": {window}}}"),
    );
}

/// A shop that asks a database, which is slow in one case; in another nothing is wrong.
pub(super) fn petshop(folder: &Path) {
    let table = |rows: u32, slow: bool| {
        let mut text = "microservice,shop,shop,shop,db,db,db\n\
            metric,latency,availability,requests,latency,availability,requests\n\
            statistic,Average,Average,Sum,Average,Average,Sum\n\
            unix_timestamp,,,,,,\n"
            .to_owned();
        for row in 0..rows {
            let more = if slow && row >= 2 { 0.2 } else { 0.0 };
            let seconds = |usual: f64, node: u32| usual * (1.0 + noise(row * 2 + node) / 10.0);
            writeln!(
                text,
                "{},{},100,100,{},100,100",
                1_000_000 + 300 * row,
                seconds(0.3, 0) + more,
                seconds(0.1, 1) + more
            )
            .unwrap();
        }
        text
    };
    let target = |root: &str| {
        format!(
            "{{\"target\": {{\"node\": \"shop\", \"metric\": \"latency\", \"agg\": \"Average\", \
             \"timestamp\": 1000550}}, \"root_cause\": {root}}}"
        )
    };
    let put = |name: &str, text: &str| put(folder, &format!("set/calm/{name}"), text);
    put("graph.csv", ",shop,db\nshop,0,1\ndb,0,0\n");
    put("noissue/metrics.csv", &table(120, false));
    for (case, slow, root) in [
        ("train/issue_1", true, "{\"node\": \"db\"}"),
        ("test/issue_2", false, "null"),
    ] {
        put(&format!("{case}/metrics.csv"), &table(5, slow));
        put(&format!("{case}/target.json"), &target(root));
    }
}

/// A till that logs an error in the minute of a fault.
pub(super) fn nezha(folder: &Path) {
    let minute = |hour: u64, said: &str, folder: &Path, name: &str| {
        let mut spans = "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,\
            EndTimeUnixNano,Duration\n"
            .to_owned();
        let mut lines =
            "Timestamp,TimeUnixNano,Node,PodName,Container,TraceID,SpanID,Log\n".to_owned();
        for request in 1..=8u64 {
            // 2023-01-29T00:00:00Z, and so many hours.
            let start = 1_674_950_400_000 + hour * 3_600_000 + request * 500;
            let trace = format!("{:032x}", hour * 1_000 + request);
            let id = |span: u64| format!("{:016x}", (hour * 1_000 + request) * 10 + span);
            for (span, parent, pod, name, from, to) in [
                (1, "root".to_owned(), "shop", "/order", 0, 40),
                (2, id(1), "shop", "HTTP POST", 10, 20),
                (3, id(2), "till", "/charge", 11, 19),
            ] {
                writeln!(
                    spans,
                    "{trace},{},{parent},{pod}-5f-x1,{name},{}000000,{}000000,{}",
                    id(span),
                    start + from,
                    start + to,
                    (to - from) * 1_000
                )
                .unwrap();
            }
            let wrapped = serde_json::json!({"log": format!("{said}\n"), "stream": "stdout",
                "time": "2023-01-29T10:00:00Z"});
            let wrapped = wrapped.to_string().replace('"', "\"\"");
            writeln!(
                lines,
                "2023-01-29T10:00:00Z,{start}000000,node,till-5f-x1,server,{trace},{},\"{wrapped}\"",
                id(3)
            )
            .unwrap();
        }
        put(folder, &format!("log/{name}_log.csv"), &lines);
        put(folder, &format!("trace/{name}_trace.csv"), &spans);
    };
    let date = "2023-01-29";
    let (well, ill) = (
        folder.join("pair/construct_data").join(date),
        folder.join("pair/rca_data").join(date),
    );
    minute(8, "INFO card was charged", &well, "08_00");
    minute(9, "ERROR no such card", &ill, "09_02");
    put(
        &ill,
        &format!("{date}-fault_list.json"),
        r#"{"09": [{"inject_time": "2023-01-29 09:00:10", "inject_pod": "till-5f-x1",
            "inject_type": "exception"}]}"#,
    );
}

/// A front and a till.
pub(super) const TINY: &str = r#"
name: tiny
entry: front
environments:
  cloud: { kind: cloud }
links: []
services:
  front:
    environment: cloud
    version: "1"
    protocol: http1
    workers: 20
    log: { dialect: logfmt }
    routes:
      GET /:
        steps:
          - call: { service: till, route: GET /, timeout: 2s }
  till:
    environment: cloud
    version: "1"
    protocol: http1
    workers: 10
    log: { dialect: logfmt }
    routes:
      GET /: { steps: [work: { median: 20ms, sigma: 0.3 }] }
clients: [{ name: all, weight: 1, count: 10, tenants: [public], user_agent: test }]
journeys: [{ name: one, weight: 1, steps: [{ request: GET / }] }]
load: { journeys_per_second: 3, ids: 10, timeout: 8s }
"#;
