//! `crosswatch sim manifests`: the platform as a folder for kustomize.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use sim_services::mesh::pods::manifests::{Layout, files};

use crate::commands::chaos;

/// Write the simulated platform as manifests of Kubernetes, for kustomize.
///
/// One replica is one pod. Nodes are chosen by their label `crosswatch.dev/env`, which names one of
/// the topology's environments; the image is `crosswatch:dev` until kustomize names another.
#[derive(Args, Debug)]
pub(super) struct Command {
    /// The folder to write into. [default: all on standard output]
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,

    /// At most so many replicas of each service, for a small machine. [default: the topology's]
    #[arg(long, value_name = "NUMBER")]
    replicas: Option<u32>,

    /// Requests a second through the edge, on average. [default: the topology's]
    #[arg(long, value_name = "NUMBER")]
    requests_per_second: Option<f64>,

    /// Where replicas send spans, as OTLP over HTTP; `none` for nowhere.
    #[arg(
        long,
        default_value = "http://monitor.crosswatch:4318",
        value_name = "URL"
    )]
    otlp: String,

    /// The platform, as a file; it goes into a ConfigMap. [default: the shipped shop]
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,

    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
}

pub(super) fn run(command: &Command) -> anyhow::Result<()> {
    let topology = chaos::topology(command.topology.as_deref())?;
    let text = match &command.topology {
        None => None,
        Some(file) => {
            let text = fs::read_to_string(file);
            Some(text.with_context(|| format!("cannot read `{}`", file.display()))?)
        }
    };
    let layout = Layout {
        replicas: command.replicas,
        requests_per_second: command.requests_per_second,
        otlp: (command.otlp != "none").then(|| command.otlp.clone()),
        seed: command.seed,
        topology: text,
    };
    let files = files(&topology, &layout)?;
    let Some(folder) = &command.output else {
        let mut out = anstream::stdout();
        // The last is for kustomize alone.
        for file in files.iter().take(files.len().saturating_sub(1)) {
            write!(out, "---\n{}", file.text)?;
        }
        return Ok(());
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    for file in &files {
        let path = folder.join(&file.name);
        fs::write(&path, &file.text)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    anstream::eprintln!(
        "{} files in {1}: kubectl apply -k {1}",
        files.len(),
        folder.display()
    );
    Ok(())
}
