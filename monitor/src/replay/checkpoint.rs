//! Where a replay was, so that it can be interrupted at any time.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::Context;
use monitor_core::Time;
use serde::{Deserialize, Serialize};

use super::ReplayArgs;
use super::report::Collector;

pub(super) const FILE: &str = "replay.state";
/// Changes when the meaning of the file does; another version is begun afresh.
const VERSION: u32 = 2;

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// Of the input and of every setting that the outcome depends on.
    pub(super) identity: String,
    pub(super) finished: bool,
    /// Chunks that are done and committed.
    pub(super) chunks: u64,
    pub(super) newest: Time,
    pub(super) anomaly_bytes: u64,
    pub(super) heart: Vec<u8>,
    pub(super) collector: Collector,
}

impl Checkpoint {
    /// `None` when there is none that this version can go on from.
    pub(super) fn read(folder: &Path) -> Option<Checkpoint> {
        let bytes = fs::read(folder.join(FILE)).ok()?;
        postcard::from_bytes(&bytes).ok()
    }

    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let bytes = postcard::to_stdvec(self).context("cannot encode the checkpoint")?;
        let temporary = folder.join("replay.state.new");
        fs::write(&temporary, bytes)
            .and_then(|()| fs::rename(&temporary, folder.join(FILE)))
            .with_context(|| format!("cannot write the checkpoint in `{}`", folder.display()))
    }
}

/// Two replays of one identity have the same outcome; the speed is not part of it.
pub(super) fn identity(args: &ReplayArgs) -> anyhow::Result<String> {
    let mut text = format!("{VERSION} {}", env!("CARGO_PKG_VERSION"));
    for path in &args.paths {
        let path =
            fs::canonicalize(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let metadata = fs::metadata(&path)?;
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .unwrap_or_default();
        text.push_str(&format!(
            "\n{} {} {}",
            path.display(),
            metadata.len(),
            modified.as_nanos()
        ));
    }
    text.push_str(&format!(
        "\n{:?} {:?} {:?} {} {}",
        args.from, args.to, args.service, args.lateness_seconds, args.false_alarms_per_week
    ));
    Ok(text)
}
