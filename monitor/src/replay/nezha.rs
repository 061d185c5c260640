//! Adapter for recordings in Nezha's layout (Yu et al., "Nezha: interpretable fine-grained root
//! causes analysis for microservices on multi-modal observability data", FSE 2023): a CSV file a
//! minute for logs and for spans, and a list of the faults that were injected.
//!
//! Layout: `rca_data/<date>/{log,trace}/HH_MM_*.csv` and `<date>-fault_list.json`; a fault-free
//! minute of each date in `construct_data/<date>/`; `metric/` has a row a minute for each pod (see
//! `usage`). Times are UTC.

mod usage;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use monitor_core::{
    Batch, Environment, Item, LogItem, Name, Origin, Payload, Resource, ServiceKey, Source, SpanId,
    SpanItem, SpanKind, Time, TraceId, Value,
};
use monitor_ingest::container::{self, Output};
use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::faults::{Fault, Window};
use super::{Chunk, ReadCounts};

pub(super) use self::usage::Measured;

/// Items of a batch: what the engine is ticked by.
const BATCH: usize = 2_000;
/// The files of a fault's minute are judged two minutes after its injection, as published.
const SETTLE: Duration = Duration::from_secs(120);
const MINUTE: Duration = Duration::from_secs(60);

/// A folder in Nezha's layout.
#[derive(Debug)]
pub(super) struct Recording {
    /// Ordered by minute; the two folders of a date are merged.
    minutes: BTreeMap<Time, Minute>,
    pub(super) faults: Vec<Fault>,
    /// Files of measurements, a pod's each.
    measured: Vec<PathBuf>,
}

#[derive(Debug, Default)]
struct Minute {
    logs: Vec<PathBuf>,
    traces: Vec<PathBuf>,
}

/// Which service and operation a span belongs to, for finding its children's kind.
struct Parent {
    pod: Name,
    operation: Name,
}

impl Recording {
    /// `None` when `root` is not laid out so.
    pub(super) fn open(root: &Path) -> anyhow::Result<Option<Recording>> {
        if !root.join("rca_data").is_dir() {
            return Ok(None);
        }
        let mut recording = Recording {
            minutes: BTreeMap::new(),
            faults: Vec::new(),
            measured: Vec::new(),
        };
        let mut fault_free: BTreeMap<String, Time> = BTreeMap::new();
        for half in ["construct_data", "rca_data"] {
            let folder = root.join(half);
            if !folder.is_dir() {
                continue;
            }
            for date in sorted(&folder)? {
                let Some(name) = file_name(&date) else {
                    continue;
                };
                let Ok(midnight) = format!("{name}T00:00:00Z").parse::<Time>() else {
                    continue;
                };
                for kind in ["log", "trace"] {
                    let folder = date.join(kind);
                    if !folder.is_dir() {
                        continue;
                    }
                    for path in sorted(&folder)? {
                        let Some(minute) = file_name(&path).and_then(minute_of) else {
                            continue;
                        };
                        let start = midnight + minute;
                        let entry = recording.minutes.entry(start).or_default();
                        if kind == "log" {
                            &mut entry.logs
                        } else {
                            &mut entry.traces
                        }
                        .push(path);
                        if half == "construct_data" {
                            fault_free.entry(name.to_owned()).or_insert(start);
                        }
                    }
                }
                let folder = date.join("metric");
                if folder.is_dir() {
                    recording.measured.extend(sorted(&folder)?);
                }
                let list = date.join(format!("{name}-fault_list.json"));
                if half == "rca_data" && list.is_file() {
                    read_faults(&list, fault_free.get(name).copied(), &mut recording.faults)?;
                }
            }
        }
        // Where a day's fault-free minute was not recorded, the nearest other one has to do.
        for fault in &mut recording.faults {
            if fault.reference.is_none() {
                fault.reference = fault_free
                    .values()
                    .min_by_key(|start| {
                        start
                            .since(fault.injected)
                            .max(fault.injected.since(**start))
                    })
                    .map(|start| Window {
                        start: *start,
                        length: MINUTE,
                    });
            }
        }
        recording.faults.sort_by_key(|fault| fault.injected);
        Ok(Some(recording))
    }

    /// How many minutes there are, for progress.
    pub(super) fn minutes(&self) -> usize {
        self.minutes.len()
    }

    /// What was measured of the pods, over all days.
    pub(super) fn measured(&self, counts: &mut ReadCounts) -> anyhow::Result<Measured> {
        Measured::read(&self.measured, counts)
    }

    /// The records that were filed under one minute, as batches; none when there are no such files.
    pub(super) fn minute(
        &self,
        start: Time,
        counts: &mut ReadCounts,
    ) -> anyhow::Result<Vec<Batch>> {
        let Some(minute) = self.minutes.get(&start) else {
            return Ok(Vec::new());
        };
        let mut items = Vec::new();
        let mut resources = Resources::default();
        minute.read(
            &mut resources,
            &FxHashMap::default(),
            &mut FxHashMap::default(),
            counts,
            &mut items,
        )?;
        let mut items = items.into_iter().peekable();
        let mut batches = Vec::new();
        while items.peek().is_some() {
            batches.push(batch(items.by_ref().take(BATCH)));
        }
        Ok(batches)
    }

    /// Reads everything in time order, a minute's files at a time.
    pub(super) fn read(
        &self,
        counts: &mut ReadCounts,
        mut take: impl FnMut(Chunk) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut resources = Resources::default();
        let mut previous: FxHashMap<SpanId, Parent> = FxHashMap::default();
        for (index, minute) in self.minutes.values().enumerate() {
            let mut items: Vec<(Time, Source, Payload)> = Vec::new();
            let mut parents = FxHashMap::default();
            minute.read(&mut resources, &previous, &mut parents, counts, &mut items)?;
            previous = parents;
            let mut items = items.into_iter().peekable();
            while items.peek().is_some() {
                take(Chunk {
                    batch: batch(items.by_ref().take(BATCH)),
                    done: index as u64,
                })?;
            }
        }
        Ok(())
    }
}

impl Minute {
    /// In the order of time; equal times keep the files' order, whose rows are in none.
    fn read(
        &self,
        resources: &mut Resources,
        previous: &FxHashMap<SpanId, Parent>,
        parents: &mut FxHashMap<SpanId, Parent>,
        counts: &mut ReadCounts,
        items: &mut Vec<(Time, Source, Payload)>,
    ) -> anyhow::Result<()> {
        for path in &self.logs {
            read_logs(path, resources, counts, items)?;
        }
        for path in &self.traces {
            read_spans(path, resources, previous, parents, counts, items)?;
        }
        items.sort_by_key(|item| item.0);
        Ok(())
    }
}

pub(super) fn batch(items: impl Iterator<Item = (Time, Source, Payload)>) -> Batch {
    let mut batch = Batch {
        origin: Origin::Replay,
        received: Time::MIN,
        sources: Vec::new(),
        items: Vec::new(),
    };
    let mut places: FxHashMap<(*const Resource, Name), u32> = FxHashMap::default();
    for (time, source, payload) in items {
        batch.received = batch.received.max(time);
        let key = (Arc::as_ptr(&source.resource), Arc::clone(&source.stream));
        let place = *places.entry(key).or_insert_with(|| {
            batch.sources.push(source);
            u32::try_from(batch.sources.len() - 1).expect("a batch holds a few thousand items")
        });
        batch.items.push(Item {
            source: place,
            payload,
        });
    }
    batch
}

/// One resource for each pod.
#[derive(Default)]
struct Resources {
    pods: FxHashMap<String, Arc<Resource>>,
}

impl Resources {
    fn pod(&mut self, pod: &str, node: Option<&str>) -> Arc<Resource> {
        if let Some(found) = self.pods.get(pod) {
            return Arc::clone(found);
        }
        let mut attributes = vec![(Name::from("k8s.pod.name"), Value::Str(pod.to_owned()))];
        if let Some(node) = node {
            attributes.push((Name::from("k8s.node.name"), Value::Str(node.to_owned())));
        }
        let resource = Arc::new(Resource {
            service: ServiceKey::new("", service_of_pod(pod)),
            version: None,
            instance: pod.into(),
            environment: Environment::from_attributes(&attributes),
            attributes,
        });
        self.pods.insert(pod.to_owned(), Arc::clone(&resource));
        resource
    }
}

/// A Deployment's pod is named `<deployment>-<replica set>-<pod>`.
pub(super) fn service_of_pod(pod: &str) -> &str {
    pod.rsplitn(3, '-').nth(2).unwrap_or(pod)
}

#[derive(Deserialize)]
struct LogRow<'a> {
    #[serde(rename = "TimeUnixNano")]
    time: i64,
    #[serde(rename = "Node")]
    node: &'a str,
    #[serde(rename = "PodName")]
    pod: &'a str,
    #[serde(rename = "TraceID")]
    trace_id: &'a str,
    #[serde(rename = "SpanID")]
    span_id: &'a str,
    #[serde(rename = "Log")]
    log: &'a str,
}

fn read_logs(
    path: &Path,
    resources: &mut Resources,
    counts: &mut ReadCounts,
    items: &mut Vec<(Time, Source, Payload)>,
) -> anyhow::Result<()> {
    rows(path, counts, |record, headers, counts| {
        let row: LogRow = record
            .deserialize(Some(headers))
            .map_err(|error| error.to_string())?;
        counts.log_rows += 1;
        counts.log_bytes += row.log.len() as u64;
        // The runtime wraps each line; a row it did not wrap is a line by itself.
        let (text, stream) = container::unwrap_docker_json(row.log)
            .map_or((row.log.to_owned(), Output::Stdout), |line| {
                (line.text, line.output.unwrap_or(Output::Stdout))
            });
        let time = Time::from_nanos(row.time);
        let log = LogItem {
            time: Some(time),
            severity: None,
            trace_id: row.trace_id.parse::<TraceId>().ok(),
            span_id: row.span_id.parse::<SpanId>().ok(),
            text,
            attributes: Vec::new(),
        };
        let source = Source {
            resource: resources.pod(row.pod, Some(row.node)),
            stream: Name::from(stream.as_str()),
        };
        items.push((time, source, Payload::Log(log)));
        Ok(())
    })
}

#[derive(Deserialize)]
struct SpanRow<'a> {
    #[serde(rename = "TraceID")]
    trace_id: &'a str,
    #[serde(rename = "SpanID")]
    span_id: &'a str,
    #[serde(rename = "ParentID")]
    parent: &'a str,
    #[serde(rename = "PodName")]
    pod: &'a str,
    #[serde(rename = "OperationName")]
    operation: &'a str,
    #[serde(rename = "StartTimeUnixNano")]
    start: i64,
    #[serde(rename = "EndTimeUnixNano")]
    end: i64,
}

/// A span as the file has it, before its kind is known.
struct RawSpan {
    pod: Name,
    trace_id: TraceId,
    span_id: SpanId,
    parent: Option<SpanId>,
    operation: Name,
    start: Time,
    duration: Duration,
}

fn read_spans(
    path: &Path,
    resources: &mut Resources,
    previous: &FxHashMap<SpanId, Parent>,
    parents: &mut FxHashMap<SpanId, Parent>,
    counts: &mut ReadCounts,
    items: &mut Vec<(Time, Source, Payload)>,
) -> anyhow::Result<()> {
    let mut spans = Vec::new();
    rows(path, counts, |record, headers, counts| {
        let row: SpanRow = record
            .deserialize(Some(headers))
            .map_err(|error| error.to_string())?;
        counts.span_rows += 1;
        let start = Time::from_nanos(row.start);
        spans.push(RawSpan {
            pod: row.pod.into(),
            trace_id: row
                .trace_id
                .parse::<TraceId>()
                .map_err(|error| error.to_string())?,
            span_id: row
                .span_id
                .parse::<SpanId>()
                .map_err(|error| error.to_string())?,
            parent: row.parent.parse::<SpanId>().ok(),
            operation: row.operation.into(),
            start,
            duration: Time::from_nanos(row.end).since(start),
        });
        Ok(())
    })?;
    for span in &spans {
        let parent = Parent {
            pod: Arc::clone(&span.pod),
            operation: Arc::clone(&span.operation),
        };
        parents.insert(span.span_id, parent);
    }
    // The recording has no span kinds. A span whose parent ran in another pod served a request;
    // that parent made one.
    let mut callers: std::collections::BTreeSet<SpanId> = std::collections::BTreeSet::new();
    let find = |id: &SpanId| parents.get(id).or_else(|| previous.get(id));
    for span in &spans {
        if let Some(id) = &span.parent
            && find(id).is_some_and(|parent| parent.pod != span.pod)
        {
            callers.insert(*id);
        }
    }
    for span in spans {
        let parent = span.parent.as_ref().and_then(find);
        let served = match (&span.parent, parent) {
            (None, _) => true,
            (Some(_), Some(parent)) => parent.pod != span.pod,
            (Some(_), None) => false,
        };
        let kind = if served {
            SpanKind::Server
        } else if callers.contains(&span.span_id) {
            SpanKind::Client
        } else {
            SpanKind::Internal
        };
        let mut attributes = Vec::new();
        if served {
            attributes.push((
                Name::from("http.route"),
                Value::Str(span.operation.to_string()),
            ));
            if let Some(method) =
                parent.and_then(|parent| parent.operation.strip_prefix("HTTP ").map(str::to_owned))
            {
                attributes.push((Name::from("http.request.method"), Value::Str(method)));
            }
        }
        let source = Source {
            resource: resources.pod(&span.pod, None),
            stream: Name::from("spans"),
        };
        let item = SpanItem {
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent: span.parent,
            kind,
            name: span.operation,
            start: span.start,
            duration: span.duration,
            error: None,
            status_message: String::new(),
            attributes,
        };
        items.push((span.start, source, Payload::Span(item)));
    }
    Ok(())
}

/// Reads a CSV file row by row; a row that cannot be read costs that row.
fn rows(
    path: &Path,
    counts: &mut ReadCounts,
    mut row: impl FnMut(&csv::StringRecord, &csv::StringRecord, &mut ReadCounts) -> Result<(), String>,
) -> anyhow::Result<()> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(super::input::reader(path)?);
    let headers = reader
        .headers()
        .with_context(|| format!("cannot read the header of `{}`", path.display()))?
        .clone();
    let mut record = csv::ByteRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_byte_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let text = csv::StringRecord::from_byte_record_lossy(record.clone());
                if let Err(reason) = row(&text, &headers, counts) {
                    counts.reject(path, line, reason);
                }
            }
            Err(error) if error.is_io_error() => {
                return Err(error).with_context(|| format!("cannot read `{}`", path.display()));
            }
            Err(error) => counts.reject(path, line, error.to_string()),
        }
    }
}

#[derive(Deserialize)]
struct FaultRow {
    inject_time: String,
    inject_pod: String,
    inject_type: String,
}

fn read_faults(
    path: &Path,
    reference: Option<Time>,
    faults: &mut Vec<Fault>,
) -> anyhow::Result<()> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let by_hour: BTreeMap<String, Vec<FaultRow>> = serde_json::from_str(&text)
        .with_context(|| format!("`{}` is not a list of faults", path.display()))?;
    for row in by_hour.into_values().flatten() {
        let injected: Time = format!("{}Z", row.inject_time.replace(' ', "T"))
            .parse()
            .with_context(|| format!("a fault's time in `{}`", path.display()))?;
        let window = (injected + SETTLE).floor(MINUTE);
        faults.push(Fault {
            injected,
            kind: row.inject_type,
            service: ServiceKey::new("", service_of_pod(&row.inject_pod)),
            window: Window {
                start: window,
                length: MINUTE,
            },
            reference: reference.map(|start| Window {
                start,
                length: MINUTE,
            }),
        });
    }
    Ok(())
}

fn sorted(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot list the folder `{}`", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

/// `08_43_log.csv` is the minute 08:43.
fn minute_of(name: &str) -> Option<Duration> {
    let mut parts = name.split('_');
    let hours: u64 = parts.next()?.parse().ok()?;
    let minutes: u64 = parts.next()?.parse().ok()?;
    (hours < 24 && minutes < 60).then(|| Duration::from_secs(hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_service_is_its_name_without_the_last_two_parts() {
        assert_eq!(
            service_of_pod("cart-service-7f4f5f6f77-5qb6j"),
            "cart-service"
        );
        assert_eq!(service_of_pod("db"), "db");
    }

    #[test]
    fn a_minutes_file_is_named_by_its_minute() {
        assert_eq!(
            minute_of("08_43_log.csv"),
            Some(Duration::from_secs(8 * 3600 + 43 * 60))
        );
        assert_eq!(minute_of("front_service.csv"), None);
        assert_eq!(minute_of("25_00_log.csv"), None);
    }
}
