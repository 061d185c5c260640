//! Reads a directory in PetShop's format, or a `.tar.zst` of one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use monitor_diagnose::blame::Unit;
use serde::Deserialize;

use super::tables::{Graph, Table, graph, metrics};

/// Everything of a benchmark directory that matters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Corpus {
    /// In order of name.
    pub scenarios: Vec<Scenario>,
    /// In order of their folders' names.
    pub cases: Vec<Case>,
    /// Folders that hold a case which cannot be judged, and why.
    pub skipped: Vec<(String, String)>,
}

/// One load on the application.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scenario {
    pub name: String,
    pub graph: Graph,
    pub normal: Table,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// `low_traffic/test/issue_9`.
    pub name: String,
    /// Position among the scenarios.
    pub scenario: usize,
    /// Where trouble was seen: a position in the scenario's graph.
    pub target: usize,
    pub unit: Unit,
    /// `latency` or `availability`.
    pub metric: String,
    /// Unix seconds at which it was seen, if told.
    pub seen: Option<i64>,
    /// The answer, for scoring; `None` where there is nothing to be found.
    pub root_cause: Option<String>,
    pub metrics: Table,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read `{path}`")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{file}` {problem}")]
    Scenario { file: String, problem: String },
    #[error(
        "`{path}` holds no cases: expected SCENARIO/graph.csv, SCENARIO/noissue/metrics.csv and \
         SCENARIO/…/CASE/{{metrics.csv,target.json}}"
    )]
    Empty { path: PathBuf },
}

#[derive(Deserialize)]
struct TargetFile {
    target: Target,
    root_cause: Option<RootCause>,
}

#[derive(Deserialize)]
struct Target {
    node: String,
    metric: String,
    timestamp: Option<f64>,
}

#[derive(Deserialize)]
struct RootCause {
    node: Option<String>,
}

/// A directory, or a file that is taken as `.tar.zst`.
pub fn read(path: &Path) -> Result<Corpus, ReadError> {
    let failed = |source| ReadError::Io {
        path: path.to_path_buf(),
        source,
    };
    let mut files = BTreeMap::new();
    if path.is_dir() {
        walk(path, "", &mut files)?;
    } else {
        let file = BufReader::new(File::open(path).map_err(failed)?);
        let mut archive = tar::Archive::new(zstd::Decoder::new(file).map_err(failed)?);
        for entry in archive.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let name = entry.path().map_err(failed)?.to_string_lossy().into_owned();
            if entry.header().entry_type().is_file() && wanted(&name) {
                let mut text = String::new();
                entry.read_to_string(&mut text).map_err(failed)?;
                files.insert(name, text);
            }
        }
    }
    corpus(&files, path)
}

fn wanted(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    ["graph.csv", "metrics.csv", "target.json"].contains(&file)
}

fn walk(folder: &Path, name: &str, files: &mut BTreeMap<String, String>) -> Result<(), ReadError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| ReadError::Io { path, source }
    };
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let inside = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{name}/{inside}");
        if path.is_dir() {
            walk(&path, &name, files)?;
        } else if wanted(&name) {
            files.insert(name, fs::read_to_string(&path).map_err(failed(&path))?);
        }
    }
    Ok(())
}

/// `files` by path; a scenario is a folder with a graph, and what lies below it is its own.
fn corpus(files: &BTreeMap<String, String>, path: &Path) -> Result<Corpus, ReadError> {
    let mut corpus = Corpus::default();
    for (file, text) in files {
        let Some(folder) = file.strip_suffix("graph.csv") else {
            continue;
        };
        let bad = |file: &str, problem| ReadError::Scenario {
            file: file.to_owned(),
            problem,
        };
        let graph = graph(text).map_err(|problem| bad(file, problem))?;
        let below = || files.iter().filter(|(name, _)| name.starts_with(folder));
        let mut normal = Table::default();
        for (name, text) in below() {
            if name.ends_with("/metrics.csv") && name[folder.len()..].contains("noissue") {
                let table = metrics(text).map_err(|problem| bad(name, problem))?;
                normal = normal.joined(table);
            }
        }
        let trimmed = folder.trim_end_matches('/');
        let scenario = Scenario {
            name: trimmed.rsplit('/').next().unwrap_or(trimmed).to_owned(),
            graph,
            normal,
        };
        for (name, text) in below() {
            let Some(case) = name.strip_suffix("/target.json") else {
                continue;
            };
            let told = format!(
                "{}/{}",
                scenario.name,
                &case[folder.len().min(case.len())..]
            );
            match one_case(
                &told,
                text,
                files.get(&format!("{case}/metrics.csv")),
                &scenario,
            ) {
                Ok(case) => corpus.cases.push(Case {
                    scenario: corpus.scenarios.len(),
                    ..case
                }),
                Err(problem) => corpus.skipped.push((told, problem)),
            }
        }
        corpus.scenarios.push(scenario);
    }
    if corpus.cases.is_empty() && corpus.skipped.is_empty() {
        return Err(ReadError::Empty {
            path: path.to_path_buf(),
        });
    }
    Ok(corpus)
}

fn one_case(
    name: &str,
    target: &str,
    table: Option<&String>,
    scenario: &Scenario,
) -> Result<Case, String> {
    let TargetFile { target, root_cause } =
        serde_json::from_str(target).map_err(|error| format!("target.json: {error}"))?;
    let unit = match target.metric.as_str() {
        "latency" => Unit::Seconds,
        "availability" => Unit::Failures,
        other => return Err(format!("target.json: `{other}` is no metric known here")),
    };
    let table = table.ok_or("has no metrics.csv")?;
    let metrics = metrics(table).map_err(|problem| format!("metrics.csv: {problem}"))?;
    if metrics.secs.is_empty() {
        return Err("metrics.csv has no rows".to_owned());
    }
    Ok(Case {
        name: name.to_owned(),
        scenario: 0,
        target: scenario
            .graph
            .position(&target.node)
            .ok_or_else(|| format!("target `{}` is not in the graph", target.node))?,
        unit,
        metric: target.metric,
        seen: target
            .timestamp
            .filter(|at| at.is_finite())
            .map(|at| at as i64),
        root_cause: root_cause.and_then(|cause| cause.node),
        metrics,
    })
}
