//! OTLP requests to batches.
//!
//! Called by the gRPC and HTTP receivers. Knows the wire types and the specification's rules;
//! leaves the meaning of attributes (deprecated aliases included) to `formats`, and what to answer
//! to the receivers. A record that is wrong costs that record; only bytes that are no request at
//! all are an error.
//!
//! <https://opentelemetry.io/docs/specs/otlp/>

mod buckets;
mod cumulative;
mod items;
mod json;
mod levels;
mod metrics;
mod value;

use std::sync::Arc;

use monitor_core::{Batch, Item, Name, Origin, Payload, Source, Time};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;

pub use cumulative::{Advance, CumulativeState};

use crate::decoded::{Decoded, RejectReason, Rejection, Rejections, Repairs};
use crate::resource;
use value::Attributes;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Protobuf,
    Json,
}

/// A body that is no request.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("the body is not a protobuf {message}")]
    Protobuf {
        message: &'static str,
        #[source]
        source: prost::DecodeError,
    },
    #[error("the body is not the JSON form of {message}")]
    Json {
        message: &'static str,
        #[source]
        source: serde_json::Error,
    },
}

/// Log records. `received` is the time we took them.
pub fn decode_logs(request: ExportLogsServiceRequest, origin: Origin, received: Time) -> Decoded {
    let groups = request.resource_logs.into_iter().map(|resource| Group {
        resource: resource.resource.unwrap_or_default().attributes,
        scopes: resource
            .scope_logs
            .into_iter()
            .map(|scope| Scope {
                name: scope.scope.unwrap_or_default().name,
                items: scope.log_records.into_iter().map(Ok),
            })
            .collect(),
    });
    Assembly::new(origin, received).take_all(groups, items::log)
}

/// [`decode_logs`] of bytes.
pub fn decode_logs_bytes(
    body: &[u8],
    encoding: Encoding,
    origin: Origin,
    received: Time,
) -> Result<Decoded, DecodeError> {
    match encoding {
        Encoding::Protobuf => protobuf("ExportLogsServiceRequest", body)
            .map(|request| decode_logs(request, origin, received)),
        Encoding::Json => {
            let groups = json::logs(body)?;
            Ok(Assembly::new(origin, received).take_all(groups, items::log))
        }
    }
}

/// Spans.
pub fn decode_traces(
    request: ExportTraceServiceRequest,
    origin: Origin,
    received: Time,
) -> Decoded {
    let groups = request.resource_spans.into_iter().map(|resource| Group {
        resource: resource.resource.unwrap_or_default().attributes,
        scopes: resource
            .scope_spans
            .into_iter()
            .map(|scope| Scope {
                name: scope.scope.unwrap_or_default().name,
                items: scope.spans.into_iter().map(Ok),
            })
            .collect(),
    });
    Assembly::new(origin, received).take_all(groups, items::span)
}

/// [`decode_traces`] of bytes.
pub fn decode_traces_bytes(
    body: &[u8],
    encoding: Encoding,
    origin: Origin,
    received: Time,
) -> Result<Decoded, DecodeError> {
    match encoding {
        Encoding::Protobuf => protobuf("ExportTraceServiceRequest", body)
            .map(|request| decode_traces(request, origin, received)),
        Encoding::Json => {
            let groups = json::traces(body)?;
            Ok(Assembly::new(origin, received).take_all(groups, items::span))
        }
    }
}

/// Server duration histograms, and how full things are; every other metric is ignored and counted.
///
/// Cumulative points become deltas against `state`. When the batch is not taken after all, give
/// the returned [`Advance`] back to [`CumulativeState::undo`], or the sender's retry would be
/// mistaken for a repetition.
pub fn decode_metrics(
    request: ExportMetricsServiceRequest,
    origin: Origin,
    received: Time,
    state: &mut CumulativeState,
) -> (Decoded, Advance) {
    let groups = request.resource_metrics.into_iter().map(|resource| Group {
        resource: resource.resource.unwrap_or_default().attributes,
        scopes: resource
            .scope_metrics
            .into_iter()
            .map(|scope| Scope {
                name: scope.scope.unwrap_or_default().name,
                items: metrics::points(scope.metrics),
            })
            .collect(),
    });
    metrics::decode(groups, Assembly::new(origin, received), state)
}

/// [`decode_metrics`] of bytes.
pub fn decode_metrics_bytes(
    body: &[u8],
    encoding: Encoding,
    origin: Origin,
    received: Time,
    state: &mut CumulativeState,
) -> Result<(Decoded, Advance), DecodeError> {
    match encoding {
        Encoding::Protobuf => protobuf("ExportMetricsServiceRequest", body)
            .map(|request| decode_metrics(request, origin, received, state)),
        Encoding::Json => {
            let groups = json::metrics(body)?;
            let assembly = Assembly::new(origin, received);
            Ok(metrics::decode(groups, assembly, state))
        }
    }
}

fn protobuf<M: prost::Message + Default>(
    message: &'static str,
    body: &[u8],
) -> Result<M, DecodeError> {
    M::decode(body).map_err(|source| DecodeError::Protobuf { message, source })
}

/// The items of one resource. An item may already be known to be malformed: the text says how.
struct Group<I> {
    resource: Vec<KeyValue>,
    scopes: Vec<Scope<I>>,
}

struct Scope<I> {
    name: String,
    items: I,
}

/// What becomes of one item.
enum Verdict {
    Take {
        payload: Payload,
        /// Names the output more exactly than the scope does.
        stream: Option<Name>,
    },
    Ignore,
    Refuse(RejectReason, String),
}

/// What converting an item may use and note.
struct Context {
    attributes: Attributes,
    repairs: Repairs,
    ignored: u64,
}

/// A batch in the making.
struct Assembly {
    batch: Batch,
    rejected: Rejections,
    context: Context,
    position: usize,
}

impl Assembly {
    fn new(origin: Origin, received: Time) -> Assembly {
        Assembly {
            batch: Batch {
                origin,
                received,
                sources: Vec::new(),
                items: Vec::new(),
            },
            rejected: Rejections::default(),
            context: Context {
                attributes: Attributes::default(),
                repairs: Repairs::default(),
                ignored: 0,
            },
            position: 0,
        }
    }

    fn take_all<T, I>(
        mut self,
        groups: impl IntoIterator<Item = Group<I>>,
        mut convert: impl FnMut(T, &mut Context) -> Verdict,
    ) -> Decoded
    where
        I: IntoIterator<Item = Result<T, String>>,
    {
        for group in groups {
            self.take_group(group, |item, _, context| convert(item, context));
        }
        self.finish()
    }

    fn take_group<T, I>(
        &mut self,
        group: Group<I>,
        mut convert: impl FnMut(T, &monitor_core::Resource, &mut Context) -> Verdict,
    ) where
        I: IntoIterator<Item = Result<T, String>>,
    {
        let repairs = &mut self.context.repairs;
        let attributes = self.context.attributes.convert(group.resource, repairs);
        let resource = Arc::new(resource::from_attributes(attributes));
        // Few: scopes, or the files and standard streams of one resource.
        let mut streams: Vec<(Name, u32)> = Vec::new();
        for scope in group.scopes {
            let scope_name = Name::from(scope.name);
            for item in scope.items {
                let position = self.position;
                self.position += 1;
                let verdict = match item {
                    Ok(item) => convert(item, &resource, &mut self.context),
                    Err(detail) => Verdict::Refuse(RejectReason::Malformed, detail),
                };
                match verdict {
                    Verdict::Take { payload, stream } => {
                        let stream = stream.unwrap_or_else(|| scope_name.clone());
                        let source = self.source(&resource, stream, &mut streams);
                        self.batch.items.push(Item { source, payload });
                    }
                    Verdict::Ignore => {}
                    Verdict::Refuse(reason, detail) => {
                        self.rejected.push(Rejection::new(position, reason, detail));
                    }
                }
            }
        }
    }

    fn source(
        &mut self,
        resource: &Arc<monitor_core::Resource>,
        stream: Name,
        streams: &mut Vec<(Name, u32)>,
    ) -> u32 {
        if let Some((_, source)) = streams.iter().rfind(|(name, _)| *name == stream) {
            return *source;
        }
        // A request is bounded far below 2^32 items, hence sources.
        let source = u32::try_from(self.batch.sources.len()).unwrap_or(u32::MAX);
        self.batch.sources.push(Source {
            resource: Arc::clone(resource),
            stream: stream.clone(),
        });
        streams.push((stream, source));
        source
    }

    fn finish(self) -> Decoded {
        Decoded {
            batch: self.batch,
            rejected: self.rejected,
            repairs: self.context.repairs,
            ignored: self.context.ignored,
        }
    }
}
