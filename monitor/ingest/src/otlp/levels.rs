//! How full something is, of the gauges that runtimes, pools and collectors send.
//!
//! What is used and what there is come as two metrics of one scope: `jvm.memory.used` and
//! `jvm.memory.limit`, `db.client.connection.count` and `db.client.connection.max`, Prometheus'
//! `process_open_fds` and `process_max_fds`; or as one of them divided by the other, a
//! `….utilization`. They are told by their names' ends, so that a runtime nobody has thought of is
//! read too (<https://opentelemetry.io/docs/specs/semconv/general/naming/>: `limit`, `usage` and
//! `utilization` are reserved for just this). Processors fill up and empty in a second and are left out.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, NumberDataPoint};

/// What is left after a collection says more than what is used before one.
const LIVE: &str = "used.after.last.gc";
/// Ends of names of what is used …
const USED: [&str; 8] = [
    LIVE, "used", "usage", "count", "active", "open", "in.use", "current",
];
/// … of what there is …
const LIMIT: [&str; 3] = ["limit", "max", "capacity"];
/// … and of one divided by the other.
const SHARE: &str = "utilization";
/// Parts of the names of what is busy rather than full.
const BUSY: [&str; 2] = ["cpu", "gpu"];
/// A little more than all is used where it is counted late.
const MORE_THAN_ALL: f64 = 1.1;

/// One reading.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Level {
    pub(super) metric: String,
    pub(super) at_nanos: u64,
    pub(super) share: f64,
    pub(super) attributes: Vec<KeyValue>,
}

/// The readings of one scope, in the order of its metrics. O(n log n) in its points.
pub(super) fn levels(metrics: &[Metric]) -> Vec<Level> {
    let mut limits: BTreeMap<(String, String), f64> = BTreeMap::new();
    let mut live: BTreeSet<(String, String)> = BTreeSet::new();
    for metric in metrics {
        let plain = plain(&metric.name);
        if let Some(stem) = LIMIT.iter().find_map(|end| stem(&plain, end)) {
            for point in numbers(metric) {
                if let Some(limit) = value(point).filter(|limit| *limit > 0.0) {
                    limits.insert((stem.clone(), series(&point.attributes)), limit);
                }
            }
        } else if let Some(stem) = stem(&plain, LIVE) {
            let points = numbers(metric).iter();
            live.extend(points.map(|point| (stem.clone(), series(&point.attributes))));
        }
    }
    let mut levels = Vec::new();
    for metric in metrics {
        let plain = plain(&metric.name);
        if plain.split('.').any(|part| BUSY.contains(&part)) {
            continue;
        }
        let is_share = plain.ends_with(SHARE);
        let used = USED.iter().find_map(|end| Some((*end, stem(&plain, end)?)));
        if !is_share && (used.is_none() || limits.is_empty()) {
            continue;
        }
        if let Some((_, stem)) = &used
            && let Some(limit) = limits.get(&(stem.clone(), String::new()))
        {
            levels.extend(whole(metric, *limit));
            continue;
        }
        for point in numbers(metric) {
            let Some(value) = value(point).filter(|_| is_of_what_is_used(&point.attributes)) else {
                continue;
            };
            let share = match &used {
                _ if is_share => Some(value),
                Some((end, stem)) => {
                    let key = (stem.clone(), series(&point.attributes));
                    let is_outdone = *end != LIVE && live.contains(&key);
                    let limit = limits.get(&key).filter(|_| !is_outdone);
                    limit.map(|limit| value / limit)
                }
                None => None,
            };
            let attributes = point.attributes.clone();
            levels.extend(share.and_then(|share| level(metric, point, share, attributes)));
        }
    }
    levels
}

/// All series of a metric together, where there is one limit for all of them: Go's memory.
fn whole(metric: &Metric, limit: f64) -> Option<Level> {
    let points = numbers(metric).iter();
    let used: Vec<(&NumberDataPoint, f64)> = points
        .filter(|point| is_of_what_is_used(&point.attributes))
        .filter_map(|point| Some((point, value(point)?)))
        .collect();
    let sum: f64 = used.iter().map(|(_, value)| value).sum();
    level(metric, used.first()?.0, sum / limit, Vec::new())
}

fn level(
    metric: &Metric,
    point: &NumberDataPoint,
    share: f64,
    attributes: Vec<KeyValue>,
) -> Option<Level> {
    (0.0..=MORE_THAN_ALL).contains(&share).then(|| Level {
        metric: metric.name.clone(),
        at_nanos: point.time_unix_nano,
        share: share.min(1.0),
        attributes,
    })
}

/// Prometheus' names as OpenTelemetry would have them, without their units.
fn plain(name: &str) -> String {
    let dotted = name.replace('_', ".");
    let bare = [".bytes", ".ratio"]
        .iter()
        .find_map(|unit| dotted.strip_suffix(unit));
    bare.map(str::to_owned).unwrap_or(dotted)
}

/// `process.open.fds` and `process.max.fds` have the word before the last.
fn stem(plain: &str, word: &str) -> Option<String> {
    if let Some(stem) = plain.strip_suffix(word) {
        return stem.strip_suffix('.').map(str::to_owned);
    }
    let (front, last) = plain.rsplit_once('.')?;
    let stem = front.strip_suffix(word)?.strip_suffix('.')?;
    Some(format!("{stem}.{last}"))
}

/// Of values that go up and down; what was counted since the last time says nothing.
fn numbers(metric: &Metric) -> &[NumberDataPoint] {
    let cumulative = i32::from(AggregationTemporality::Cumulative);
    match &metric.data {
        Some(Data::Gauge(it)) => &it.data_points,
        Some(Data::Sum(it)) if !it.is_monotonic && it.aggregation_temporality == cumulative => {
            &it.data_points
        }
        _ => &[],
    }
}

fn value(point: &NumberDataPoint) -> Option<f64> {
    if point.flags & 1 == 1 {
        return None;
    }
    let value = match point.value? {
        Number::AsDouble(value) => value,
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
        Number::AsInt(value) => value as f64,
    };
    value.is_finite().then_some(value)
}

/// Where one metric has several, of those in use.
fn is_of_what_is_used(attributes: &[KeyValue]) -> bool {
    let state = attributes.iter().find(|attribute| is_state(attribute));
    state.is_none_or(|state| text(state.value.as_ref()) == "used")
}

fn is_state(attribute: &KeyValue) -> bool {
    attribute.key == "state" || attribute.key.ends_with(".state")
}

/// What tells a point from the others of its metric; what there is has no state.
fn series(attributes: &[KeyValue]) -> String {
    let mut parts: Vec<String> = attributes
        .iter()
        .filter(|attribute| !is_state(attribute))
        .map(|attribute| format!("{}={:?};", attribute.key, text(attribute.value.as_ref())))
        .collect();
    parts.sort();
    parts.concat()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => text.clone(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::{Gauge, Sum};

    use super::*;

    fn attributes(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
        let pair = |(key, value): &(&str, &str)| KeyValue {
            key: (*key).to_owned(),
            value: Some(AnyValue {
                value: Some(Any::StringValue((*value).to_owned())),
            }),
            ..KeyValue::default()
        };
        pairs.iter().map(pair).collect()
    }

    fn point(value: Number, pairs: &[(&str, &str)]) -> NumberDataPoint {
        NumberDataPoint {
            attributes: attributes(pairs),
            time_unix_nano: 7,
            value: Some(value),
            ..NumberDataPoint::default()
        }
    }

    fn gauge(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
        Metric {
            name: name.to_owned(),
            data: Some(Data::Gauge(Gauge { data_points })),
            ..Metric::default()
        }
    }

    fn sum(name: &str, is_monotonic: bool, data_points: Vec<NumberDataPoint>) -> Metric {
        let data = Data::Sum(Sum {
            data_points,
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic,
        });
        Metric {
            name: name.to_owned(),
            data: Some(data),
            ..Metric::default()
        }
    }

    fn read(metrics: &[Metric]) -> Vec<(String, f64)> {
        let level = |level: Level| (level.metric, level.share);
        levels(metrics).into_iter().map(level).collect()
    }

    fn is(name: &str, share: f64) -> Vec<(String, f64)> {
        vec![(name.to_owned(), share)]
    }

    #[test]
    fn what_is_used_is_held_against_what_there_is_of_the_same_series() {
        let old = [("jvm.memory.pool.name", "G1 Old Gen")];
        let eden = [("jvm.memory.pool.name", "G1 Eden Space")];
        let metrics = [
            sum(
                "jvm.memory.used",
                false,
                vec![
                    point(Number::AsInt(90), &old),
                    point(Number::AsInt(10), &eden),
                ],
            ),
            sum(
                "jvm.memory.limit",
                false,
                vec![point(Number::AsInt(200), &old)],
            ),
        ];
        assert_eq!(read(&metrics), is("jvm.memory.used", 0.45));
        let after = sum(
            "jvm.memory.used_after_last_gc",
            false,
            vec![point(Number::AsInt(50), &old)],
        );
        let [used, limit] = metrics;
        assert_eq!(
            read(&[used, after, limit]),
            is("jvm.memory.used_after_last_gc", 0.25),
            "what is live says more than what was not collected yet"
        );
    }

    #[test]
    fn one_limit_is_for_all_series_together() {
        let of = |kind| [("go.memory.type", kind)];
        let metrics = [
            sum(
                "go.memory.used",
                false,
                vec![
                    point(Number::AsInt(70), &of("other")),
                    point(Number::AsInt(10), &of("stack")),
                ],
            ),
            sum(
                "go.memory.limit",
                false,
                vec![point(Number::AsInt(100), &[])],
            ),
        ];
        assert_eq!(read(&metrics), is("go.memory.used", 0.8));
    }

    #[test]
    fn connections_in_use_are_and_idle_ones_are_not() {
        let state = |state| {
            [
                ("db.client.connection.pool.name", "main"),
                ("db.client.connection.state", state),
            ]
        };
        let metrics = [
            sum(
                "db.client.connection.count",
                false,
                vec![
                    point(Number::AsInt(45), &state("used")),
                    point(Number::AsInt(5), &state("idle")),
                ],
            ),
            sum(
                "db.client.connection.max",
                false,
                vec![point(
                    Number::AsInt(50),
                    &[("db.client.connection.pool.name", "main")],
                )],
            ),
        ];
        assert_eq!(read(&metrics), is("db.client.connection.count", 0.9));
    }

    #[test]
    fn shares_are_taken_as_they_are_and_processors_are_not() {
        let share = |name| gauge(name, vec![point(Number::AsDouble(0.5), &[])]);
        assert_eq!(
            read(&[
                share("k8s.container.memory_limit_utilization"),
                share("k8s.container.cpu_limit_utilization"),
                share("system.cpu.utilization"),
            ]),
            is("k8s.container.memory_limit_utilization", 0.5)
        );
    }

    #[test]
    fn names_of_prometheus_are_read_too() {
        let of = |name, value| gauge(name, vec![point(Number::AsDouble(value), &[])]);
        let metrics = [
            of("process_open_fds", 300.0),
            of("process_max_fds", 1_000.0),
        ];
        assert_eq!(read(&metrics), is("process_open_fds", 0.3));
        let metrics = [
            of("jvm_memory_used_bytes", 1e6),
            of("jvm_memory_max_bytes", 4e6),
        ];
        assert_eq!(read(&metrics), is("jvm_memory_used_bytes", 0.25));
    }

    #[test]
    fn what_cannot_be_a_share_is_none() {
        let of = |name, value| gauge(name, vec![point(Number::AsDouble(value), &[])]);
        for (used, limit) in [
            (1.0, -1.0),
            (1.0, 0.0),
            (f64::NAN, 10.0),
            (-1.0, 10.0),
            (50.0, 10.0),
            (1.0, f64::INFINITY),
        ] {
            assert_eq!(read(&[of("a.used", used), of("a.limit", limit)]), []);
        }
        let mut unknown = point(Number::AsInt(1), &[]);
        unknown.flags = 1;
        let metrics = [gauge("a.used", vec![unknown]), of("a.limit", 2.0)];
        assert_eq!(read(&metrics), []);
        let ever = sum("a.count", true, vec![point(Number::AsInt(1), &[])]);
        assert_eq!(
            read(&[ever, of("a.limit", 2.0)]),
            [],
            "a counter only grows"
        );
    }
}
