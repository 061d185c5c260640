//! The corpus: one small file for each real-world format, and beside it what we understand of it.
//!
//! `UPDATE_EXPECT=1 cargo test -p monitor-ingest formats` rewrites the expectations; read them.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy knows only by their attribute"
)]

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

fn parse_all(recognizer: &mut Recognizer, lines: &[&str]) -> Vec<Parsed> {
    lines
        .iter()
        .map(|line| recognizer.parse(line, None, received()))
        .collect()
}

#[test]
fn a_stream_that_changes_its_format_is_understood_from_the_first_new_line() {
    let mut recognizer = Recognizer::new();
    let text = "2026-11-21 10:05:12,978 INFO [main] org.acme.App: ready";
    let json = r#"{"time":"2026-11-21T10:05:12Z","level":"info","msg":"ready"}"#;
    parse_all(&mut recognizer, &[text; 5]);
    assert_eq!(recognizer.format(), Some("log4j"));
    // A foreign line or two do not make another format of the stream.
    let parsed = parse_all(&mut recognizer, &[json, text, json]);
    assert_eq!(parsed[0].format, Some("logrus-json"));
    assert_eq!(
        (recognizer.format(), recognizer.format_changes()),
        (Some("log4j"), 0)
    );
    parse_all(&mut recognizer, &[json; 3]);
    assert_eq!(
        (recognizer.format(), recognizer.format_changes()),
        (Some("logrus-json"), 1)
    );
}

fn restarted(recognizer: &Recognizer) -> Recognizer {
    postcard::from_bytes(&postcard::to_allocvec(recognizer).unwrap()).unwrap()
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let header = "time,level,message,latency";
    let rows = [
        "2026-11-21T10:05:12Z,INFO,one,0.012",
        "2026-11-21T10:05:13Z,WARN,two,2",
        "2026-11-21T10:05:14Z,WARN,three,0.250",
    ];
    let mut unbroken = Recognizer::new();
    assert!(unbroken.parse(header, None, received()).header);
    let expected = parse_all(&mut unbroken, &rows);
    let mut broken = Recognizer::new();
    broken.parse(header, None, received());
    for (row, expected) in rows.iter().zip(&expected) {
        broken = restarted(&broken);
        assert_eq!(broken.parse(row, None, received()), *expected);
    }
    assert_eq!(expected[0].format, Some("csv"));
    assert_eq!(broken.duration_unit(), unbroken.duration_unit());
    assert_eq!(broken.format(), Some("csv"));
}

#[test]
fn the_unit_of_bare_numbers_is_learned_and_said() {
    let mut recognizer = Recognizer::new();
    for value in [12, 9, 45, 120] {
        let line = format!(r#"{{"level":"info","msg":"done","latency":{value}000}}"#);
        recognizer.parse(&line, None, received());
    }
    assert_eq!(recognizer.duration_unit().map(|(unit, _)| unit), Some("us"));
}

#[test]
fn the_carrier_is_trusted_where_the_text_leaves_its_time_open() {
    let carrier: Time = "2026-11-21T09:05:12.4Z".parse().unwrap();
    let mut recognizer = Recognizer::new();
    let local = recognizer.parse("17:05:12.382 INFO a.b.C - ready", Some(carrier), received());
    assert_eq!(local.time, None);
    let exact = recognizer.parse(
        "2026-11-21T17:05:12+08:00 INFO x",
        Some(carrier),
        received(),
    );
    assert_eq!(exact.time, "2026-11-21T09:05:12Z".parse().ok());
}

#[test]
fn hostile_texts_are_survived() {
    let mut recognizer = Recognizer::new();
    let deep = format!("{}{}", r#"{"a":"#.repeat(100), "}".repeat(100));
    let deeper = r#"{"a":["#.repeat(1_000_000);
    let wide = format!("{{{}\"z\":1}}", r#""k":{"a":[1,2,3]},"#.repeat(100_000));
    let elements = format!(r#"{{"a":[{}0]}}"#, "1,".repeat(1_000_000));
    let brackets = "[".repeat(5_000_000);
    let pairs = "a=".repeat(2_000_000);
    let stamps = "2026-11-21 10:00:00 ".repeat(200_000);
    let quotes =
        r#"1.2.3.4 - - [21/Nov/2026:10:00:00 +0000] "\"#.to_owned() + &"\\\"".repeat(2_000_000);
    for text in [
        deep, deeper, wide, elements, brackets, pairs, stamps, quotes,
    ] {
        let parsed = recognizer.parse(&text, None, received());
        assert_eq!(parsed.format.is_none(), parsed.unrecognised.is_some());
    }
}

mod laws {
    use super::*;
    use proptest::prelude::*;

    fn lines() -> Vec<String> {
        corpus()
            .iter()
            .flat_map(|file| records(&std::fs::read_to_string(file).unwrap()))
            .collect()
    }

    /// What must hold of any text whatsoever.
    fn holds(text: &str, carrier: Option<Time>) {
        let mut one = Recognizer::new();
        let mut other = Recognizer::new();
        for _ in 0..2 {
            let parsed = one.parse(text, carrier, received());
            assert_eq!(parsed, other.parse(text, carrier, received()));
            assert_eq!(parsed.format.is_none(), parsed.unrecognised.is_some());
            if let Message::Within(range) = &parsed.message {
                assert!(text.get(range.start as usize..range.end as usize).is_some());
            }
            if let Some(time) = parsed.time {
                let year = jiff::Timestamp::from(time).strftime("%Y").to_string();
                assert!(("1971".."2200").contains(&year.as_str()), "{time}");
            }
            other = restarted(&other);
        }
    }

    /// One edit of a line at a position given as a fraction of its length.
    fn mutated(line: &str, edit: u8, place: f64, insert: &str) -> String {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a fraction of a length"
        )]
        let at = line.floor_char_boundary((line.len() as f64 * place) as usize);
        let rest = &line[at..];
        let after_next = rest
            .chars()
            .next()
            .map_or("", |first| &rest[first.len_utf8()..]);
        match edit % 5 {
            0 => line[..at].to_owned(),
            1 => format!("{}{insert}{rest}", &line[..at]),
            2 => format!("{}{after_next}", &line[..at]),
            3 => format!("{}{insert}{after_next}", &line[..at]),
            _ => rest.to_owned(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn any_text(text in any::<String>(), carrier in proptest::option::of(0i64..4_000_000_000)) {
            holds(&text, carrier.map(Time::from_secs));
        }

        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            holds(&String::from_utf8_lossy(&bytes), None);
        }

        #[test]
        fn any_structure(text in r#"[\[\]{}()<>"'=:|,;/ \\\-#*.0-9A-Za-zµ\n\t]{0,120}"#) {
            holds(&text, None);
        }

        #[test]
        fn any_damaged_line(
            choice in any::<proptest::sample::Index>(),
            edits in proptest::collection::vec(
                (any::<u8>(), 0.0..1.0f64, r#"[\[\]{}"=: |/\\\-0-9é\u{1b}\u{0}]{0,3}"#), 1..6),
        ) {
            let lines = lines();
            let mut line = choice.get(&lines).clone();
            for (edit, place, insert) in &edits {
                line = mutated(&line, *edit, *place, insert);
            }
            holds(&line, None);
        }
    }
}
