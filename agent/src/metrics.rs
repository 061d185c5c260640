//! What the agent counts about itself.

use monitor_ingest::lines::LineCounts;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Cheap to clone: handles to the same numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) containers: IntGauge,
    pub(crate) read_bytes: IntCounter,
    pub(crate) read_records: IntCounter,
    /// Of containers that are not wanted.
    pub(crate) skipped_bytes: IntCounter,
    /// Written before the look-back.
    pub(crate) skipped_records: IntCounter,
    pub(crate) truncations: IntCounter,
    pub(crate) unattributed_records: IntCounter,
    repaired: IntCounterVec,
    skipped_files: IntCounterVec,
    pub(crate) polling: IntGauge,
    pub(crate) sent_records: IntCounter,
    pub(crate) sent_bytes: IntCounter,
    pub(crate) send_seconds: Histogram,
    pub(crate) connected: IntGauge,
    attempts: IntCounterVec,
    dropped: IntCounterVec,
    pub(crate) spool_bytes: IntGauge,
    pub(crate) spool_records: IntGauge,
    pub(crate) spool_failures: IntCounter,
    pub(crate) pods: IntGauge,
    pub(crate) synced: IntGauge,
    pub(crate) cluster_failures: IntCounter,
    pub(crate) api_bytes: IntCounter,
    pub(crate) api_budget_waits: IntCounter,
}

/// What became of an attempt to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Taken,
    /// To be tried again.
    Later,
    Refused,
}

/// Why records are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The spool was full, and these were the oldest.
    SpoolFull,
    /// A file of the spool could not be read.
    SpoolDamaged,
    /// The monitor does not take them, now or later.
    Refused,
}

impl Metrics {
    /// # Errors
    ///
    /// When the registry has them already.
    pub fn register(registry: &Registry) -> Result<Metrics, prometheus::Error> {
        let name = |name: &str| format!("crosswatch_agent_{name}");
        let counter = |short: &str, help: &str| {
            let counter = IntCounter::new(name(short), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |short: &str, help: &str| {
            let gauge = IntGauge::new(name(short), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let by = |short: &str, help: &str, label: &str, values: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name(short), help), &[label])?;
            registry.register(Box::new(counter.clone()))?;
            // A series that is not there cannot be alerted on.
            for value in values {
                counter.with_label_values(&[*value]);
            }
            Ok::<_, prometheus::Error>(counter)
        };
        let seconds = HistogramOpts::new(name("send_seconds"), "Time that a request took.")
            .buckets(vec![
                0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
            ]);
        let send_seconds = Histogram::with_opts(seconds)?;
        registry.register(Box::new(send_seconds.clone()))?;
        Ok(Metrics {
            containers: gauge("containers", "Containers whose logs are followed.")?,
            read_bytes: counter("read_bytes_total", "Bytes read from logs.")?,
            read_records: counter("read_records_total", "Records read from logs.")?,
            skipped_bytes: counter(
                "skipped_bytes_total",
                "Bytes passed over, of containers that are not watched.",
            )?,
            skipped_records: counter(
                "skipped_records_total",
                "Records passed over, written before the look-back when the agent first started.",
            )?,
            truncations: counter(
                "truncations_total",
                "Times that a file was cut or overwritten, and read anew.",
            )?,
            unattributed_records: counter(
                "unattributed_records_total",
                "Records sent with what their file's path says alone.",
            )?,
            repaired: by(
                "repaired_total",
                "Lines altered on the way.",
                "reason",
                &[
                    "line_cut",
                    "invalid_utf8",
                    "nul_bytes",
                    "not_of_the_runtime",
                ],
            )?,
            skipped_files: by(
                "skipped_files_total",
                "Times that a file or folder could not be followed.",
                "reason",
                &["too_many_containers", "unreadable"],
            )?,
            polling: gauge(
                "polling",
                "1 while the system gives no notifications, and files are looked at instead.",
            )?,
            sent_records: counter("sent_records_total", "Records that the monitor has taken.")?,
            sent_bytes: counter("sent_bytes_total", "Bytes of requests taken, compressed.")?,
            send_seconds,
            connected: gauge("connected", "1 when the monitor answered the last request.")?,
            attempts: by(
                "attempts_total",
                "Attempts to deliver a request.",
                "outcome",
                &["taken", "later", "refused"],
            )?,
            dropped: by(
                "dropped_records_total",
                "Records lost.",
                "reason",
                &["spool_full", "spool_damaged", "refused"],
            )?,
            spool_bytes: gauge("spool_bytes", "Bytes waiting on disk for the monitor.")?,
            spool_records: gauge("spool_records", "Records waiting on disk for the monitor.")?,
            spool_failures: counter(
                "spool_failures_total",
                "Times that the spool could not be written; reading waits then.",
            )?,
            pods: gauge("pods", "Pods of the node whose metadata is known.")?,
            synced: gauge(
                "cluster_synced",
                "1 when the Kubernetes API has answered everything at least once.",
            )?,
            cluster_failures: counter(
                "cluster_failures_total",
                "Requests to the Kubernetes API that failed.",
            )?,
            api_bytes: counter(
                "api_bytes_total",
                "Bytes of logs that were streamed through the Kubernetes API.",
            )?,
            api_budget_waits: counter(
                "api_budget_waits_total",
                "Times that streaming through the Kubernetes API waited for its byte budget.",
            )?,
        })
    }

    pub(crate) fn skip_files(&self, reason: &'static str) {
        self.skipped_files.with_label_values(&[reason]).inc();
    }

    pub(crate) fn repair(&self, reason: &'static str) {
        self.repaired.with_label_values(&[reason]).inc();
    }

    /// Adds what a splitter counted since `before`.
    pub(crate) fn repaired(&self, before: LineCounts, after: LineCounts) {
        for (reason, before, after) in [
            ("line_cut", before.cut, after.cut),
            ("invalid_utf8", before.invalid_utf8, after.invalid_utf8),
            ("nul_bytes", before.nul_bytes, after.nul_bytes),
        ] {
            if after > before {
                let counter = self.repaired.with_label_values(&[reason]);
                counter.inc_by(after - before);
            }
        }
    }

    pub(crate) fn attempt(&self, outcome: Attempt) {
        let outcome = match outcome {
            Attempt::Taken => "taken",
            Attempt::Later => "later",
            Attempt::Refused => "refused",
        };
        self.attempts.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn lost(&self, records: u64, why: Loss) {
        let why = match why {
            Loss::SpoolFull => "spool_full",
            Loss::SpoolDamaged => "spool_damaged",
            Loss::Refused => "refused",
        };
        self.dropped.with_label_values(&[why]).inc_by(records);
    }
}
