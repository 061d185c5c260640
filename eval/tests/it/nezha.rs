//! A small recording in Nezha's layout, with two faults.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use eval::nezha::{Report, read};

/// Requests to a shop that asks a till, as the recording's CSV files have them.
struct Minute {
    spans: String,
    lines: String,
}

impl Minute {
    /// `said`: what the till logs for each request. `way`: milliseconds to the till and back.
    fn new(hour: u64, requests: u64, said: &[(&str, &str)], way: u64) -> Minute {
        let mut minute = Minute {
            spans: "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,\
                    EndTimeUnixNano,Duration\n"
                .to_owned(),
            lines: "Timestamp,TimeUnixNano,Node,PodName,Container,TraceID,SpanID,Log\n".to_owned(),
        };
        for request in 1..=requests {
            // 2023-01-29T00:00:00Z, and so many hours.
            let start = 1_674_950_400_000 + hour * 3_600_000 + request * 500;
            let trace = format!("{:032x}", hour * 1_000 + request);
            let id = |span: u64| format!("{:016x}", (hour * 1_000 + request) * 10 + span);
            let mut span = |number, parent: String, pod: &str, name: &str, from: u64, to: u64| {
                let (from, to) = (start + from, start + to);
                writeln!(
                    minute.spans,
                    "{trace},{},{parent},{pod}-5f-x1,{name},{from}000000,{to}000000,{}",
                    id(number),
                    (to - from) * 1_000
                )
                .expect("it can be written");
            };
            span(1, "root".to_owned(), "shop", "/order", 0, 40 + way);
            span(2, id(1), "shop", "HTTP POST", 10, 20 + way);
            span(3, id(2), "till", "/charge", 10 + way / 2, 20 + way / 2);
            for (level, text) in said {
                let log = format!("{level} {text}\n");
                let wrapped = serde_json::json!({"log": log, "stream": "stdout",
                    "time": "2023-01-29T10:00:00Z"})
                .to_string()
                .replace('"', "\"\"");
                writeln!(
                    minute.lines,
                    "2023-01-29T10:00:00Z,{start}000000,node,till-5f-x1,server,{trace},{},\"{wrapped}\"",
                    id(3)
                )
                .expect("it can be written");
            }
        }
        minute
    }

    fn write(&self, folder: &Path, name: &str) {
        for (kind, text) in [("log", &self.lines), ("trace", &self.spans)] {
            fs::create_dir_all(folder.join(kind)).expect("it can be written");
            fs::write(folder.join(kind).join(format!("{name}_{kind}.csv")), text)
                .expect("it can be written");
        }
    }
}

fn recording(root: &Path) {
    let usual = [("INFO", "charging the card"), ("INFO", "card was charged")];
    let date = "2023-01-29";
    let well = root.join("construct_data").join(date);
    Minute::new(8, 12, &usual, 3).write(&well, "08_00");
    let ill = root.join("rca_data").join(date);
    let broken = [("INFO", "charging the card"), ("ERROR", "no such card")];
    Minute::new(9, 10, &broken, 3).write(&ill, "09_02");
    Minute::new(10, 10, &usual, 900).write(&ill, "10_02");
    let list = r#"{
        "09": [{"inject_time": "2023-01-29 09:00:10", "inject_pod": "till-5f-x1",
                "inject_type": "exception"}],
        "10": [{"inject_time": "2023-01-29 10:00:10", "inject_pod": "till-5f-x1",
                "inject_type": "network_delay"}],
        "11": [{"inject_time": "2023-01-29 11:00:10", "inject_pod": "shop-5f-x1",
                "inject_type": "return"}]
    }"#;
    fs::write(ill.join(format!("{date}-fault_list.json")), list).expect("it can be written");
}

#[test]
fn faults_are_found_and_what_was_not_recorded_is_in_no_figure() {
    let folder = tempfile::tempdir().unwrap();
    recording(&folder.path().join("pair"));
    let mut told = 0;
    let cases = read(&[folder.path().to_owned()], &mut |_| {
        told += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(told, 3);
    let report = Report::of(cases);
    assert_eq!((report.overall.cases, report.not_compared), (2, 1));
    assert_eq!(report.overall.top_1, 1.0, "{}", report.cases_text());
    assert_eq!(report.by_system["pair"].cases, 2);
    let why = report.cases[0].suspects[0].why.join("\n");
    assert!(why.contains("logged the error `no such card`"), "{why}");
}

#[test]
fn what_is_no_recording_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = read(&[folder.path().to_owned()], &mut |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("holds no recording"), "{error}");
}
