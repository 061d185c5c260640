//! The monitor's own health, in Prometheus' names. Registered here, rendered by `serve`.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) wal_syncs: IntCounter,
    pub(crate) wal_failures: IntCounter,
    pub(crate) wal_bytes: IntGauge,
    pub(crate) records_indexed: IntCounter,
    pub(crate) index_commits: IntCounter,
    pub(crate) index_failures: IntCounter,
    pub(crate) snapshots: IntCounter,
    /// By channel and `outcome`: `sent` or `failed`.
    pub(crate) notifications: IntCounterVec,
    /// By `reason`.
    pub(crate) alerts_dropped: IntCounterVec,
    pub(crate) probes_refused: IntCounter,
    pub(crate) probe_records_dropped: IntCounter,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Metrics, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let vector = |name: &str, help: &str, labels: &[&str]| {
            let vector = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(vector.clone()))?;
            Ok::<_, prometheus::Error>(vector)
        };
        let wal_bytes = IntGauge::new(
            "crosswatch_wal_bytes",
            "Size of the write-ahead log on disk.",
        )?;
        registry.register(Box::new(wal_bytes.clone()))?;
        Ok(Metrics {
            wal_syncs: counter(
                "crosswatch_wal_syncs_total",
                "Groups of batches forced to disk before they were acknowledged.",
            )?,
            wal_failures: counter(
                "crosswatch_wal_failures_total",
                "Groups of batches refused because they could not be written.",
            )?,
            wal_bytes,
            records_indexed: counter(
                "crosswatch_records_indexed_total",
                "Records handed to the log index since the start.",
            )?,
            index_commits: counter(
                "crosswatch_index_commits_total",
                "Times that new records were made searchable.",
            )?,
            index_failures: counter(
                "crosswatch_index_failures_total",
                "Times that the index could not be written; tried again from the log.",
            )?,
            snapshots: counter(
                "crosswatch_snapshots_total",
                "Times that the learned state was saved.",
            )?,
            notifications: vector(
                "crosswatch_notifications_total",
                "Alerts sent, by channel and outcome.",
                &["channel", "outcome"],
            )?,
            alerts_dropped: vector(
                "crosswatch_alerts_dropped_total",
                "Alert messages not sent at all; firing alerts are sent again at the next interval.",
                &["reason"],
            )?,
            probes_refused: counter(
                "crosswatch_probes_refused_total",
                "Times that more probes were wanted than one monitor makes.",
            )?,
            probe_records_dropped: counter(
                "crosswatch_probe_records_dropped_total",
                "Outcomes of probes that were shown, but refused as records.",
            )?,
        })
    }
}
