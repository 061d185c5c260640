//! Records to an OTLP request: `ExportLogsServiceRequest`, as protobuf, compressed by gzip.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use monitor_core::Time;
use monitor_ingest::container::Output;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

use crate::follow::FileId;

/// Logs repeat themselves: the fastest level is nearly as small as the best, at a fraction of the
/// time.
const COMPRESSION: Compression = Compression::fast();

/// Who speaks: the resource attributes of one container's log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// By name.
    pub attributes: Vec<(String, String)>,
    /// Nothing but the file's path was known.
    pub by_path_alone: bool,
}

/// One line of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The runtime's; `None` in a file that no runtime wrote.
    pub time: Option<Time>,
    pub output: Output,
    pub text: String,
    pub file: FileId,
    /// Where in the file it begins.
    pub offset: u64,
}

/// Lines of one origin.
#[derive(Clone, Debug)]
pub struct Group {
    pub origin: Arc<Origin>,
    pub records: Vec<Entry>,
}

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub struct Encoded {
    pub body: Vec<u8>,
    pub records: u64,
}

/// `observed`: when the agent read them. `record_ids` adds `log.record.uid`, the same whenever the
/// same line is sent again.
pub fn encode(groups: Vec<Group>, observed: Time, record_ids: bool) -> Encoded {
    let mut records = 0;
    let resource_logs = groups.into_iter().map(|group| {
        records += group.records.len() as u64;
        resource_logs(group, observed, record_ids)
    });
    let request = ExportLogsServiceRequest {
        resource_logs: resource_logs.collect(),
    };
    Encoded {
        body: compress(&request.encode_to_vec()),
        records,
    }
}

fn resource_logs(group: Group, observed: Time, record_ids: bool) -> ResourceLogs {
    let attributes = group.origin.attributes.iter();
    let attributes = attributes.map(|(key, value)| attribute(key, value.clone()));
    let records = group.records.into_iter();
    ResourceLogs {
        resource: Some(Resource {
            attributes: attributes.collect(),
            ..Resource::default()
        }),
        scope_logs: vec![ScopeLogs {
            scope: Some(InstrumentationScope {
                name: "crosswatch.agent".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..InstrumentationScope::default()
            }),
            log_records: records
                .map(|entry| log_record(entry, observed, record_ids))
                .collect(),
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    }
}

fn log_record(entry: Entry, observed: Time, record_ids: bool) -> LogRecord {
    let mut attributes = Vec::with_capacity(1 + usize::from(record_ids));
    let output = entry.output.as_str().to_owned();
    attributes.push(attribute("log.iostream", output));
    if record_ids {
        let FileId { device, inode } = entry.file;
        let id = format!("{device:x}-{inode:x}-{:x}", entry.offset);
        attributes.push(attribute("log.record.uid", id));
    }
    LogRecord {
        time_unix_nano: nanos(entry.time.unwrap_or(observed)),
        observed_time_unix_nano: nanos(observed),
        body: Some(AnyValue {
            value: Some(Value::StringValue(entry.text)),
        }),
        attributes,
        ..LogRecord::default()
    }
}

fn nanos(time: Time) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(0)
}

fn attribute(key: &str, value: String) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value)),
        }),
        ..KeyValue::default()
    }
}

fn compress(bytes: &[u8]) -> Vec<u8> {
    let sink = Vec::with_capacity(bytes.len() / 8);
    let mut encoder = GzEncoder::new(sink, COMPRESSION);
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail")
}
