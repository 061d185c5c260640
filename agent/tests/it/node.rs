//! A node's `/var/log/pods`, written as a kubelet and a container runtime do.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use agent::follow::{Attribution, FileId, Follower, PodFolder, Pods, Position, Round};
use agent::metrics::Metrics;
use agent::otlp::Origin;
use monitor_core::Time;

pub(crate) struct Node {
    folder: tempfile::TempDir,
}

impl Node {
    pub(crate) fn new() -> Node {
        Node {
            folder: tempfile::tempdir().expect("a folder for logs"),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn container(&self, pod: &str, container: &str) -> Container {
        let folder = self
            .root()
            .join(format!("shop_{pod}_uid-{pod}"))
            .join(container);
        fs::create_dir_all(&folder).expect("a container's folder");
        Container {
            folder,
            restart: 0,
            rotations: 0,
            nanos: 0,
        }
    }
}

/// One container that writes.
pub(crate) struct Container {
    pub(crate) folder: PathBuf,
    restart: u32,
    rotations: u32,
    nanos: u64,
}

impl Container {
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.restart))
    }

    pub(crate) fn append(&self, bytes: &[u8]) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .expect("a log");
        file.write_all(bytes).expect("a line is written");
    }

    /// One entry of the CRI format, with a time of its own.
    pub(crate) fn entry(&mut self, output: &str, tag: &str, text: &str) -> String {
        self.nanos += 1;
        format!(
            "2026-11-21T18:00:00.{:09}Z {output} {tag} {text}\n",
            self.nanos
        )
    }

    pub(crate) fn line(&mut self, text: &str) {
        let entry = self.entry("stdout", "F", text);
        self.append(entry.as_bytes());
    }

    fn rotated(&mut self) -> PathBuf {
        self.rotations += 1;
        let name = format!("{}.log.20261121-{:06}", self.restart, self.rotations);
        self.folder.join(name)
    }

    /// As the kubelet does it.
    pub(crate) fn rotate(&mut self) {
        let to = self.rotated();
        if self.log().exists() {
            fs::rename(self.log(), to).expect("a log is renamed");
        }
    }

    /// As logrotate does it with `copytruncate`.
    pub(crate) fn copy_and_truncate(&mut self) {
        let to = self.rotated();
        if self.log().exists() {
            fs::copy(self.log(), to).expect("a log is copied");
            File::create(self.log()).expect("a log is cut");
        }
    }

    pub(crate) fn size(&self) -> u64 {
        fs::metadata(self.log()).map_or(0, |it| it.len())
    }

    pub(crate) fn restart(&mut self) {
        self.restart += 1;
    }
}

/// Reads everything under its path alone.
pub(crate) struct Everyone;

impl Pods for Everyone {
    fn about(&mut self, pod: &PodFolder, _: &str, _: u32, _: Time, _: Time) -> Attribution {
        Attribution::Read(
            Origin {
                attributes: vec![("k8s.pod.name".to_owned(), pod.pod.clone())],
                by_path_alone: true,
            }
            .into(),
        )
    }
}

pub(crate) fn metrics() -> Metrics {
    Metrics::register(&prometheus::Registry::new()).expect("a new registry")
}

pub(crate) fn follower(root: &Path, saved: BTreeMap<FileId, Position>) -> Follower {
    Follower::new(root.to_owned(), saved, None, metrics())
}

pub(crate) fn texts(round: &Round) -> Vec<String> {
    let records = round.groups.iter().flat_map(|group| &group.records);
    records.map(|record| record.text.clone()).collect()
}

/// Seconds behind a fixed moment.
pub(crate) fn at(seconds: f64) -> Time {
    Time::from_nanos(1_795_284_000_000_000_000 + (seconds * 1e9) as i64)
}
