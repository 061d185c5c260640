//! Replays: the same input gives the same anomalies, whatever happens in between.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::process::crosswatch;

/// Ten minutes of an access log, eight requests a second; from the sixth minute on they take ten
/// times as long, for one minute.
fn recording(folder: &Path) -> PathBuf {
    recording_of(folder, 10)
}

fn recording_of(folder: &Path, minutes: u32) -> PathBuf {
    let mut text = String::new();
    for request in 0..minutes * 480 {
        let second = request / 8;
        let slow = if (360..420).contains(&second) { 10 } else { 1 };
        // Spread over 20 to 40 ms, without a random number.
        let micros = (20_000 + (request.wrapping_mul(7_919) % 20_000)) * slow;
        let (minute, second) = (second / 60, second % 60);
        writeln!(
            text,
            "203.0.113.{} - - [01/Mar/2026:10:{minute:02}:{second:02} +0000] \"GET /orders/{} HTTP/1.1\" 200 {} \"-\" \"curl/8.5.0\" 0.{micros:06}",
            request % 250,
            10_000 + request,
            200 + request % 50,
        )
        .unwrap();
    }
    let path = folder.join("shop-access.log");
    std::fs::write(&path, text).unwrap();
    path
}

fn replay(recording: &Path, data: &Path, more: &[&str]) -> Output {
    crosswatch()
        .arg("replay")
        .arg(recording)
        .arg("--data")
        .arg(data)
        .args(["--lateness-seconds", "5"])
        .args(more)
        .output()
        .unwrap()
}

fn anomalies(data: &Path) -> String {
    std::fs::read_to_string(data.join("anomalies.jsonl")).unwrap()
}

fn succeeded(output: &Output) {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn speed_and_interruptions_change_no_byte_of_the_anomalies() {
    let folder = tempfile::tempdir().unwrap();
    let recording = recording(folder.path());
    let at = |name: &str| folder.path().join(name);

    succeeded(&replay(&recording, &at("max"), &[]));
    let expected = anomalies(&at("max"));
    assert!(
        expected.contains("latency"),
        "the slow minute is not among:\n{expected}"
    );

    succeeded(&replay(&recording, &at("paced"), &["--speed", "300"]));
    assert_eq!(anomalies(&at("paced")), expected);

    let interrupted = replay(&recording, &at("twice"), &["--stop-after", "1"]);
    assert_eq!(interrupted.status.code(), Some(130));
    let interrupted = replay(&recording, &at("twice"), &["--stop-after", "1"]);
    assert_eq!(interrupted.status.code(), Some(130));
    let output = replay(&recording, &at("twice"), &["--json"]);
    succeeded(&output);
    assert_eq!(anomalies(&at("twice")), expected);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["input"]["log_rows"], 4_800);
    assert_eq!(report["searchable"]["logs"], 4_800);
    assert_eq!(report["late"], 0);
}

#[test]
fn a_slow_minute_is_explained_with_its_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    succeeded(&replay(&recording(folder.path()), &data, &[]));

    let list = crosswatch()
        .args(["explain", "--json", "--data"])
        .arg(&data)
        .output()
        .unwrap();
    succeeded(&list);
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let slow = list
        .as_array()
        .unwrap()
        .iter()
        .find(|anomaly| anomaly["measure"] == "latency")
        .unwrap_or_else(|| panic!("no latency anomaly in {list}"));
    assert_eq!(slow["subject"]["route"], "/orders/{id}");
    assert!(
        slow["start"]
            .as_str()
            .unwrap()
            .starts_with("2026-03-01T10:06:"),
        "{slow}"
    );
    assert!(slow["score"].as_f64().unwrap() > 1.0);

    let id = slow["id"].as_str().unwrap();
    let told = crosswatch()
        .args(["explain", id, "--data"])
        .arg(&data)
        .output()
        .unwrap();
    succeeded(&told);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains("Evidence") && told.contains("GET /orders/"),
        "{told}"
    );
}

#[test]
fn what_to_expect_is_said_of_an_api_by_words_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    succeeded(&replay(&recording_of(folder.path(), 40), &data, &[]));
    let forecast = |arguments: &[&str]| {
        let mut command = crosswatch();
        command.arg("forecast").args(arguments);
        command.arg("--data").arg(&data).output().unwrap()
    };

    let told = forecast(&["get /orders", "--json"]);
    succeeded(&told);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told[0]["api"]["route"], "/orders/{id}");
    let soon = told[0]["forecast"]["forecasts"].as_array().unwrap();
    let traffic = soon
        .iter()
        .find(|of| of["measure"] == "rate" && of["horizon_seconds"] == 300)
        .unwrap_or_else(|| panic!("no forecast of the traffic in {told}"));
    let value = |field: &str| traffic[field].as_f64().unwrap();
    assert!(
        value("lower") <= 8.0 && 8.0 <= value("upper") && (value("median") - 8.0).abs() < 0.5,
        "{traffic}"
    );

    let all = forecast(&[]);
    succeeded(&all);
    let all = String::from_utf8(all.stdout).unwrap();
    assert!(all.contains("nothing is foreseen to break"), "{all}");

    let nobody = forecast(&["/payments"]);
    assert!(!nobody.status.success());
    let nobody = String::from_utf8(nobody.stderr).unwrap();
    assert!(nobody.contains("no Api has `/payments`"), "{nobody}");
}

#[test]
fn what_another_version_learned_is_not_told_but_what_it_found_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    succeeded(&replay(&recording(folder.path()), &data, &[]));
    std::fs::write(data.join("replay.state"), "of another version").unwrap();

    let list = crosswatch()
        .args(["explain", "--data"])
        .arg(&data)
        .output()
        .unwrap();
    succeeded(&list);
    assert!(String::from_utf8_lossy(&list.stdout).contains("/orders/{id}"));
    let warning = String::from_utf8(list.stderr).unwrap();
    assert!(warning.contains("replay again"), "{warning}");
}

#[test]
fn a_folder_that_is_not_a_replays_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let recording = recording(folder.path());
    let output = replay(&recording, folder.path(), &[]);
    assert!(!output.status.success());
    assert!(recording.exists());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--data"), "{said}");
}

#[test]
fn templates_of_a_file_are_one_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    std::fs::write(
        &path,
        "2026-03-01T10:00:00Z INFO cart: added item 17\n2026-03-01T10:00:01Z INFO cart: added item 9\n",
    )
    .unwrap();
    let output = crosswatch().arg("templates").arg(&path).output().unwrap();
    succeeded(&output);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], lines[1]);
    assert!(lines[0].ends_with("added item <*>"), "{text}");
}
