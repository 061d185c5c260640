//! JSON lines over HTTP: one object a line, with field mapping as VictoriaLogs has it.
//!
//! Called by the HTTP receiver. Finds out who is speaking and when; the line itself stays as it
//! arrived, and what it says is left to `formats`. A line that is no JSON object costs that line.
//!
//! <https://docs.victoriametrics.com/victorialogs/data-ingestion/#json-stream-api>

mod fields;

use std::sync::Arc;

use monitor_core::{Batch, Item, LogItem, Name, Origin, Payload, Resource, Source, Time, Value};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value as Json};

pub use fields::FieldMapping;

use crate::decoded::{Decoded, MAX_TEXT_BYTES, RejectReason, Rejection, Rejections, Repairs};
use crate::resource;

/// The attribute that names the message's field when the sender said which it is.
pub const MESSAGE_FIELD: &str = "crosswatch.message_field";

/// Decodes a body. `received` is the time we took it.
pub fn decode(body: &[u8], mapping: &FieldMapping, origin: Origin, received: Time) -> Decoded {
    let mut lines = JsonLines {
        mapping,
        batch: Batch {
            origin,
            received,
            sources: Vec::new(),
            items: Vec::new(),
        },
        sources: FxHashMap::default(),
        rejected: Rejections::default(),
    };
    // A byte order mark is not part of the first line.
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    for (position, line) in body.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if let Err((reason, detail)) = lines.take(line) {
            lines
                .rejected
                .push(Rejection::new(position, reason, detail));
        }
    }
    Decoded {
        batch: lines.batch,
        rejected: lines.rejected,
        repairs: Repairs::default(),
        ignored: 0,
    }
}

struct JsonLines<'a> {
    mapping: &'a FieldMapping,
    batch: Batch,
    /// Lines of one producer share one source.
    sources: FxHashMap<String, u32>,
    rejected: Rejections,
}

impl JsonLines<'_> {
    fn take(&mut self, line: &[u8]) -> Result<(), (RejectReason, String)> {
        if line.len() > MAX_TEXT_BYTES {
            let detail = format!("{} bytes; at most {MAX_TEXT_BYTES} are taken", line.len());
            return Err((RejectReason::TooLong, detail));
        }
        let malformed = |detail: String| (RejectReason::Malformed, detail);
        let text = std::str::from_utf8(line).map_err(|error| malformed(error.to_string()))?;
        let object = match serde_json::from_str(text) {
            Ok(Json::Object(object)) => object,
            Ok(_) => return Err(malformed("not a JSON object".to_owned())),
            Err(error) => return Err(malformed(error.to_string())),
        };
        // What is not understood here, `formats` may still read in the text.
        let time = self.mapping.find_time(&object).and_then(fields::time_of);
        let source = self.source(&object);
        let mut attributes = Vec::new();
        if let Some(field) = &self.mapping.message {
            attributes.push((
                Name::from(MESSAGE_FIELD),
                Value::Str(field.as_ref().to_owned()),
            ));
        }
        self.batch.items.push(Item {
            source,
            payload: Payload::Log(LogItem {
                time,
                text: text.to_owned(),
                attributes,
                ..LogItem::default()
            }),
        });
        Ok(())
    }

    fn source(&mut self, object: &Map<String, Json>) -> u32 {
        let (attributes, stream) = self.mapping.describe(object);
        let mut key = stream.clone();
        for (name, value) in &attributes {
            key.push('\0');
            key.push_str(name);
            key.push('\0');
            key.push_str(&value.to_string());
        }
        if let Some(source) = self.sources.get(&key) {
            return *source;
        }
        // A body is bounded far below 2^32 lines, hence sources.
        let source = u32::try_from(self.batch.sources.len()).unwrap_or(u32::MAX);
        let resource: Resource = resource::from_attributes(attributes);
        self.batch.sources.push(Source {
            resource: Arc::new(resource),
            stream: stream.into(),
        });
        self.sources.insert(key, source);
        source
    }
}
