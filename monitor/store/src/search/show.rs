//! From a document back to the record that it was made from.

use std::sync::PoisonError;

use monitor_core::{CallStatus, Hit, Name, RecordId, SearchError, ServiceKey, Time, Value};
use tantivy::columnar::ColumnValues;
use tantivy::schema::Value as _;
use tantivy::{DocAddress, Searcher, SegmentReader, TantivyDocument};

use crate::dictionary::Operation;
use crate::intern::SharedDictionary;
use crate::schema;
use crate::search::index_error;
use crate::stored::{Stored, decode};

/// Reads stored documents of one snapshot.
pub(super) struct Stores<'a> {
    searcher: &'a Searcher,
}

impl<'a> Stores<'a> {
    pub(super) fn new(searcher: &'a Searcher) -> Stores<'a> {
        Stores { searcher }
    }

    pub(super) fn stored(&mut self, address: DocAddress) -> Result<Stored, SearchError> {
        let document: TantivyDocument = self.searcher.doc(address).map_err(index_error)?;
        stored_in(&document).ok_or_else(damaged)
    }

    pub(super) fn hit(
        &mut self,
        address: DocAddress,
        dictionary: &SharedDictionary,
    ) -> Result<Hit, SearchError> {
        let stored = self.stored(address)?;
        let dictionary = dictionary.read().unwrap_or_else(PoisonError::into_inner);
        let segment = self.searcher.segment_reader(address.segment_ord);
        let number = |name| column(segment, name, address.doc_id);
        let (Some(layout), Some(context), Some(operation)) = (
            dictionary
                .layouts
                .get(number(schema::LAYOUT_NAME)? as usize),
            dictionary
                .contexts
                .get(number(schema::CONTEXT_NAME)? as usize),
            dictionary
                .operations
                .get(number(schema::OPERATION_NAME)? as usize),
        ) else {
            return Err(damaged());
        };
        let time = segment
            .fast_fields()
            .i64(schema::TIME_NAME)
            .map_err(index_error)?
            .first(address.doc_id)
            .unwrap_or_default();
        let duration = segment
            .fast_fields()
            .u64(schema::DURATION_NAME)
            .map_err(index_error)?
            .first(address.doc_id);
        Ok(Hit {
            id: RecordId {
                batch: number(schema::BATCH_NAME)?,
                item: u32::try_from(number(schema::ITEM_NAME)?).unwrap_or(u32::MAX),
            },
            kind: operation.kind,
            time: Time::from_nanos(time),
            service: ServiceKey {
                namespace: context.namespace.clone(),
                name: context.service.clone(),
            },
            environment: context.environment.clone(),
            instance: context.instance.clone(),
            severity: operation.severity,
            format: context.format.clone(),
            text: layout.fill(stored.variables.iter().map(String::as_str)),
            template: layout.template.as_ref().map(|(_, text)| text.to_string()),
            trace_id: stored.trace_id,
            span_id: stored.span_id,
            attributes: attributes(stored, operation, duration),
        })
    }
}

/// What else is known, under the names that queries use, before the record's own attributes.
fn attributes(stored: Stored, operation: &Operation, duration: Option<u64>) -> Vec<(Name, Value)> {
    let text = |value: &str| Value::Str(value.to_owned());
    let mut attributes: Vec<(Name, Value)> = Vec::new();
    let mut add = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            attributes.push((key.into(), value));
        }
    };
    add(
        "parent_span_id",
        stored.parent_span_id.map(|id| Value::Str(id.to_string())),
    );
    add("request_id", stored.request_id.as_deref().map(text));
    add("correlation_id", stored.correlation_id.as_deref().map(text));
    add("method", operation.method.as_deref().map(text));
    add("route", operation.route.as_deref().map(text));
    add("path", stored.path.map(Value::Str));
    add(
        "status",
        operation.status.and_then(|status| match status {
            CallStatus::Http(code) => Some(Value::Int(code.into())),
            CallStatus::Grpc(code) => Some(Value::Int(code.into())),
            CallStatus::Failed(failed) => Some(text(if failed { "failed" } else { "ok" })),
            CallStatus::Unknown => None,
        }),
    );
    add(
        "duration",
        // Milliseconds, as queries have it without a unit.
        duration.map(|nanos| Value::Float(nanos as f64 / 1e6)),
    );
    add("caller", operation.caller.as_deref().map(text));
    add("callee", operation.callee.as_deref().map(text));
    add("client", stored.client.as_deref().map(text));
    add("error.type", operation.error_type.as_deref().map(text));
    attributes.extend(stored.attributes);
    attributes
}

pub(super) fn stored_in(document: &TantivyDocument) -> Option<Stored> {
    decode(document.get_first(schema::STORED)?.as_bytes()?)
}

fn column(segment: &SegmentReader, name: &str, doc: u32) -> Result<u64, SearchError> {
    let values: std::sync::Arc<dyn ColumnValues<u64>> = segment
        .fast_fields()
        .column_first_or_default(name)
        .map_err(index_error)?;
    Ok(values.get_val(doc))
}

fn damaged() -> SearchError {
    SearchError::Index("a stored record is damaged".into())
}
