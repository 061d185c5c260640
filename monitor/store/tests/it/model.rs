//! The index against a model that scans texts.

use monitor_core::{Record, SearchRequest};
use monitor_store::{Index, IndexConfig};
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::tempdir;

use crate::index::numbered;
use crate::records::{DAY, at, record};

/// A query in a form that is easy to evaluate, and its text.
#[derive(Clone, Debug)]
enum Wanted {
    Word(String),
    Prefix(String),
    Phrase(Vec<String>),
    Not(Box<Wanted>),
    And(Vec<Wanted>),
    Or(Vec<Wanted>),
}

impl Wanted {
    fn text(&self) -> String {
        let list = |all: &[Wanted], word: &str| {
            let inner: Vec<String> = all.iter().map(|one| format!("({})", one.text())).collect();
            inner.join(word)
        };
        match self {
            Wanted::Word(word) => word.clone(),
            Wanted::Prefix(word) => format!("{word}*"),
            Wanted::Phrase(words) => format!("\"{}\"", words.join(" ")),
            Wanted::Not(inner) => format!("-({})", inner.text()),
            Wanted::And(all) => list(all, " "),
            Wanted::Or(all) => list(all, " OR "),
        }
    }

    fn matches(&self, words: &[String]) -> bool {
        match self {
            Wanted::Word(wanted) => words.contains(&wanted.to_lowercase()),
            Wanted::Prefix(wanted) => {
                let wanted = wanted.to_lowercase();
                words.iter().any(|word| word.starts_with(&wanted))
            }
            Wanted::Phrase(wanted) => {
                let wanted: Vec<String> = wanted.iter().map(|word| word.to_lowercase()).collect();
                words.windows(wanted.len()).any(|window| window == wanted)
            }
            Wanted::Not(inner) => !inner.matches(words),
            Wanted::And(all) => all.iter().all(|one| one.matches(words)),
            Wanted::Or(all) => all.iter().any(|one| one.matches(words)),
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// Few words, so that queries hit; with digits inside and beside them, so that variables begin and
/// end in the middle of words.
fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{1,2}", "[Ab1]{1,3}", "[12]{1,2}", "é[1a]?", "x[12]y"]
}

fn line() -> impl Strategy<Value = String> {
    let separator = prop_oneof![" ", "_", "-", ": ", "| ", "", "="];
    vec((word(), separator), 0..7).prop_map(|parts| {
        parts
            .into_iter()
            .map(|(word, separator)| word + &separator)
            .collect()
    })
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let leaf = prop_oneof![
        3 => word().prop_map(Wanted::Word),
        1 => word().prop_map(Wanted::Prefix),
        2 => vec(word(), 1..4).prop_map(Wanted::Phrase),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Wanted::Not(Box::new(one))),
            vec(inner.clone(), 2..4).prop_map(Wanted::And),
            vec(inner, 2..4).prop_map(Wanted::Or),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn searching_is_scanning(
        lines in vec((line(), 0..2i64, any::<bool>()), 1..60),
        queries in vec(wanted(), 12),
        batch_size in 4..30usize,
    ) {
        let dir = tempdir().unwrap();
        let (mut index, _) = Index::open(dir.path(), IndexConfig::default()).unwrap();
        // Every line twice: layouts are interned at their second sighting.
        let mut records: Vec<Record> = Vec::new();
        for (second, (line, day, shaped)) in lines.iter().chain(&lines).enumerate() {
            records.push(record(at(day * DAY + second as i64), line, *shaped));
        }
        for (batch, chunk) in records.chunks(batch_size).enumerate() {
            index.add(batch as u64 + 1, &numbered(chunk.to_vec())).unwrap();
            if batch == 2 {
                index.commit().unwrap();
            }
        }
        index.commit().unwrap();
        let search = index.search();
        for wanted in &queries {
            let mut expected: Vec<(monitor_core::Time, &str)> = records
                .iter()
                .filter(|record| wanted.matches(&words(&record.text)))
                .map(|record| (record.time, record.text.as_str()))
                .collect();
            expected.sort();
            expected.reverse();
            let request = SearchRequest { query: wanted.text(), limit: 1000, ..SearchRequest::default() };
            let page = search.search(&request).unwrap();
            let found: Vec<(monitor_core::Time, &str)> = page
                .hits
                .iter()
                .map(|hit| (hit.time, hit.text.as_str()))
                .collect();
            prop_assert_eq!(&found, &expected, "{}", wanted.text());
            prop_assert_eq!(page.total, expected.len() as u64);
            // Pages put together are the whole.
            let mut paged = Vec::new();
            for offset in (0..expected.len()).step_by(7) {
                let request = SearchRequest { limit: 7, offset, ..request.clone() };
                paged.extend(search.search(&request).unwrap().hits);
            }
            prop_assert_eq!(&paged, &page.hits);
        }
    }
}
