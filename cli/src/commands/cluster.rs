//! `crosswatch cluster`: a simulated Kubernetes for people.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use monitor::signals::StopSignals;
use owo_colors::OwoColorize;
use sim_cluster::cluster::{Extent, KindConfig, SimCluster, SimConfig};
use sim_cluster::kubelet::Images;

use crate::terminal;

/// Run a small Kubernetes on this machine, with neither Docker nor privileges.
///
/// Its API is for kubectl, client libraries and plain manifests. Pods are local processes: an image
/// stands for a program of this machine, and every pod has its own loopback address and log files.
/// Nothing is isolated and nothing is reachable from outside. Ctrl-C ends all pods.
///
/// Examples:
///   crosswatch cluster
///   crosswatch cluster --nodes kind-config.yaml --image busybox=/bin/sh
///   crosswatch cluster --hollow --root /var/tmp/cluster --listen 127.0.0.1:6443
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Command {
    /// The nodes, as a kind-config.yaml. [default: one on premises, one in each of two clouds]
    #[arg(long, value_name = "FILE")]
    nodes: Option<PathBuf>,

    /// State and logs. What claims hold stays there. [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,

    /// The program behind an image, such as busybox=/bin/sh; may be given again. The image
    /// `crosswatch` is this program.
    #[arg(long = "image", value_name = "NAME=COMMAND")]
    images: Vec<String>,

    /// The API server's address, on loopback. [default: a free port of 127.0.0.1]
    #[arg(
        long,
        default_value = "127.0.0.1:0",
        hide_default_value = true,
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,

    /// Pods run and are ready at once, without processes.
    #[arg(long)]
    hollow: bool,

    /// The same number gives the same names.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    let config = command.config()?;
    terminal::runtime()?.block_on(async {
        let mut signals = StopSignals::listen()?;
        let sim = SimCluster::start(config).await?;
        tell(&sim);
        signals.asked_to_stop().await;
        anstream::eprintln!("Stopping: ending all pods.");
        sim.stop().await;
        Ok(())
    })
}

impl Command {
    fn config(&self) -> anyhow::Result<SimConfig> {
        anyhow::ensure!(
            self.listen.ip().is_loopback(),
            "the simulated cluster has no isolation, so it listens on loopback only, not on {}",
            self.listen
        );
        let extent = if self.hollow {
            Extent::Hollow
        } else {
            Extent::Full
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the command is where the simulated cluster gets its clock"
        )]
        let mut config = SimConfig::new(extent, Arc::new(jiff::Timestamp::now));
        config.seed = self.seed;
        config.root.clone_from(&self.root);
        config.http.listen = self.listen;
        config.images = self.images()?;
        if let Ok(path) = std::env::var("PATH") {
            config.path = path;
        }
        if let Some(path) = &self.nodes {
            config.nodes = read_nodes(path)?.nodes;
        }
        Ok(config)
    }

    fn images(&self) -> anyhow::Result<Images> {
        let own = std::env::current_exe().context("this program cannot find its own file")?;
        let images = Images::default().with("crosswatch", own, [""; 0]);
        let images = self
            .images
            .iter()
            .try_fold(images, |images, written| images.with_written(written))?;
        Ok(images)
    }
}

fn read_nodes(path: &Path) -> anyhow::Result<KindConfig> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    KindConfig::parse(&text).with_context(|| format!("cannot use `{}`", path.display()))
}

/// On standard output only the line that a shell takes; the rest is for people.
fn tell(sim: &SimCluster) {
    let nodes: Vec<&str> = sim.nodes().map(|(node, _)| node.name.as_str()).collect();
    anstream::println!("export KUBECONFIG={}", sim.kubeconfig_path().display());
    anstream::eprintln!(
        "\n{} {} with {} nodes: {}",
        "Ready:".green().bold(),
        sim.url(),
        nodes.len(),
        nodes.join(", ")
    );
    anstream::eprintln!("With the line above in another terminal:");
    anstream::eprintln!("  kubectl get nodes");
    anstream::eprintln!("  kubectl apply -f FILE      # images stand for programs, see --image");
    anstream::eprintln!(
        "Logs of pods are in {}/NODE/var/log/pods. Ctrl-C stops everything.",
        sim.root().join("nodes").display()
    );
}
