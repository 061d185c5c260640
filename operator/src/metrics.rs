//! What the operator says of itself to Prometheus.

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::effect::{Reason, Task};
use crate::keeper::Counts;

/// Cloning gives another handle to the same.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    operations: IntCounterVec,
    errors: IntCounterVec,
    duration: HistogramVec,
    managed: IntGaugeVec,
    ready: IntGauge,
    depth: IntGauge,
    running: IntGauge,
    pods: IntGauge,
    leading: IntGauge,
    monitor_up: IntGauge,
    watch_failures: IntCounter,
    monitor_requests: IntCounterVec,
    dropped: IntCounterVec,
    events: IntCounter,
}

impl Metrics {
    pub(crate) fn new() -> Result<Metrics, prometheus::Error> {
        let registry = Registry::new_custom(Some("crosswatch_operator".to_owned()), None)?;
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let duration = HistogramVec::new(
            HistogramOpts::new(
                "reconcile_duration_seconds",
                "From the decision to its outcome at the API server.",
            ),
            &["controller"],
        )?;
        registry.register(Box::new(duration.clone()))?;
        let managed = IntGaugeVec::new(
            Opts::new("managed_resources", "Resources that are kept."),
            &["resource"],
        )?;
        registry.register(Box::new(managed.clone()))?;
        let watch_failures =
            IntCounter::new("watch_failures_total", "Watches that were interrupted.")?;
        registry.register(Box::new(watch_failures.clone()))?;
        let events = IntCounter::new("events_total", "Kubernetes Events that were published.")?;
        registry.register(Box::new(events.clone()))?;
        Ok(Metrics {
            operations: counter(
                "reconcile_operations_total",
                "Writes and reads that something was decided on.",
                &["controller"],
            )?,
            errors: counter(
                "reconcile_errors_total",
                "Those that came to nothing.",
                &["controller", "reason"],
            )?,
            ready: gauge("ready", "1 when first lists of everything have arrived.")?,
            depth: gauge("workqueue_depth", "What waits to be looked at.")?,
            running: gauge("workqueue_running", "Writes that are under way.")?,
            pods: gauge("pods", "Pods that are known.")?,
            leading: gauge("leader", "1 when this operator is the one that acts.")?,
            monitor_up: gauge("monitor_up", "1 when the monitor answered last.")?,
            monitor_requests: counter(
                "monitor_requests_total",
                "Requests to the monitor.",
                &["request", "outcome"],
            )?,
            dropped: counter("dropped_total", "What was given up.", &["what", "reason"])?,
            duration,
            managed,
            watch_failures,
            events,
            registry,
        })
    }

    pub(crate) fn done(&self, task: &Task, seconds: f64, failed: Option<Reason>) {
        let kind = [task.kind()];
        self.operations.with_label_values(&kind).inc();
        self.duration.with_label_values(&kind).observe(seconds);
        if let Some(reason) = failed {
            let labels = [task.kind(), reason.as_str()];
            self.errors.with_label_values(&labels).inc();
        }
    }

    /// At an experiment.
    pub(crate) fn looked(&self, seconds: f64, well: bool) {
        let kind = ["chaos_experiment"];
        self.operations.with_label_values(&kind).inc();
        self.duration.with_label_values(&kind).observe(seconds);
        if !well {
            let labels = ["chaos_experiment", Reason::Unavailable.as_str()];
            self.errors.with_label_values(&labels).inc();
        }
    }

    pub(crate) fn counts(&self, counts: Counts, ready: bool) {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.depth.set(number(counts.queued));
        self.running.set(number(counts.running));
        self.pods.set(number(counts.pods));
        self.ready.set(i64::from(ready));
        let managed = |resource, count| {
            self.managed
                .with_label_values(&[resource])
                .set(number(count));
        };
        managed("monitoredapis", counts.monitored);
        managed("monitoredapis_ready", counts.ready);
    }

    pub(crate) fn leading(&self, leading: bool) {
        self.leading.set(i64::from(leading));
    }

    pub(crate) fn watch_failed(&self) {
        self.watch_failures.inc();
    }

    pub(crate) fn monitor(&self, request: &'static str, well: bool) {
        let outcome = if well { "ok" } else { "error" };
        self.monitor_requests
            .with_label_values(&[request, outcome])
            .inc();
        self.monitor_up.set(i64::from(well));
    }

    pub(crate) fn dropped(&self, what: &'static str, reason: &'static str, count: u64) {
        self.dropped
            .with_label_values(&[what, reason])
            .inc_by(count);
    }

    pub(crate) fn published(&self) {
        self.events.inc();
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let families = self.registry.gather();
        let encoded = prometheus::TextEncoder::new().encode_utf8(&families, &mut text);
        match encoded {
            Ok(()) => text,
            Err(error) => format!("# {error}\n"),
        }
    }
}
