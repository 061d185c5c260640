//! The names of fields in queries, and where each is kept.

use monitor_core::{CallStatus, Kind};
use tantivy::schema::Field;

use crate::dictionary::{Context, Dictionary, Operation};
use crate::intern::present;
use crate::schema;
use crate::stored::Stored;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum FieldName {
    Text,
    Time,
    Duration,
    Template,
    Severity,
    Status,
    Context(ContextField),
    Operation(OperationField),
    Whole(WholeField),
    /// A structured field of the record, by its key.
    Attribute(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ContextField {
    Service,
    Namespace,
    Environment,
    Instance,
    Version,
    Format,
    Stream,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum OperationField {
    Kind,
    Method,
    Route,
    Caller,
    Callee,
    ErrorType,
}

/// Indexed by the whole value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum WholeField {
    Trace,
    Span,
    Parent,
    Request,
    Correlation,
    Path,
    Client,
}

/// Our names first, then OpenTelemetry's and other usual ones for the same.
const NAMES: &[(&str, FieldName)] = &[
    ("text", FieldName::Text),
    ("message", FieldName::Text),
    ("msg", FieldName::Text),
    ("time", FieldName::Time),
    ("timestamp", FieldName::Time),
    ("@timestamp", FieldName::Time),
    ("kind", FieldName::Operation(OperationField::Kind)),
    ("service", FieldName::Context(ContextField::Service)),
    ("service.name", FieldName::Context(ContextField::Service)),
    ("namespace", FieldName::Context(ContextField::Namespace)),
    (
        "service.namespace",
        FieldName::Context(ContextField::Namespace),
    ),
    ("environment", FieldName::Context(ContextField::Environment)),
    ("env", FieldName::Context(ContextField::Environment)),
    ("instance", FieldName::Context(ContextField::Instance)),
    (
        "service.instance.id",
        FieldName::Context(ContextField::Instance),
    ),
    ("version", FieldName::Context(ContextField::Version)),
    ("service.version", FieldName::Context(ContextField::Version)),
    ("format", FieldName::Context(ContextField::Format)),
    ("stream", FieldName::Context(ContextField::Stream)),
    ("severity", FieldName::Severity),
    ("level", FieldName::Severity),
    ("trace_id", FieldName::Whole(WholeField::Trace)),
    ("trace.id", FieldName::Whole(WholeField::Trace)),
    ("traceid", FieldName::Whole(WholeField::Trace)),
    ("span_id", FieldName::Whole(WholeField::Span)),
    ("span.id", FieldName::Whole(WholeField::Span)),
    ("spanid", FieldName::Whole(WholeField::Span)),
    ("parent_span_id", FieldName::Whole(WholeField::Parent)),
    ("request_id", FieldName::Whole(WholeField::Request)),
    ("correlation_id", FieldName::Whole(WholeField::Correlation)),
    ("method", FieldName::Operation(OperationField::Method)),
    (
        "http.request.method",
        FieldName::Operation(OperationField::Method),
    ),
    ("route", FieldName::Operation(OperationField::Route)),
    ("http.route", FieldName::Operation(OperationField::Route)),
    ("path", FieldName::Whole(WholeField::Path)),
    ("url.path", FieldName::Whole(WholeField::Path)),
    ("status", FieldName::Status),
    ("http.response.status_code", FieldName::Status),
    ("duration", FieldName::Duration),
    ("template", FieldName::Template),
    ("caller", FieldName::Operation(OperationField::Caller)),
    ("callee", FieldName::Operation(OperationField::Callee)),
    ("client", FieldName::Whole(WholeField::Client)),
    ("client.address", FieldName::Whole(WholeField::Client)),
    (
        "error.type",
        FieldName::Operation(OperationField::ErrorType),
    ),
];

/// The fields, for messages.
pub(super) fn known() -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut fields: Vec<&FieldName> = Vec::new();
    for (name, field) in NAMES {
        if !fields.contains(&field) {
            fields.push(field);
            names.push(name);
        }
    }
    format!("{}, and any attribute by its key", names.join(", "))
}

impl FieldName {
    /// What is none of ours is an attribute.
    pub(super) fn of(name: &str) -> FieldName {
        let lower = name.to_ascii_lowercase();
        match NAMES.iter().find(|(known, _)| *known == lower) {
            Some((_, field)) => field.clone(),
            None => FieldName::Attribute(
                name.strip_prefix("attributes.")
                    .unwrap_or(name)
                    .to_lowercase(),
            ),
        }
    }

    /// How its values are counted; `None` for what is text or a quantity.
    pub(super) fn facet(self) -> Option<Facet> {
        let layout = |value: fn(&Dictionary, usize) -> Option<String>| Facet::Column {
            name: schema::LAYOUT_NAME,
            value: Box::new(move |dictionary, number| value(dictionary, number as usize)),
        };
        let operation = |value: OfOperation| Facet::Column {
            name: schema::OPERATION_NAME,
            value: Box::new(move |dictionary, number| {
                value(dictionary.operations.get(number as usize)?)
            }),
        };
        Some(match self {
            FieldName::Text | FieldName::Time | FieldName::Duration => return None,
            FieldName::Template => layout(|dictionary, number| {
                let (id, _) = dictionary.layouts.get(number)?.template.as_ref()?;
                Some(id.to_string())
            }),
            FieldName::Severity => operation(Box::new(|operation| {
                Some(operation.severity?.as_str().to_owned())
            })),
            FieldName::Status => operation(Box::new(|operation| {
                Some(status_code(operation)?.to_string())
            })),
            FieldName::Operation(field) => operation(Box::new(move |operation| {
                field.value(operation).map(str::to_owned)
            })),
            FieldName::Context(field) => Facet::Column {
                name: schema::CONTEXT_NAME,
                value: Box::new(move |dictionary, number| {
                    let context = dictionary.contexts.get(number as usize)?;
                    field
                        .value(context)
                        .filter(|value| !value.is_empty())
                        .map(str::to_owned)
                }),
            },
            FieldName::Whole(field) => Facet::Stored(Box::new(move |stored| {
                field.stored(stored).into_iter().collect()
            })),
            FieldName::Attribute(key) => Facet::Stored(Box::new(move |stored| {
                let mut values: Vec<String> = stored
                    .attributes
                    .iter()
                    .filter(|(name, _)| name.to_lowercase() == key)
                    .map(|(_, value)| value.to_string())
                    .collect();
                values.dedup();
                values
            })),
        })
    }
}

type OfOperation = Box<dyn Fn(&Operation) -> Option<String>>;
type OfEntry = Box<dyn Fn(&Dictionary, u64) -> Option<String>>;
type OfStored = Box<dyn Fn(&Stored) -> Vec<String>>;

/// Where the values of a field are counted.
pub(super) enum Facet {
    /// By numbers of dictionary entries, which are then looked up.
    Column { name: &'static str, value: OfEntry },
    /// By reading every matching record: exact, and slow for very many.
    Stored(OfStored),
}

pub(super) fn status_code(operation: &Operation) -> Option<u16> {
    match operation.status? {
        CallStatus::Http(code) => Some(code),
        CallStatus::Grpc(code) => Some(code.into()),
        CallStatus::Failed(_) | CallStatus::Unknown => None,
    }
}

impl ContextField {
    pub(super) fn value(self, context: &Context) -> Option<&str> {
        match self {
            ContextField::Service => Some(&context.service),
            ContextField::Namespace => Some(&context.namespace),
            ContextField::Environment => Some(&context.environment),
            ContextField::Instance => Some(&context.instance),
            ContextField::Version => context.version.as_deref(),
            ContextField::Format => context.format.as_deref(),
            ContextField::Stream => Some(&context.stream),
        }
    }
}

impl OperationField {
    pub(super) fn value(self, operation: &Operation) -> Option<&str> {
        match self {
            OperationField::Kind => Some(match operation.kind {
                Kind::Log => "log",
                Kind::Span => "span",
            }),
            OperationField::Method => operation.method.as_deref(),
            OperationField::Route => operation.route.as_deref(),
            OperationField::Caller => operation.caller.as_deref(),
            OperationField::Callee => operation.callee.as_deref(),
            OperationField::ErrorType => operation.error_type.as_deref(),
        }
    }
}

impl WholeField {
    pub(super) fn field(self) -> Field {
        match self {
            WholeField::Trace => schema::TRACE,
            WholeField::Span => schema::SPAN,
            WholeField::Parent => schema::PARENT,
            WholeField::Request => schema::REQUEST,
            WholeField::Correlation => schema::CORRELATION,
            WholeField::Path => schema::PATH,
            WholeField::Client => schema::CLIENT,
        }
    }

    /// Its bit in [`Operation::present`].
    pub(super) fn present(self) -> u16 {
        match self {
            WholeField::Trace => present::TRACE,
            WholeField::Span => present::SPAN,
            WholeField::Parent => present::PARENT,
            WholeField::Request => present::REQUEST,
            WholeField::Correlation => present::CORRELATION,
            WholeField::Path => present::PATH,
            WholeField::Client => present::CLIENT,
        }
    }

    pub(super) fn stored(self, stored: &Stored) -> Option<String> {
        match self {
            WholeField::Trace => stored.trace_id.map(|id| id.to_string()),
            WholeField::Span => stored.span_id.map(|id| id.to_string()),
            WholeField::Parent => stored.parent_span_id.map(|id| id.to_string()),
            WholeField::Request => stored.request_id.as_deref().map(str::to_owned),
            WholeField::Correlation => stored.correlation_id.as_deref().map(str::to_owned),
            WholeField::Path => stored.path.clone(),
            WholeField::Client => stored.client.as_deref().map(str::to_owned),
        }
    }
}
