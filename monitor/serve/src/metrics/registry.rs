//! The monitor's own counters, from the registry where its parts put them.

use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::exposition::{Exposition, Kind, Labels, number_text};

pub(super) fn write(out: &mut Exposition, registry: &prometheus::Registry) {
    for family in registry.gather() {
        write_family(out, &family);
    }
}

fn write_family(out: &mut Exposition, family: &MetricFamily) {
    let kind = match family.get_field_type() {
        MetricType::COUNTER => Kind::Counter,
        MetricType::GAUGE => Kind::Gauge,
        MetricType::HISTOGRAM => Kind::Histogram,
        MetricType::SUMMARY => Kind::Summary,
        // No metric of the prometheus crate is untyped.
        MetricType::UNTYPED => return,
    };
    let mut to = out.family(family.name(), kind, family.help());
    for metric in family.get_metric() {
        let labels = labels(metric);
        match kind {
            Kind::Counter => to.sample(&labels, metric.get_counter().get_value()),
            Kind::Gauge | Kind::Info => to.sample(&labels, metric.get_gauge().get_value()),
            Kind::Histogram => {
                let histogram = metric.get_histogram();
                let count = histogram.get_sample_count() as f64;
                for bucket in histogram.get_bucket() {
                    // The last one is written below, whether or not it is among them.
                    if bucket.upper_bound().is_finite() {
                        let bound = number_text(bucket.upper_bound());
                        let cumulative = bucket.cumulative_count() as f64;
                        to.part("_bucket", &with(&labels, "le", &bound), cumulative);
                    }
                }
                to.part("_bucket", &with(&labels, "le", "+Inf"), count);
                to.part("_sum", &labels, histogram.get_sample_sum());
                to.part("_count", &labels, count);
            }
            Kind::Summary => {
                let summary = metric.get_summary();
                for quantile in summary.get_quantile() {
                    let which = number_text(quantile.quantile());
                    to.sample(&with(&labels, "quantile", &which), quantile.value());
                }
                to.part("_sum", &labels, summary.sample_sum());
                to.part("_count", &labels, summary.sample_count() as f64);
            }
        }
    }
}

fn labels(metric: &Metric) -> Vec<(&str, &str)> {
    metric
        .get_label()
        .iter()
        .map(|label| (label.name(), label.value()))
        .collect()
}

fn with<'a>(labels: &Labels<'a>, name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    labels.iter().copied().chain([(name, value)]).collect()
}
