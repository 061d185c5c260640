//! Which field is what: as the sender maps it, or as loggers and shippers usually name it.

use monitor_core::{Name, Time, Value};
use serde_json::{Map, Value as Json};

/// Names that say when, best first.
const TIME: &[&str] = &[
    "_time",
    "@timestamp",
    "timestamp",
    "time",
    "ts",
    "datetime",
    "eventTime",
    "t",
    "date",
];

/// Attribute and the fields that may hold it, best first. OpenTelemetry's names work as they are.
const RESOURCE: &[(&str, &[&str])] = &[
    (
        "service.name",
        &[
            "service.name",
            "service",
            "service_name",
            "serviceName",
            "app",
            "application",
            "app_name",
            "kubernetes.labels.app.kubernetes.io/name",
            "kubernetes.labels.app",
            "kubernetes.container.name",
            "kubernetes.container_name",
            "container_name",
            "container",
            "component",
            "job",
        ],
    ),
    (
        "service.namespace",
        &[
            "service.namespace",
            "k8s.namespace.name",
            "kubernetes.namespace",
            "kubernetes.namespace_name",
            "namespace",
        ],
    ),
    ("service.version", &["service.version", "version"]),
    (
        "service.instance.id",
        &[
            "service.instance.id",
            "k8s.pod.name",
            "kubernetes.pod.name",
            "kubernetes.pod_name",
            "pod",
            "pod_name",
            "instance",
        ],
    ),
    (
        "host.name",
        &["host.name", "hostname", "host", "kubernetes.host"],
    ),
    ("crosswatch.environment", &["crosswatch.environment"]),
    (
        "crosswatch.environment.kind",
        &["crosswatch.environment.kind"],
    ),
    ("crosswatch.site", &["crosswatch.site", "site"]),
    (
        "k8s.cluster.name",
        &["k8s.cluster.name", "cluster", "cluster_name"],
    ),
    ("cloud.provider", &["cloud.provider"]),
    ("cloud.region", &["cloud.region", "region"]),
    (
        "cloud.availability_zone",
        &["cloud.availability_zone", "zone"],
    ),
    (
        "deployment.environment.name",
        &[
            "deployment.environment.name",
            "deployment.environment",
            "environment",
            "env",
        ],
    ),
];

/// Tells apart the outputs of one producer.
const STREAM: &[&str] = &[
    "log.file.path",
    "stream",
    "log.iostream",
    "logger",
    "_stream",
];

/// The longest field value that may become part of an identity; longer ones are content.
const MAX_IDENTITY_BYTES: usize = 256;

/// What the sender says of its fields; everything unsaid is guessed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldMapping {
    /// `_time_field` or `VL-Time-Field`.
    pub time: Option<Name>,
    /// `_msg_field` or `VL-Msg-Field`; of several the first.
    pub message: Option<Name>,
    /// `_stream_fields` or `VL-Stream-Fields`: together they name the stream.
    pub stream: Vec<Name>,
    /// `extra_fields` or `VL-Extra-Fields`: resource attributes for every line.
    pub extra: Vec<(Name, Name)>,
}

impl FieldMapping {
    /// Reads one parameter by its query or header name; unknown ones are not ours.
    pub fn set(&mut self, parameter: &str, value: &str) {
        let named =
            |name: &str, header: &str| parameter == name || parameter.eq_ignore_ascii_case(header);
        let list = || value.split(',').map(str::trim).filter(|it| !it.is_empty());
        if named("_time_field", "VL-Time-Field") {
            self.time = list().next().map(Name::from);
        } else if named("_msg_field", "VL-Msg-Field") {
            self.message = list().next().map(Name::from);
        } else if named("_stream_fields", "VL-Stream-Fields") {
            self.stream = list().map(Name::from).collect();
        } else if named("extra_fields", "VL-Extra-Fields") {
            self.extra = list()
                .filter_map(|pair| pair.split_once('='))
                .map(|(key, value)| (Name::from(key), Name::from(value)))
                .collect();
        }
    }

    pub(super) fn find_time<'j>(&self, object: &'j Map<String, Json>) -> Option<&'j Json> {
        match &self.time {
            Some(field) => find(object, field),
            None => TIME.iter().find_map(|field| object.get(*field)),
        }
    }

    /// The resource's attributes and the stream's name.
    pub(super) fn describe(&self, object: &Map<String, Json>) -> (Vec<(Name, Value)>, String) {
        let mut attributes: Vec<(Name, Value)> = self
            .extra
            .iter()
            .map(|(key, value)| (key.clone(), Value::Str(value.as_ref().to_owned())))
            .collect();
        for (attribute, fields) in RESOURCE {
            if attributes.iter().any(|(name, _)| &**name == *attribute) {
                continue;
            }
            if let Some(value) = fields.iter().find_map(|field| identity(object, field)) {
                attributes.push((Name::from(*attribute), Value::Str(value)));
            }
        }
        let stream = if self.stream.is_empty() {
            STREAM
                .iter()
                .find_map(|field| identity(object, field))
                .unwrap_or_default()
        } else {
            let values = self.stream.iter().map(|field| {
                let value = identity(object, field).unwrap_or_default();
                format!("{field}=\"{value}\"")
            });
            format!("{{{}}}", values.collect::<Vec<_>>().join(","))
        };
        (attributes, stream)
    }
}

/// A short text or number that can be part of a name.
fn identity(object: &Map<String, Json>, field: &str) -> Option<String> {
    match find(object, field)? {
        Json::String(text) if text.is_empty() || text.len() > MAX_IDENTITY_BYTES => None,
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        // ECS and others nest: `"service": {"name": …}` is found by its dotted name.
        _ => None,
    }
}

/// A field by its name, or by its path when the name has dots.
fn find<'j>(object: &'j Map<String, Json>, field: &str) -> Option<&'j Json> {
    if let Some(value) = object.get(field) {
        return Some(value);
    }
    field.match_indices('.').find_map(|(dot, _)| {
        let inner = object.get(&field[..dot])?.as_object()?;
        find(inner, &field[dot + 1..])
    })
}

/// RFC 3339 (a blank for the `T` is tolerated), or a number since 1970 whose magnitude tells
/// seconds, milli-, micro- or nanoseconds. Only times that a clock may honestly show, 1971 to 2200.
pub(super) fn time_of(value: &Json) -> Option<Time> {
    let time = match value {
        Json::String(text) => match text.parse::<Time>() {
            Ok(time) => time,
            Err(_) => of_epoch(text.parse().ok()?)?,
        },
        Json::Number(number) => match number.as_i64() {
            // Exact, where a double would round nanoseconds.
            Some(integer) if integer > 100_000_000_000_000_000 => Time::from_nanos(integer),
            _ => of_epoch(number.as_f64()?)?,
        },
        _ => return None,
    };
    (1971 - 1970..2200 - 1970)
        .contains(&(time.as_secs() / 31_556_952))
        .then_some(time)
}

/// Bands three decades wide: 2026 is 1.8e9 in seconds, and 1971 to 2200 spans 3e7 to 7.3e9.
fn of_epoch(number: f64) -> Option<Time> {
    let unit_nanos = match number {
        ..3e7 => return None,
        ..1e10 => 1_000_000_000,
        ..1e13 => 1_000_000,
        ..1e16 => 1_000,
        ..9.2e18 => 1,
        _ => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "in range by the bands above"
    )]
    // A double of today's seconds resolves a quarter of a microsecond; more digits are noise.
    let (whole, millionths) = (number.trunc() as i64, (number.fract() * 1e6).round() as i64);
    let fraction = millionths * unit_nanos / 1_000_000;
    Some(Time::from_nanos(
        whole.saturating_mul(unit_nanos).saturating_add(fraction),
    ))
}
