use monitor_ingest::container::{Assembler, NotOfRuntime, Output, Runtime, unwrap_docker_json};
use proptest::prelude::*;

fn assemble(runtime: Runtime, lines: &[&str]) -> Vec<String> {
    let mut assembler = Assembler::new(runtime);
    let mut texts = Vec::new();
    for line in lines {
        match assembler.push(line) {
            Ok(Some(line)) => texts.push(format!("{} {}", line.output.as_str(), line.text)),
            Ok(None) => {}
            Err(NotOfRuntime) => texts.push(format!("kept {line}")),
        }
    }
    texts.extend(
        assembler
            .flush()
            .map(|line| format!("unfinished {}", line.text)),
    );
    texts
}

#[test]
fn cri_pieces_are_joined_per_output() {
    let texts = assemble(
        Runtime::Cri,
        &[
            "2026-11-21T10:05:00.000000001Z stdout P first ",
            "2026-11-21T10:05:00.000000002Z stderr F between",
            "2026-11-21T10:05:00.000000003Z stdout P second ",
            "2026-11-21T10:05:00.000000004+02:00 stdout F third",
            "2026-11-21T10:05:01Z stdout F ",
            "2026-11-21T10:05:01Z stdout F",
            "2026-11-21T10:05:01Z stdout F:x tagged",
            "a line of something else",
            "2026-11-21T10:05:02Z stdout P never ended",
        ],
    );
    assert_eq!(
        texts,
        [
            "stderr between",
            "stdout first second third",
            "stdout ",
            "stdout ",
            "stdout tagged",
            "kept a line of something else",
            "unfinished never ended",
        ]
    );
}

#[test]
fn docker_pieces_are_joined_until_a_line_end() {
    let texts = assemble(
        Runtime::Docker,
        &[
            r#"{"log":"GET /carts/17","stream":"stdout","time":"2026-11-21T10:05:00.1Z"}"#,
            r#"{"log":" 200 \"ok\"\n","stream":"stdout","time":"2026-11-21T10:05:00.2Z"}"#,
            r#"{"log":"boom\r\n","stream":"stderr","attrs":{"tag":"x"},"time":"2026-11-21T10:05:01Z"}"#,
            r#"{"level":"info","log":"not the runtime's"}"#,
        ],
    );
    assert_eq!(
        texts,
        [
            r#"stdout GET /carts/17 200 "ok""#,
            "stderr boom",
            r#"kept {"level":"info","log":"not the runtime's"}"#,
        ]
    );
}

#[test]
fn runtimes_are_told_apart_by_a_line() {
    let recognise = Runtime::recognise;
    assert_eq!(
        recognise("2026-11-21T10:05:00Z stderr P x"),
        Some(Runtime::Cri)
    );
    assert_eq!(
        recognise(r#"{"log":"x\n","stream":"stderr","time":"2026-11-21T10:05:00Z"}"#),
        Some(Runtime::Docker)
    );
    assert_eq!(recognise("2026-11-21T10:05:00Z INFO started"), None);
    assert_eq!(recognise(r#"{"log":"x","level":"info"}"#), None);
}

#[test]
fn a_value_of_several_entries_is_one_text() {
    let value = concat!(
        r#"{"log":"10:05:00 ERROR pay#12 refused\n","stream":"stderr","time":"2026-11-21T10:05:00Z"}"#,
        "\n",
        r#"{"log":"java.io.IOException: reset\n","stream":"stderr","time":"2026-11-21T10:05:00Z"}"#,
        r#"{"log":"\tat pay.Main\n","stream":"stderr","time":"2026-11-21T10:05:00Z"}"#,
    );
    let unwrapped = unwrap_docker_json(value).unwrap();
    assert_eq!(
        unwrapped.text,
        "10:05:00 ERROR pay#12 refused\njava.io.IOException: reset\n\tat pay.Main"
    );
    assert_eq!(unwrapped.output, Some(Output::Stderr));
    assert_eq!(unwrapped.time.unwrap().to_string(), "2026-11-21T10:05:00Z");
}

#[test]
fn a_value_that_is_anything_else_stays_as_it_is() {
    for value in ["", "plain", "{", r#"{"log":"mine"}"#, r#"{"a":1}"#, "[1]"] {
        assert_eq!(unwrap_docker_json(value), None, "{value}");
    }
}

#[test]
fn what_is_damaged_behind_an_entry_is_kept() {
    let value = "{\"log\":\"fine\\n\",\"stream\":\"stdout\"}:\"\"torn\"}";
    let unwrapped = unwrap_docker_json(value).unwrap();
    assert_eq!(unwrapped.text, "fine\n:\"\"torn\"}");
}

#[test]
fn endless_pieces_stay_bounded() {
    let piece = format!("2026-11-21T10:05:00Z stdout P {}", "x".repeat(16 << 10));
    let mut assembler = Assembler::new(Runtime::Cri);
    for _ in 0..640 {
        assert_eq!(assembler.push(&piece), Ok(None));
    }
    let line = assembler.flush().next().unwrap();
    assert!(line.text.len() < (1 << 20) + 100, "{}", line.text.len());
    assert!(line.text.ends_with("…[9437184 bytes cut]"));
    assert_eq!(assembler.cut(), 1);
}

proptest! {
    #[test]
    fn nothing_panics(line in "\\PC*") {
        for runtime in [Runtime::Cri, Runtime::Docker] {
            let mut assembler = Assembler::new(runtime);
            _ = assembler.push(&line);
        }
        _ = Runtime::recognise(&line);
        _ = unwrap_docker_json(&line);
    }

    #[test]
    fn cri_text_survives_any_cutting(text in "[^\n]{1,60}", at in 1usize..60) {
        let at = text.floor_char_boundary(at.min(text.len()));
        let (head, tail) = text.split_at(at);
        let lines = [
            format!("2026-11-21T10:05:00Z stdout P {head}"),
            format!("2026-11-21T10:05:00Z stdout F {tail}"),
        ];
        let mut assembler = Assembler::new(Runtime::Cri);
        prop_assert_eq!(assembler.push(&lines[0]), Ok(None));
        prop_assert_eq!(assembler.push(&lines[1]).unwrap().unwrap().text, text);
    }
}
