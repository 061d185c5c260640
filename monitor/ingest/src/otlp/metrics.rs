//! Metrics: of all that are sent, only durations of served requests, and how full things are.

use std::fmt::Write as _;
use std::vec::IntoIter;

use monitor_core::{HistogramPoint, LevelPoint, Name, Payload, Resource, Time, Value};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogramDataPoint, HistogramDataPoint, Metric,
};

use super::buckets::{Buckets, Explicit, Exponential};
use super::cumulative::{Advance, CumulativeState, Point, Step};
use super::items::time_of;
use super::levels::{Level, levels};
use super::{Assembly, Context, Group, Verdict};
use crate::decoded::{Decoded, RejectReason};

/// The stable name; values in seconds.
const DURATION: &str = "http.server.request.duration";
/// Its predecessor; values in milliseconds.
const OLD_DURATION: &str = "http.server.duration";

/// A data point on its way in.
pub(super) enum MetricItem {
    Point(Box<DurationPoint>),
    Level(Level),
    /// So many points of metrics that we do not use.
    Unused(u64),
}

pub(super) struct DurationPoint {
    /// Seconds in the sender's unit.
    factor: f64,
    temporality: i32,
    data: PointData,
}

pub(super) enum PointData {
    Explicit(HistogramDataPoint),
    Exponential(ExponentialHistogramDataPoint),
}

pub(super) type Points = IntoIter<Result<MetricItem, String>>;

/// The points of one scope's metrics.
pub(super) fn points(metrics: Vec<Metric>) -> Points {
    // While services move between conventions they may send both (`http/dup`): count once.
    let has_stable = metrics.iter().any(|metric| metric.name == DURATION);
    let levels = levels(&metrics);
    let mut points = Vec::new();
    // Points of those are no items of their own; what they say is.
    let mut read = levels.len() as u64;
    for metric in metrics {
        let wanted = match metric.name.as_str() {
            DURATION => Some("s"),
            OLD_DURATION if !has_stable => Some("ms"),
            _ => None,
        };
        let unit = wanted.map(|usual| match metric.unit.as_str() {
            "" => usual,
            given => given,
        });
        let factor = match unit {
            Some("s") => 1.0,
            Some("ms") => 1e-3,
            Some("us" | "µs") => 1e-6,
            Some("ns") => 1e-9,
            Some(other) => {
                points.push(Err(format!("{}: unknown unit `{other}`", metric.name)));
                continue;
            }
            None => {
                let unused = count_points(metric.data);
                let taken = unused.min(read);
                read -= taken;
                points.push(Ok(MetricItem::Unused(unused - taken)));
                continue;
            }
        };
        let point = |temporality, data| {
            Ok(MetricItem::Point(Box::new(DurationPoint {
                factor,
                temporality,
                data,
            })))
        };
        match metric.data {
            Some(Data::Histogram(it)) => points.extend(
                it.data_points
                    .into_iter()
                    .map(|data| point(it.aggregation_temporality, PointData::Explicit(data))),
            ),
            Some(Data::ExponentialHistogram(it)) => points.extend(
                it.data_points
                    .into_iter()
                    .map(|data| point(it.aggregation_temporality, PointData::Exponential(data))),
            ),
            other => points.push(Ok(MetricItem::Unused(count_points(other)))),
        }
    }
    points.extend(levels.into_iter().map(|level| Ok(MetricItem::Level(level))));
    points.into_iter()
}

pub(super) fn decode(
    groups: impl IntoIterator<Item = Group<Points>>,
    mut assembly: Assembly,
    state: &mut CumulativeState,
) -> (Decoded, Advance) {
    let received = assembly.batch.received;
    let mut advance = Advance::default();
    for group in groups {
        assembly.take_group(group, |item, resource, context| match item {
            MetricItem::Unused(count) => {
                context.ignored += count;
                Verdict::Ignore
            }
            MetricItem::Level(level) => read_level(level, context),
            MetricItem::Point(point) => {
                read(*point, resource, context, received, state, &mut advance)
            }
        });
    }
    (assembly.finish(), advance)
}

fn read_level(level: Level, context: &mut Context) -> Verdict {
    let Some(at) = time_of(level.at_nanos) else {
        let detail = format!("the point's time is {} ns since 1970", level.at_nanos);
        return Verdict::Refuse(RejectReason::ImpossibleTime, detail);
    };
    Verdict::Take {
        payload: Payload::Level(LevelPoint {
            metric: context.attributes.key(&level.metric),
            at,
            share: level.share,
            attributes: (context.attributes).convert(level.attributes, &mut context.repairs),
        }),
        stream: None,
    }
}

fn read(
    point: DurationPoint,
    resource: &Resource,
    context: &mut Context,
    received: Time,
    state: &mut CumulativeState,
    advance: &mut Advance,
) -> Verdict {
    let Parts {
        start,
        end,
        attributes,
        sum,
        no_value,
        buckets,
    } = match Parts::of(point.data) {
        Ok(parts) => parts,
        Err(detail) => return Verdict::Refuse(RejectReason::InvalidHistogram, detail),
    };
    if no_value {
        context.ignored += 1;
        return Verdict::Ignore;
    }
    let Some(end) = time_of(end) else {
        let detail = format!("the point's time is {end} ns since 1970");
        return Verdict::Refuse(RejectReason::ImpossibleTime, detail);
    };
    let start = time_of(start);
    let attributes = context.attributes.convert(attributes, &mut context.repairs);
    let (start, buckets, sum) = match AggregationTemporality::try_from(point.temporality) {
        Ok(AggregationTemporality::Delta) => (start.unwrap_or(end), buckets, sum),
        Ok(AggregationTemporality::Cumulative) => {
            let key = series_key(resource, &attributes);
            let point = Point {
                start,
                at: end,
                buckets,
                sum,
            };
            match state.advance(key, point, received, advance) {
                Step::Delta {
                    start,
                    buckets,
                    sum,
                } => (start, buckets, sum),
                Step::Baseline | Step::Stale => {
                    context.ignored += 1;
                    return Verdict::Ignore;
                }
                Step::Full => {
                    let detail = "too many cumulative series; send deltas \
                         (OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta)";
                    return Verdict::Refuse(RejectReason::TooManySeries, detail.to_owned());
                }
            }
        }
        _ => {
            let detail = "the histogram says neither delta nor cumulative";
            return Verdict::Refuse(RejectReason::InvalidHistogram, detail.to_owned());
        }
    };
    if start > end {
        let detail = format!("the point ends at {end}, before its start at {start}");
        return Verdict::Refuse(RejectReason::EndBeforeStart, detail);
    }
    let explicit = buckets.explicit().scaled(point.factor);
    if explicit.count() == 0 {
        // An interval without calls says nothing that its absence would not.
        context.ignored += 1;
        return Verdict::Ignore;
    }
    let sum_seconds = sum
        .map(|sum| sum * point.factor)
        .filter(|sum| sum.is_finite() && *sum >= 0.0)
        .unwrap_or_else(|| explicit.estimated_sum());
    Verdict::Take {
        payload: Payload::Histogram(HistogramPoint {
            metric: context.attributes.key(DURATION),
            start,
            end,
            bounds: explicit.bounds,
            counts: explicit.counts,
            sum_seconds,
            attributes,
        }),
        stream: None,
    }
}

/// What both kinds of histogram points have.
struct Parts {
    start: u64,
    end: u64,
    attributes: Vec<KeyValue>,
    sum: Option<f64>,
    no_value: bool,
    buckets: Buckets,
}

impl Parts {
    fn of(data: PointData) -> Result<Parts, String> {
        Ok(match data {
            PointData::Explicit(point) => Parts {
                start: point.start_time_unix_nano,
                end: point.time_unix_nano,
                buckets: Buckets::Explicit(Explicit::read(&point)?),
                attributes: point.attributes,
                sum: point.sum,
                no_value: point.flags & 1 == 1,
            },
            PointData::Exponential(point) => Parts {
                start: point.start_time_unix_nano,
                end: point.time_unix_nano,
                buckets: Buckets::Exponential(Exponential::read(&point)?),
                attributes: point.attributes,
                sum: point.sum,
                no_value: point.flags & 1 == 1,
            },
        })
    }
}

/// Names a series: one metric of one resource with one set of attributes.
fn series_key(resource: &Resource, attributes: &[(Name, Value)]) -> String {
    let mut key = String::new();
    for attributes in [&resource.attributes, attributes] {
        let mut sorted: Vec<_> = attributes.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, value) in sorted {
            // Writing to a String cannot fail; the lengths keep different attributes different.
            let value = value.to_string();
            _ = write!(key, "{}:{name}{}:{value}", name.len(), value.len());
        }
        key.push('|');
    }
    key
}

fn count_points(data: Option<Data>) -> u64 {
    let count = match data {
        None => 0,
        Some(Data::Gauge(it)) => it.data_points.len(),
        Some(Data::Sum(it)) => it.data_points.len(),
        Some(Data::Histogram(it)) => it.data_points.len(),
        Some(Data::ExponentialHistogram(it)) => it.data_points.len(),
        Some(Data::Summary(it)) => it.data_points.len(),
    };
    count as u64
}
