use std::fmt::Write as _;

use expect_test::{Expect, expect};
use monitor_core::{Origin, Payload, Time};
use monitor_ingest::decoded::Decoded;
use monitor_ingest::jsonlines::{FieldMapping, decode};
use proptest::prelude::*;

fn run(body: &[u8], mapping: &FieldMapping) -> Decoded {
    decode(
        body,
        mapping,
        Origin::JsonLines,
        Time::from_secs(1_795_255_500),
    )
}

fn check(parameters: &[(&str, &str)], body: &str, expected: Expect) {
    let mut mapping = FieldMapping::default();
    for (name, value) in parameters {
        mapping.set(name, value);
    }
    let decoded = run(body.as_bytes(), &mapping);
    let mut printed = String::new();
    for item in &decoded.batch.items {
        let source = &decoded.batch.sources[item.source as usize];
        let Payload::Log(log) = &item.payload else {
            panic!("only logs come from JSON lines");
        };
        let time = log.time.map_or("-".to_owned(), |time| time.to_string());
        let resource = &source.resource;
        writeln!(
            printed,
            "{time} {} {} [{}] {:?} {} bytes",
            resource.service,
            resource.environment.name,
            resource.instance,
            source.stream,
            log.text.len()
        )
        .unwrap();
    }
    for rejection in decoded.rejected.kept() {
        writeln!(
            printed,
            "{} {}: {}",
            rejection.position,
            rejection.reason.as_str(),
            rejection.detail
        )
        .unwrap();
    }
    expected.assert_eq(&printed);
}

#[test]
fn usual_names_are_understood_without_mapping() {
    check(
        &[],
        r#"{"timestamp":"2026-11-21T10:05:00.5Z","service":"cart","env":"staging","message":"a"}
{"@timestamp":"2026-11-21T12:05:00+02:00","service":{"name":"pay","environment":"x"},"cloud":{"provider":"aws","region":"eu-west-1"},"message":"b"}
{"ts":1795255500.25,"app":"web","stream":"stderr","hostname":"web-1","msg":"c"}
{"time":1795255500250,"kubernetes":{"labels":{"app":"ship"},"namespace_name":"shop","pod_name":"ship-7"},"log":"d"}
{"nothing":"known"}"#,
        expect![[r#"
            2026-11-21T10:05:00.5Z cart staging [] "" 85 bytes
            2026-11-21T10:05:00Z pay aws-eu-west-1 [] "" 147 bytes
            2026-11-21T10:05:00.25Z web unknown [web-1] "stderr" 79 bytes
            2026-11-21T10:05:00.25Z shop/ship unknown [ship-7] "" 115 bytes
            - unknown unknown [] "" 19 bytes
        "#]],
    );
}

#[test]
fn a_mapping_is_followed_to_the_letter() {
    check(
        &[
            ("_time_field", "meta.at"),
            ("VL-Msg-Field", "text"),
            ("_stream_fields", "site,meta.unit"),
            ("extra_fields", "service.name=pump,crosswatch.site=dc-2"),
        ],
        r#"{"time":"1999-01-01T00:00:00Z","meta":{"at":"1795255500","unit":7},"text":"x"}"#,
        expect![[r#"
            2026-11-21T10:05:00Z pump dc-2 [] "{site=\"\",meta.unit=\"7\"}" 78 bytes
        "#]],
    );
}

#[test]
fn a_bad_line_costs_that_line() {
    check(
        &[],
        "{\"service\":\"a\"}\r\nnot json\n\n[1,2]\n{\"service\":\"a\"",
        expect![[r#"
            - a unknown [] "" 15 bytes
            1 malformed: expected ident at line 1 column 2
            3 malformed: not a JSON object
            4 malformed: EOF while parsing an object at line 1 column 14
        "#]],
    );
}

#[test]
fn the_line_stays_as_it_arrived() {
    let line = r#"{ "b":1.0, "a" : "\u00e4", "service":"x" }"#;
    let decoded = run(line.as_bytes(), &FieldMapping::default());
    let Payload::Log(log) = &decoded.batch.items[0].payload else {
        panic!("a log");
    };
    assert_eq!(log.text, line);
}

#[test]
fn hostile_lines_are_refused_one_by_one() {
    let deep = "[".repeat(100_000);
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2 << 20));
    let body = format!("{deep}\n{{\"a\":{deep}\n{long}\n{{\"service\":\"fine\"}}");
    let decoded = run(body.as_bytes(), &FieldMapping::default());
    assert_eq!(decoded.rejected.total(), 3);
    assert_eq!(decoded.batch.items.len(), 1);
}

#[test]
fn a_million_mistakes_are_counted_and_ten_kept() {
    let decoded = run(&b"x\n".repeat(100_000), &FieldMapping::default());
    assert_eq!(decoded.rejected.total(), 100_000);
    assert_eq!(decoded.rejected.kept().len(), 10);
}

#[test]
fn times_that_no_clock_shows_are_ignored() {
    for time in [
        "0",
        "\"\"",
        "-5",
        "1e300",
        "5",
        "\"2999-01-01T00:00:00Z\"",
        "true",
    ] {
        let line = format!("{{\"time\":{time}}}");
        let decoded = run(line.as_bytes(), &FieldMapping::default());
        let Payload::Log(log) = &decoded.batch.items[0].payload else {
            panic!("a log");
        };
        assert_eq!(log.time, None, "{time}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let decoded = run(&body, &FieldMapping::default());
        prop_assert!(decoded.batch.items.len() <= body.len());
    }
}
