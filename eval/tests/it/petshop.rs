//! PetShop from files to figures.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use eval::petshop::read::{ReadError, read};
use eval::petshop::report::{Report, report};
use eval::petshop::validate::validate;
use eval::petshop::{Tuning, judge};
use expect_test::expect;

const NODES: [&str; 4] = ["shop", "orders", "search", "orders-db"];

/// What a node's columns say at a row: seconds a call, percent without failure.
type Values = dyn Fn(usize, usize) -> (f64, f64);

fn table(rows: usize, values: &Values) -> String {
    let line = |first: &str, field: &dyn Fn(&str, usize) -> &'static str| {
        let mut text = first.to_owned();
        for node in NODES {
            for column in 0..3 {
                let field = field(node, column);
                text += &format!(",{}", if field.is_empty() { node } else { field });
            }
        }
        text + "\n"
    };
    let metrics = ["latency", "availability", "requests"];
    let statistics = ["Average", "Average", "Sum"];
    let mut text = line("microservice", &|_, _| "")
        + &line("metric", &|_, column| metrics[column])
        + &line("statistic", &|_, column| statistics[column])
        + &format!("unix_timestamp{}\n", ",".repeat(3 * NODES.len()));
    for row in 0..rows {
        _ = write!(text, "{}", 1_000_000 + 300 * row);
        for node in 0..NODES.len() {
            let (latency, availability) = values(row, node);
            _ = write!(text, ",{latency},{availability},100");
        }
        text.push('\n');
    }
    text
}

fn usual(row: usize, node: usize) -> (f64, f64) {
    let noise = (row * 4 + node).wrapping_mul(2_654_435_769) % 1_000;
    let usual = [0.3, 0.1, 0.05, 0.02][node];
    (usual * (1.0 + noise as f64 / 10_000.0), 100.0)
}

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn target(metric: &str, root: Option<&str>) -> String {
    let root = root.map_or_else(
        || "null".to_owned(),
        |root| format!("{{\"node\": \"{root}\"}}"),
    );
    format!(
        "{{\"target\": {{\"node\": \"shop\", \"metric\": \"{metric}\", \"agg\": \"Average\", \
         \"timestamp\": 1000550}}, \"root_cause\": {root}}}"
    )
}

/// One scenario; a slow database, failing orders, and a case in which nothing happens.
fn small_benchmark() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| put(folder.path(), &format!("set/calm/{name}"), text);
    put(
        "graph.csv",
        ",shop,orders,search,orders-db\nshop,0,1,1,0\norders,0,0,0,1\nsearch,0,0,0,0\n\
         orders-db,0,0,0,0\n",
    );
    put("noissue/metrics.csv", &table(120, &usual));
    let slow = |row: usize, node: usize| {
        let (latency, availability) = usual(row, node);
        let more = if row >= 2 && node != 2 { 0.2 } else { 0.0 };
        (latency + more, availability)
    };
    put("train/issue_1/metrics.csv", &table(5, &slow));
    put(
        "train/issue_1/target.json",
        &target("latency", Some("orders-db")),
    );
    let failing = |row: usize, node: usize| {
        let (latency, availability) = usual(row, node);
        let less = if row >= 2 && node < 2 { 10.0 } else { 0.0 };
        (latency, availability - less)
    };
    put("test/issue_2/metrics.csv", &table(5, &failing));
    put(
        "test/issue_2/target.json",
        &target("availability", Some("orders")),
    );
    put("test/issue_3/metrics.csv", &table(5, &usual));
    put("test/issue_3/target.json", &target("latency", None));
    folder
}

fn scored(path: &Path) -> Report {
    let (corpus, tuning) = (read(path).unwrap(), Tuning::default());
    report(&corpus, &judge::judge(&corpus, &tuning), &tuning)
}

#[test]
fn a_small_benchmark_is_scored_and_printed() {
    let folder = small_benchmark();
    let report = scored(folder.path());
    expect![[r#"
        PetShop: 2 cases

                                         cases  top-1  top-3  top-5    mrr
        calm availability                    1  1.000  1.000  1.000  1.000
        calm latency                         1  1.000  1.000  1.000  1.000
        all                                  2  1.000  1.000  1.000  1.000

        Normal days: somebody is named in 0 of 232 windows with the cases' targets, 0 of 928 with every node as the target.
        Each half of the normal days judged by the other: 0 of 224, 0 of them the target itself.
        Cases without a root cause: somebody is named in 0 of 1.

        calm/test/issue_2: availability of shop; root cause orders: rank 1
            1.00 orders: 10 % of its calls fail, before 0 %; this is 20.0× the most in such a time on normal days; nothing that it calls explains it; 100 % of the trouble of shop is its own
        calm/test/issue_3: latency of shop; root cause none: nothing to find
            nobody is named
        calm/train/issue_1: latency of shop; root cause orders-db: rank 1
            0.98 orders-db: its calls take 221 ms instead of 21 ms; this is 41.8× the most in such a time on normal days; nothing that it calls explains it; 98 % of the trouble of shop is its own, most of it by way of orders
            0.01 shop: its calls take 507 ms instead of 300 ms; this is 18.9× the most in such a time on normal days; what it calls explains 96 % of it; 1 % of the trouble is its own
            0.00 search: its calls take 54 ms instead of 53 ms; normal days show as much at times; nothing that it calls explains it; 0.3 % of the trouble of shop is its own
    "#]].assert_eq(&(report.table() + "\n" + &report.cases()));
}

#[test]
fn the_same_files_give_the_same_bytes_packed_or_not() {
    let folder = small_benchmark();
    let json = |path: &Path| serde_json::to_string(&scored(path)).unwrap();
    let packed = folder.path().join("all.tar.zst");
    let encoder = zstd::Encoder::new(fs::File::create(&packed).unwrap(), 1).unwrap();
    let mut archive = tar::Builder::new(encoder);
    archive
        .append_dir_all("./set", folder.path().join("set"))
        .unwrap();
    archive.into_inner().unwrap().finish().unwrap();
    let plain = json(folder.path());
    assert_eq!(plain, json(&packed));
    assert_eq!(plain, json(folder.path()));
    assert!(plain.contains("\"top_1\":1.0") && plain.contains("\"calm latency\""));
}

#[test]
fn a_case_that_cannot_be_read_is_told_and_the_others_are_judged() {
    let folder = small_benchmark();
    let bad = |name: &str, text: &str| put(folder.path(), &format!("set/calm/{name}"), text);
    bad("test/issue_4/target.json", &target("latency", None));
    bad("test/issue_5/target.json", &target("colour", None));
    bad("test/issue_6/target.json", "{");
    bad("test/issue_7/target.json", &target("latency", None));
    bad(
        "test/issue_7/metrics.csv",
        "microservice,shop\nmetric,latency\nstatistic,Average\n1,x\n",
    );
    let report = scored(folder.path());
    assert_eq!(report.all.cases, 2);
    let told: Vec<String> = report
        .skipped
        .iter()
        .map(|skipped| format!("{}: {}", skipped.case, skipped.problem))
        .collect();
    expect![[r#"
        calm/test/issue_4: has no metrics.csv
        calm/test/issue_5: target.json: `colour` is no metric known here
        calm/test/issue_6: target.json: EOF while parsing an object at line 1 column 1
        calm/test/issue_7: metrics.csv: line 4: `x` is not a number"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn when_it_was_seen_need_not_be_told() {
    let folder = small_benchmark();
    let mut corpus = read(folder.path()).unwrap();
    for case in &mut corpus.cases {
        case.seen = None;
    }
    let tuning = Tuning::default();
    let report = report(&corpus, &judge::judge(&corpus, &tuning), &tuning);
    assert_eq!(report.all.top_1, 1.0);
}

#[test]
fn what_depends_on_chance_is_the_same_each_time() {
    let folder = small_benchmark();
    let corpus = read(folder.path()).unwrap();
    let once = validate(&corpus);
    assert_eq!(once, validate(&corpus));
    assert_eq!((once.settings, once.held_out.len()), (48, 4));
}

#[test]
fn a_folder_without_a_benchmark_says_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let error = read(folder.path()).unwrap_err();
    assert!(matches!(error, ReadError::Empty { .. }));
    assert!(
        error.to_string().contains("expected SCENARIO/graph.csv"),
        "{error}"
    );
}

/// The part of the benchmark that the project is developed with, where it is at hand:
/// `CROSSWATCH_PETSHOP` names its directory or archive.
#[test]
fn root_causes_of_a_real_application_are_found_and_nobody_is_named_on_normal_days() {
    let Some(path) = std::env::var_os("CROSSWATCH_PETSHOP").map(PathBuf::from) else {
        return;
    };
    let report = scored(&path);
    assert!(
        report.all.top_1 >= 0.75 && report.all.top_3 >= 0.95,
        "{:?}",
        report.all
    );
    let quiet = &report.normal_days;
    assert_eq!((quiet.named, quiet.named_of_all_nodes), (0, 0));
}
