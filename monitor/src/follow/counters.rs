//! What the follower counts about itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use monitor_ingest::lines::LineCounts;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Names of skipped files are remembered to count each once, up to this many.
const MAX_REMEMBERED: usize = 10_000;

#[derive(Clone, Debug)]
pub struct FollowCounters {
    pub(super) files: IntGauge,
    pub(super) records: IntCounter,
    pub(super) bytes: IntCounter,
    pub(super) truncations: IntCounter,
    pub(super) waits: IntCounter,
    repaired: IntCounterVec,
    skipped: IntCounterVec,
    /// The follower and the registry's handles are one owner; nobody contends.
    skipped_paths: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl FollowCounters {
    /// # Errors
    ///
    /// When the registry has them already.
    pub fn register(registry: &Registry) -> Result<FollowCounters, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("crosswatch_follow_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let by_reason = |name: &str, help: &str| {
            let opts = Opts::new(format!("crosswatch_follow_{name}"), help);
            let counter = IntCounterVec::new(opts, &["reason"])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let files = IntGauge::new("crosswatch_follow_files", "Files being followed.")?;
        registry.register(Box::new(files.clone()))?;
        Ok(FollowCounters {
            files,
            records: counter("records_total", "Records read from files.")?,
            bytes: counter("bytes_total", "Bytes read from files.")?,
            truncations: counter(
                "truncations_total",
                "Times that a file was cut or overwritten, and read anew.",
            )?,
            waits: counter(
                "waits_total",
                "Times that a batch was offered and had to wait.",
            )?,
            repaired: by_reason("repaired_total", "Lines altered on the way in.")?,
            skipped: by_reason("skipped_files_total", "Files that are not followed.")?,
            skipped_paths: Arc::default(),
        })
    }

    /// Counts a file once, however often it is seen.
    pub(super) fn skip(&self, reason: &'static str, path: &Path) {
        let mut paths = self
            .skipped_paths
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if paths.len() < MAX_REMEMBERED && paths.insert(path.to_owned()) {
            self.skipped.with_label_values(&[reason]).inc();
            tracing::warn!(path = %path.display(), reason, "a file is not followed");
        }
    }

    /// Adds what a splitter counted since `before`.
    pub(super) fn repaired(&self, before: LineCounts, after: LineCounts) {
        for (reason, before, after) in [
            ("line_cut", before.cut, after.cut),
            ("invalid_utf8", before.invalid_utf8, after.invalid_utf8),
            ("nul_bytes", before.nul_bytes, after.nul_bytes),
        ] {
            if after > before {
                self.repaired
                    .with_label_values(&[reason])
                    .inc_by(after - before);
            }
        }
    }
}
