//! Spans by OpenTelemetry's semantic conventions (HTTP, RPC, database, messaging).

use super::errand::{Errand, Trace};
use super::plan::{CallPlan, Rpc};
use crate::clock::Moment;
use crate::telemetry::{Attribute, Span, SpanKind};

type Attributes = Vec<(&'static str, Attribute)>;

/// Some part of a request, begun and not yet put into words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub(super) trace: Trace,
    pub(super) id: [u8; 8],
    pub(super) start: Moment,
}

impl Begun {
    /// A child of what the errand's service does.
    pub(super) fn end(
        &self,
        end: Moment,
        kind: SpanKind,
        name: String,
        attributes: Attributes,
        error: Option<String>,
    ) -> Span {
        Span {
            trace: self.trace.id,
            id: self.id,
            parent: self.trace.span,
            name,
            kind,
            start: self.start,
            end,
            attributes,
            error,
        }
    }
}

pub(super) fn text(value: impl Into<String>) -> Attribute {
    Attribute::Text(value.into())
}

pub(super) fn rpc_attributes(attributes: &mut Attributes, rpc: &Rpc, code: Option<u8>) {
    attributes.push(("rpc.system", text("grpc")));
    attributes.push(("rpc.service", text(&*rpc.service)));
    attributes.push(("rpc.method", text(&*rpc.method)));
    if let Some(code) = code {
        attributes.push(("rpc.grpc.status_code", Attribute::Int(code.into())));
    }
}

/// Who asked, as the application knows them.
pub(super) fn who(attributes: &mut Attributes, errand: &Errand<'_>) {
    if let Some(client) = errand.client() {
        attributes.push(("app.client.id", text(client)));
    }
    if let Some(tenant) = errand.tenant() {
        attributes.push(("app.tenant", text(tenant)));
    }
}

/// Of one attempt of a call.
pub(super) fn call_attributes(
    call: &CallPlan,
    callee: &str,
    path: &str,
    status: Option<(u16, Option<u8>)>,
    resend: u32,
) -> Attributes {
    let mut attributes = Vec::with_capacity(8);
    attributes.push(("server.address", text(callee)));
    match &call.rpc {
        Some(rpc) => {
            let code = status.and_then(|(_, code)| code);
            rpc_attributes(&mut attributes, rpc, code);
        }
        None => {
            attributes.push(("http.request.method", text(call.method.as_str())));
            let url = format!("{}://{callee}{path}", call.scheme);
            attributes.push(("url.full", text(url)));
            if let Some((status, _)) = status {
                attributes.push(("http.response.status_code", Attribute::Int(status.into())));
            }
        }
    }
    if resend > 0 {
        attributes.push(("http.request.resend_count", Attribute::Int(resend.into())));
    }
    attributes
}

pub(super) fn messaging(queue: &str, operation: &'static str) -> Attributes {
    vec![
        ("messaging.system", text("rabbitmq")),
        ("messaging.destination.name", text(queue)),
        ("messaging.operation.type", text(operation)),
    ]
}
