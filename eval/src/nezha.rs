//! Root causes in two real microservice systems: TrainTicket and OnlineBoutique with injected faults,
//! recorded as logs, spans and metrics.
//!
//! G. Yu, P. Chen, Y. Li, H. Chen, X. Li, Z. Zheng, "Nezha: interpretable fine-grained root causes
//! analysis for microservices on multi-modal observability data", ESEC/FSE 2023. The task: given the
//! minute file two minutes after the injection and the fault-free minute of the day, rank the
//! services. AS@k (here `top_k`) is the share of faults whose service is among the first k, ties as
//! their expected value. Reading and judging are `monitor::replay`'s, as in production; here is the
//! score. Any recordings in that layout can be scored, other cases as well as these.

mod report;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use monitor::replay::judge_recording;
use serde::Serialize;

pub use self::report::Report;

/// A fault, what was suspected, and how right that was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Case {
    /// The recording: its file's or directory's name without endings.
    pub system: String,
    /// When the fault was injected, RFC 3339.
    pub injected: String,
    /// What was injected.
    pub kind: String,
    /// Where.
    pub service: String,
    /// Why nothing could be compared, if so; such a case is in no figure.
    pub not_compared: Option<String>,
    /// Its place; the best of those with its evidence. `None` when nothing spoke for it.
    pub rank: Option<usize>,
    /// How many have its evidence, itself included.
    pub tied: usize,
    pub top_1: f64,
    pub top_3: f64,
    pub top_5: f64,
    pub reciprocal_rank: f64,
    /// The first suspects, the strongest first.
    pub suspects: Vec<Suspect>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Suspect {
    pub service: String,
    /// In nats.
    pub evidence: f64,
    pub why: Vec<String>,
}

/// Reads and judges all faults of all recordings; `each` is told of every one.
pub fn read(
    paths: &[PathBuf],
    each: &mut dyn FnMut(&Case) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for path in recordings(paths)? {
        let system = system(&path);
        judge_recording(&path, |fault| {
            let case = Case {
                system: system.clone(),
                injected: fault.injected.to_string(),
                not_compared: fault.not_compared.clone(),
                rank: fault.rank,
                tied: fault.tied,
                top_1: fault.hit(1),
                top_3: fault.hit(3),
                top_5: fault.hit(5),
                reciprocal_rank: fault.reciprocal_rank(),
                suspects: fault
                    .services
                    .into_iter()
                    .map(|cause| Suspect {
                        service: cause.service,
                        evidence: cause.score,
                        why: cause.why,
                    })
                    .collect(),
                kind: fault.kind,
                service: fault.service,
            };
            each(&case)?;
            cases.push(case);
            Ok(())
        })?;
    }
    if cases.is_empty() {
        bail!("no faults in what was named: the recordings have no DATE-fault_list.json");
    }
    Ok(cases)
}

/// The recordings among `paths`, and those directly inside of directories that are none themselves.
fn recordings(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() || path.join("rca_data").is_dir() {
            found.push(path.clone());
            continue;
        }
        let mut inside: Vec<PathBuf> = fs::read_dir(path)
            .with_context(|| format!("cannot list the folder `{}`", path.display()))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        inside.retain(|path| path.join("rca_data").is_dir() || is_archive(path));
        inside.sort();
        if inside.is_empty() {
            bail!(
                "`{}` holds no recording: expected rca_data/ in it, or in a directory or archive \
                 inside of it",
                path.display()
            );
        }
        found.extend(inside);
    }
    Ok(found)
}

fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [".tar", ".tar.gz", ".tgz", ".tar.zst"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

fn system(path: &Path) -> String {
    let name = path
        .canonicalize()
        .unwrap_or_else(|_| path.to_owned())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    name.split('.').next().unwrap_or_default().to_owned()
}
