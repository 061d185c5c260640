//! NAB from files to figures.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

use eval::nab::read::{ReadError, read};
use eval::nab::report::{Report, report};
use eval::nab::score::{LOW_FN, LOW_FP, STANDARD, outcome};
use eval::nab::{detect, write};
use expect_test::expect;

/// Two series of three days with one window each, and the results of a detector that knows.
fn small_benchmark() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let stamp = |row: u32| {
        let (day, minute) = (1 + row / 288, row % 288 * 5);
        format!("2020-03-{day:02} {:02}:{:02}:00", minute / 60, minute % 60)
    };
    let wave = |row: u32| (f64::from(row % 288) / 288.0 * std::f64::consts::TAU).sin() * 10.0;
    for (name, from, height) in [("real/spike", 1_200, 40.0), ("real/drop", 1_000, -30.0)] {
        let noise = |row: u32| f64::from(row.wrapping_mul(2_654_435_769) >> 22) / 512.0;
        let value = |row: u32| {
            let shift = if (from..from + 20).contains(&row) {
                height
            } else {
                0.0
            };
            wave(row) + noise(row) + shift
        };
        let rows = (0..1_440).map(|row| format!("{},{}\n", stamp(row), value(row)));
        put(
            &format!("data/{name}.csv"),
            format!("timestamp,value\n{}", rows.collect::<String>()),
        );
        let known = (0..1_440).map(|row| {
            let score = if row == from { 1.0 } else { 0.0 };
            format!("{},{},{score},0\n", stamp(row), value(row))
        });
        let (category, file) = name.split_once('/').unwrap();
        put(
            &format!("results/oracle/{category}/oracle_{file}.csv"),
            format!(
                "timestamp,value,anomaly_score,label\n{}",
                known.collect::<String>()
            ),
        );
    }
    let window = |from: u32| {
        format!(
            "[[\"{}.000000\", \"{}.000000\"]]",
            stamp(from),
            stamp(from + 71)
        )
    };
    put(
        "labels/combined_windows.json",
        format!(
            "{{\"real/spike.csv\": {}, \"real/drop.csv\": {}}}",
            window(1_180),
            window(1_000)
        ),
    );
    folder
}

fn scored(path: &Path) -> Report {
    let corpus = read(path).unwrap();
    let said: Vec<_> = corpus.series.iter().map(detect::run).collect();
    report(&corpus, &said)
}

#[test]
fn a_small_benchmark_is_scored_and_printed() {
    let folder = small_benchmark();
    let table = scored(folder.path()).table();
    expect![[r#"
        NAB: 2 files, 2880 rows, 2 windows; one threshold for all files

                                 standard   low FP   low FN  leave-one-out   VUS-PR
        crosswatch                   99.0     99.0     99.3           98.9    0.971
        oracle                       99.0     99.0     99.3           99.0    0.148
        sub-sequence PCA                                                      0.371
        sub-sequence forest                                                   0.705

        Thresholds are chosen on these files for every row of the table; leave-one-out chooses each file's on the others.
        VUS-PR is the mean over 2 real files with windows, of the continuous score; the two last see whole files in advance.
        21736 bytes a signal at most.
    "#]].assert_eq(&table);
}

#[test]
fn the_same_files_give_the_same_bytes_packed_or_not() {
    let folder = small_benchmark();
    let json = |path: &Path| serde_json::to_string(&scored(path)).unwrap();
    let packed = folder.path().join("all.tar.zst");
    let encoder = zstd::Encoder::new(fs::File::create(&packed).unwrap(), 1).unwrap();
    let mut archive = tar::Builder::new(encoder);
    for part in ["data", "labels", "results"] {
        archive
            .append_dir_all(format!("./NAB/{part}"), folder.path().join(part))
            .unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap();
    let plain = json(folder.path());
    assert_eq!(plain, json(&packed));
    assert_eq!(plain, json(folder.path()));
    assert!(plain.contains("\"reward_low_FP\":") && plain.contains("\"vus_pr\":"));
}

#[test]
fn what_is_written_can_be_read_as_results_and_scores_the_same() {
    let folder = small_benchmark();
    let before = scored(folder.path());
    let corpus = read(folder.path()).unwrap();
    for series in &corpus.series {
        let said = detect::run(series);
        write::write(
            &folder.path().join("results"),
            "crosswatch",
            series,
            &said.alarms,
        )
        .unwrap();
    }
    let after = scored(folder.path());
    let ours = after
        .published
        .iter()
        .find(|p| p.name == "crosswatch")
        .unwrap();
    assert_eq!(ours.scores, before.scores);
}

#[test]
fn a_bad_row_is_named_with_its_line() {
    let folder = small_benchmark();
    let path = folder.path().join("data/real/spike.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replacen("\n2020-03-01 00:05:00,", "\n2020-03-01 00:05:00,x", 1),
    )
    .unwrap();
    let error = read(folder.path()).unwrap_err();
    assert!(matches!(&error, ReadError::Row { line: 3, .. }), "{error}");
    assert!(
        error.to_string().starts_with("`real/spike.csv`, line 3: "),
        "{error}"
    );
}

#[test]
fn a_folder_without_a_benchmark_says_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let error = read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("expected data/CATEGORY/FILE.csv"), "{error}");
}

/// The part of the benchmark that the project is developed with, where it is at hand:
/// `CROSSWATCH_NAB` names its directory or archive. Published figures of five detectors.
#[test]
fn published_detectors_score_what_their_authors_and_we_measured() {
    let Some(path) = std::env::var_os("CROSSWATCH_NAB").map(PathBuf::from) else {
        return;
    };
    let corpus = read(&path).unwrap();
    for (name, standard, low_fp, low_fn) in [
        ("ARTime", 69.3, 60.4, 74.7),
        ("numenta", 68.9, 64.7, 73.5),
        ("contextOSE", 64.3, 60.5, 67.8),
        ("randomCutForest", 52.8, 40.8, 59.5),
        ("windowedGaussian", 25.8, 6.7, 34.5),
        ("null", 0.0, 0.0, 0.0),
    ] {
        let scores = &corpus.published[name];
        for (profile, expected) in [(STANDARD, standard), (LOW_FP, low_fp), (LOW_FN, low_fn)] {
            let found = outcome(&corpus, scores, profile).best;
            assert!(
                (found - expected).abs() < 0.06,
                "{name} {}: {found}",
                profile.name
            );
        }
    }
    let ours = scored(&path);
    assert!(
        ours.scores.standard > 72.0 && ours.scores.leave_one_out > 68.0,
        "{:?}",
        ours.scores
    );
    assert!(ours.vus_pr > ours.vus_pr_sub_pca && ours.vus_pr > ours.vus_pr_sub_isolation_forest);
}
