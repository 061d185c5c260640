//! Reads a directory in NAB's format, or a `.tar.zst` of one, as a stream.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Everything of a benchmark directory that matters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Corpus {
    /// By name, so that the order of a directory does not matter.
    pub series: Vec<Series>,
    /// What detectors published for exactly these series: their scores, in the order of `series`.
    pub published: BTreeMap<String, Vec<Vec<f64>>>,
    /// Series without an entry in the labels, which are not scored.
    pub unlabelled: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// `realKnownCause/nyc_taxi.csv`.
    pub name: String,
    /// Seconds of Unix time; NAB's times have no zone and are taken as UTC.
    pub secs: Vec<f64>,
    pub values: Vec<f64>,
    /// `timestamp,value` as it stood in the file.
    pub lines: Vec<Box<str>>,
    /// First and last row of each labelled window, ascending.
    pub windows: Vec<(usize, usize)>,
}

impl Series {
    /// Made by nature, not by the benchmark's authors.
    pub fn is_real(&self) -> bool {
        !self.name.starts_with("artificial")
    }

    /// Rows at the start that are for learning only: 15 %, at most 750.
    pub fn probation(&self) -> usize {
        (self.values.len() * 15 / 100).min(750)
    }

    pub fn in_window(&self, row: usize) -> Option<usize> {
        self.windows
            .iter()
            .position(|(first, last)| (*first..=*last).contains(&row))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read `{path}`")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{file}`, line {line}: {problem}")]
    Row {
        file: String,
        line: usize,
        problem: String,
    },
    #[error("`labels/combined_windows.json`, a window of `{series}`: {problem}")]
    Window { series: String, problem: String },
    #[error("`labels/combined_windows.json` is not a map of file names to pairs of times")]
    Labels(#[source] serde_json::Error),
    #[error(
        "`{path}` holds no labelled series: expected data/CATEGORY/FILE.csv and labels/combined_windows.json"
    )]
    Empty { path: PathBuf },
    #[error("`{path}` holds no series: expected files with the header `timestamp,value`")]
    NoSeries { path: PathBuf },
}

/// A directory, or a file that is taken as `.tar.zst`.
pub fn read(path: &Path) -> Result<Corpus, ReadError> {
    let mut found = Found::default();
    let failed = |source| ReadError::Io {
        path: path.to_path_buf(),
        source,
    };
    if path.is_dir() {
        for part in ["data", "labels", "results"] {
            walk(&path.join(part), part, &mut found)?;
        }
    } else {
        let file = BufReader::new(File::open(path).map_err(failed)?);
        let mut archive = tar::Archive::new(zstd::Decoder::new(file).map_err(failed)?);
        for entry in archive.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let name = entry.path().map_err(failed)?;
            let Some(name) = inside(&name.to_string_lossy()) else {
                continue;
            };
            if entry.header().entry_type().is_file() && wanted(&name) {
                let mut text = String::new();
                entry.read_to_string(&mut text).map_err(failed)?;
                found.take(&name, &text)?;
            }
        }
    }
    found.corpus(path)
}

fn walk(folder: &Path, name: &str, found: &mut Found) -> Result<(), ReadError> {
    let failed = |source| ReadError::Io {
        path: folder.to_path_buf(),
        source,
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    for path in paths {
        let name = format!(
            "{name}/{}",
            path.file_name().unwrap_or_default().to_string_lossy()
        );
        if path.is_dir() {
            walk(&path, &name, found)?;
        } else if wanted(&name) {
            let text = fs::read_to_string(&path).map_err(|source| ReadError::Io {
                path: path.clone(),
                source,
            })?;
            found.take(&name, &text)?;
        }
    }
    Ok(())
}

/// The part of an archive's path from `data`, `labels` or `results` on.
fn inside(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').collect();
    let start = parts
        .iter()
        .position(|part| ["data", "labels", "results"].contains(part))?;
    Some(parts[start..].join("/"))
}

fn wanted(name: &str) -> bool {
    let is_csv = Path::new(name).extension().is_some_and(|e| e == "csv");
    name == "labels/combined_windows.json"
        || (is_csv && name.starts_with("data/") && name.matches('/').count() == 2)
        || (is_csv && name.starts_with("results/") && name.matches('/').count() == 3)
}

type Windows = BTreeMap<String, Vec<(String, String)>>;

#[derive(Default)]
struct Found {
    series: BTreeMap<String, Series>,
    windows: Windows,
    /// Detector, then series.
    results: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
}

impl Found {
    fn take(&mut self, name: &str, text: &str) -> Result<(), ReadError> {
        let parts: Vec<&str> = name.split('/').collect();
        match parts.as_slice() {
            ["labels", _] => {
                self.windows = serde_json::from_str(text).map_err(ReadError::Labels)?;
            }
            ["data", category, file] => {
                let name = format!("{category}/{file}");
                self.series.insert(name.clone(), series(name, text)?);
            }
            ["results", detector, category, file] => {
                let file = file.strip_prefix(&format!("{detector}_")).unwrap_or(file);
                let series = format!("{category}/{file}");
                if let Some(scores) = scores(name, text)? {
                    let results = self.results.entry((*detector).to_owned()).or_default();
                    results.insert(series, scores);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn corpus(mut self, path: &Path) -> Result<Corpus, ReadError> {
        let mut corpus = Corpus::default();
        for (name, mut series) in self.series {
            let Some(windows) = self.windows.get(&name) else {
                corpus.unlabelled.push(name);
                continue;
            };
            for (start, end) in windows {
                let bad = |problem| ReadError::Window {
                    series: series.name.clone(),
                    problem,
                };
                let (start, end) = (seconds(start).map_err(bad)?, seconds(end).map_err(bad)?);
                let first = series.secs.iter().position(|at| *at >= start);
                let last = series.secs.iter().rposition(|at| *at <= end);
                if let (Some(first), Some(last)) = (first, last)
                    && first <= last
                {
                    series.windows.push((first, last));
                }
            }
            series.windows.sort_unstable();
            corpus.series.push(series);
        }
        if corpus.series.is_empty() {
            return Err(ReadError::Empty {
                path: path.to_path_buf(),
            });
        }
        for (detector, mut results) in std::mem::take(&mut self.results) {
            let scores: Option<Vec<Vec<f64>>> = corpus
                .series
                .iter()
                .map(|series| {
                    let scores = results.remove(&series.name)?;
                    (scores.len() == series.values.len()).then_some(scores)
                })
                .collect();
            if let Some(scores) = scores {
                corpus.published.insert(detector, scores);
            }
        }
        Ok(corpus)
    }
}

fn series(name: String, text: &str) -> Result<Series, ReadError> {
    let mut series = Series {
        name,
        secs: Vec::new(),
        values: Vec::new(),
        lines: Vec::new(),
        windows: Vec::new(),
    };
    for (at, line) in text
        .lines()
        .enumerate()
        .skip(1)
        .filter(|(_, line)| !line.is_empty())
    {
        let bad = |problem: String| ReadError::Row {
            file: series.name.clone(),
            line: at + 1,
            problem,
        };
        let (stamp, value) = line
            .split_once(',')
            .ok_or_else(|| bad("expected `timestamp,value`".to_owned()))?;
        let value = match value.trim() {
            // A gap; it is not judged.
            "" => f64::NAN,
            value => value
                .parse()
                .map_err(|_| bad(format!("`{value}` is not a number")))?,
        };
        series.secs.push(seconds(stamp).map_err(bad)?);
        series.values.push(value);
        series.lines.push(line.into());
    }
    Ok(series)
}

/// Times in seconds of Unix time, and values, of a file of `timestamp,value` lines.
pub(crate) fn values(name: &str, text: &str) -> Result<(Vec<f64>, Vec<f64>), ReadError> {
    let series = series(name.to_owned(), text)?;
    Ok((series.secs, series.values))
}

/// The column `anomaly_score`; `None` when there is no such column.
fn scores(name: &str, text: &str) -> Result<Option<Vec<f64>>, ReadError> {
    let mut lines = text.lines().enumerate();
    let header = lines.next().map_or("", |(_, line)| line);
    let Some(column) = header.split(',').position(|c| c == "anomaly_score") else {
        return Ok(None);
    };
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(at, line)| {
            let field = line.split(',').nth(column).unwrap_or("");
            field.trim().parse().map_err(|_| ReadError::Row {
                file: name.to_owned(),
                line: at + 1,
                problem: format!("`{field}` is not a score"),
            })
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

fn seconds(stamp: &str) -> Result<f64, String> {
    let time: DateTime = stamp
        .trim()
        .parse()
        .map_err(|_| format!("`{stamp}` is not a time like 2014-02-14 14:30:00"))?;
    let time = time
        .to_zoned(TimeZone::UTC)
        .map_err(|error| error.to_string())?;
    Ok(time.timestamp().as_millisecond() as f64 / 1_000.0)
}
