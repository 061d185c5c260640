//! Help texts teach, and mistakes are answered with a sentence.

use expect_test::{Expect, expect};

use crate::process::crosswatch;

fn refused(arguments: &[&str], code: i32, expected: &Expect) {
    let output = crosswatch().args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(code));
    expected.assert_eq(&String::from_utf8(output.stderr).unwrap());
}

#[test]
fn every_command_explains_itself() {
    for command in [
        "demo",
        "sim",
        "chaos",
        "chaos run",
        "monitor",
        "agent",
        "replay",
        "search",
        "explain",
        "forecast",
        "feedback",
        "model",
        "model try",
        "model backtest",
        "templates",
    ] {
        let output = crosswatch()
            .args(command.split(' '))
            .arg("--help")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        assert!(
            text.len() > 400,
            "the help of {command} is too short to teach:\n{text}"
        );
    }
}

#[test]
fn contradictions_are_one_sentence_and_open_nothing() {
    refused(
        &[
            "monitor",
            "--http-listen",
            "127.0.0.1:9",
            "--otlp-http-listen",
            "127.0.0.1:9",
        ],
        64,
        &expect![[r#"
            error: --otlp-http-listen and --http-listen are both 127.0.0.1:9: give each its own port
        "#]],
    );
    refused(
        &["monitor", "--config", "/nonexistent/crosswatch.toml"],
        64,
        &expect![[r#"
            error: cannot read the configuration `/nonexistent/crosswatch.toml`: No such file or directory (os error 2)
        "#]],
    );
}

#[test]
fn a_missing_recording_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    refused(
        &[
            "replay",
            "/nonexistent.log",
            "--data",
            data.to_str().unwrap(),
        ],
        1,
        &expect![[r#"
            error: cannot read `/nonexistent.log`: No such file or directory (os error 2)
        "#]],
    );
}
