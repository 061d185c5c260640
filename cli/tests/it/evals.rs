//! What an evaluation prints and writes follows from its arguments and files alone, byte for byte: no
//! clock, no order of a hash, no thread shows in it.
//!
//! Fixtures are of the benchmarks' formats and as small as they can be, and the platform is a front and
//! a till, because tests run unoptimised. How well anything is detected is no matter here.

mod fixtures;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::process::crosswatch;

/// What was printed, and each file that was written.
type Output = (String, BTreeMap<PathBuf, Vec<u8>>);

/// Runs in an empty folder, so that names of files are relative and the same each time.
fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let output = crosswatch()
        .arg("eval")
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {err}");
    let mut files = BTreeMap::new();
    gather(folder.path(), Path::new(""), &mut files);
    (String::from_utf8(output.stdout).unwrap(), files)
}

fn gather(folder: &Path, below: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            gather(&entry.path(), &name, files);
        } else {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
}

/// Twice the same, with so many files.
fn check(arguments: &[&str], written: usize) -> String {
    let (text, files) = run(arguments);
    assert!(!text.is_empty(), "{arguments:?}");
    assert_eq!(files.len(), written, "{:?}", files.keys());
    let (again, files_again) = run(arguments);
    assert_eq!(text, again, "{arguments:?}");
    // Not `assert_eq`: nobody reads two pages of bytes.
    assert!(files == files_again, "{arguments:?} writes other files");
    text
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| value.is_object())
}

#[test]
fn nab_and_forecast() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::nab(folder.path());
    let path = folder.path().to_str().unwrap();
    check(&["nab", path], 0);
    // Ours, for each of two series.
    assert!(is_json(&check(
        &["nab", path, "--results", "results", "--json"],
        2
    )));
    check(&["forecast", path], 0);
    assert!(is_json(&check(&["forecast", path, "--json"], 0)));
    assert!(is_json(&check(&["forecast", "--json"], 0)));
}

#[test]
fn petshop() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::petshop(folder.path());
    let path = folder.path().to_str().unwrap();
    check(&["petshop", path, "--cases", "--validate"], 0);
    assert!(is_json(&check(
        &["petshop", path, "--validate", "--json"],
        0
    )));
}

/// How long a case took is told on standard error only.
#[test]
fn nezha() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::nezha(folder.path());
    let path = folder.path().to_str().unwrap();
    check(&["nezha", path, "--cases"], 0);
    assert!(is_json(&check(&["nezha", path, "--json"], 0)));
}

#[test]
fn quiet() {
    let arguments = ["quiet", "--apis", "2", "--days", "1", "--targets", "10,100"];
    check(&arguments, 0);
}

/// A platform that takes a test little time.
fn tiny() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tiny.yaml");
    fs::write(&file, fixtures::TINY).unwrap();
    let path = file.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn quiet_on_a_platform() {
    let (_folder, file) = tiny();
    let arguments = ["quiet", "--mesh", "--topology", &file, "--days", "1"];
    let json = ["--targets", "100", "--json"];
    assert!(is_json(&check(&[&arguments[..], &json].concat(), 0)));
}

#[test]
fn journeys() {
    let (_folder, file) = tiny();
    let arguments = ["journeys", "--topology", &file, "--for", "90s"];
    check(&[&arguments[..], &["--wrong", "3"]].concat(), 0);
    assert!(is_json(&check(&[&arguments[..], &["--json"]].concat(), 0)));
}

#[test]
fn chaos() {
    let (_folder, file) = tiny();
    let arguments = ["chaos", "--topology", &file, "--seeds", "1,2"];
    let short = ["--faults", "1", "--warm-up", "45s"];
    // A page for each campaign.
    let written = ["--html", "page.html", "--json"];
    assert!(is_json(&check(
        &[&arguments[..], &short, &written].concat(),
        2
    )));
}

#[test]
fn failures() {
    let (_folder, file) = tiny();
    let arguments = ["failures", "--topology", &file, "--faults", "1"];
    let written = ["--warm-up", "45s", "--html", "page.html", "--json"];
    assert!(is_json(&check(&[&arguments[..], &written].concat(), 1)));
}

#[test]
fn what_if() {
    let (_folder, file) = tiny();
    let arguments = ["what-if", "--topology", &file, "--warm-up", "90s"];
    check(&arguments, 0);
    assert!(is_json(&check(&[&arguments[..], &["--json"]].concat(), 0)));
}
