//! The corpus: one small file for each real-world format, and beside it what we understand of it.
//!
//! `UPDATE_EXPECT=1 cargo test -p monitor-ingest formats` rewrites the expectations; read them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use monitor_core::{CallStatus, Message, Time};
use monitor_ingest::formats::{Parsed, Recognizer};

/// When the corpus was "received": its records without a date or year are of that day.
fn received() -> Time {
    "2026-11-21T10:30:00Z".parse().unwrap()
}

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    files.sort();
    files
}

/// A corpus file's records: its lines, where a line that begins with a blank continues the one
/// before, as joined by the collector.
fn records(text: &str) -> Vec<String> {
    let mut records: Vec<String> = Vec::new();
    for line in text.lines() {
        match records.last_mut() {
            Some(record) if line.starts_with([' ', '\t']) => {
                record.push('\n');
                record.push_str(line);
            }
            _ => records.push(line.to_owned()),
        }
    }
    records
}

fn message(text: &str, parsed: &Parsed) -> String {
    match &parsed.message {
        Message::Within(range) => text[range.start as usize..range.end as usize].to_owned(),
        Message::Decoded(text) => format!("{text} (decoded)"),
    }
}

fn shown(text: &str, parsed: &Parsed) -> String {
    let mut line = String::new();
    match (parsed.format, parsed.unrecognised) {
        (Some(format), None) => line.push_str(format),
        (None, Some(reason)) => write!(line, "unrecognised: {}", reason.as_str()).unwrap(),
        both => panic!("{both:?}"),
    }
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            write!(line, " | {name} {}", value.replace('\n', "\\n")).unwrap();
        }
    };
    if parsed.header {
        put("header", Some("line".to_owned()));
    }
    put("at", parsed.time.map(|time| time.to_string()));
    put(
        "severity",
        parsed.severity.map(|severity| severity.as_str().to_owned()),
    );
    put("service", parsed.service.as_deref().map(str::to_owned));
    let facts = &parsed.facts;
    let name = |name: &Option<monitor_core::Name>| name.as_deref().map(str::to_owned);
    put("method", name(&facts.method));
    put("path", facts.path.clone());
    put("route", name(&facts.route));
    put(
        "status",
        facts.status.map(|status| match status {
            CallStatus::Http(code) => code.to_string(),
            CallStatus::Grpc(code) => format!("grpc {code}"),
            CallStatus::Failed(failed) => format!("failed {failed}"),
            CallStatus::Unknown => "unknown".to_owned(),
        }),
    );
    put(
        "took",
        facts
            .duration
            .map(|(duration, how)| format!("{duration:?} ({})", how.as_str())),
    );
    put("caller", name(&facts.caller));
    put("callee", name(&facts.callee));
    put("client", name(&facts.client));
    put("agent", facts.user_agent.clone());
    put(
        "received",
        facts.request_bytes.map(|bytes| bytes.to_string()),
    );
    put("sent", facts.response_bytes.map(|bytes| bytes.to_string()));
    put("error", name(&facts.error_type));
    put("saying", facts.error_message.clone());
    put("trace", parsed.ids.trace_id.map(|id| id.to_string()));
    put("span", parsed.ids.span_id.map(|id| id.to_string()));
    put("parent", parsed.ids.parent_span_id.map(|id| id.to_string()));
    put("request", name(&parsed.ids.request_id));
    put("correlation", name(&parsed.ids.correlation_id));
    for (name, value) in &parsed.attributes {
        put("with", Some(format!("{name}={value}")));
    }
    put("message", Some(message(text, parsed)));
    line
}

#[test]
fn the_corpus_is_understood() {
    let files = corpus();
    assert!(files.len() >= 45, "only {} formats", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut recognizer = Recognizer::new();
        let mut found = String::new();
        for record in records(&text) {
            let parsed = recognizer.parse(&record, None, received());
            writeln!(found, "{}", shown(&record, &parsed)).unwrap();
        }
        expect_file![file.with_extension("expected")].assert_eq(&found);
    }
}
