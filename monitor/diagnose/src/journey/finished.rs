//! A journey that is over, in names.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    ApiKey, CallSource, JourneyTypeId, Name, Node, SpanId, SpanKind, Time, TraceId,
};

use super::names::Names;
use super::tree::Tree;

/// One step of a journey.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// Which of all hops that were seen it was, from 1.
    pub hop: u64,
    /// Into [`Journey::stops`].
    pub parent: Option<usize>,
    pub role: SpanKind,
    pub source: CallSource,
    pub node: Option<Node>,
    /// Of what was served.
    pub api: Option<Arc<ApiKey>>,
    pub operation: Name,
    pub span: Option<SpanId>,
    /// By the reference's clock.
    pub start: Time,
    pub duration: Duration,
    pub failed: bool,
    /// That it belongs to its parent; 1 where ids say so.
    pub confidence: f32,
}

/// Its steps, parents before their children.
#[derive(Clone, Debug, PartialEq)]
pub struct Journey {
    pub trace: Option<TraceId>,
    pub kind: Option<JourneyTypeId>,
    /// That all of it is right.
    pub confidence: f32,
    pub stops: Vec<Stop>,
    /// Hops whose parent is not known.
    pub strays: u32,
}

pub(super) fn journey(
    tree: &Tree,
    names: &Names,
    trace: Option<TraceId>,
    kind: Option<JourneyTypeId>,
    confidence: f32,
) -> Journey {
    let stops = tree.steps.iter().map(|step| {
        let part = &step.part;
        let op = names.find(part.op);
        Stop {
            hop: part.number,
            parent: step.parent,
            role: part.role,
            source: part.source,
            node: names.node(part.node).cloned(),
            api: op.and_then(|op| op.api.clone()),
            operation: op.map_or_else(|| Name::from(""), |op| op.name.clone()),
            span: SpanId::new(part.id.to_be_bytes()),
            start: Time::from_nanos(part.start),
            duration: Duration::from_nanos(u64::try_from(part.length()).unwrap_or(0)),
            failed: part.failed(),
            confidence: part.confidence,
        }
    });
    Journey {
        trace,
        kind,
        confidence,
        stops: stops.collect(),
        strays: tree.strays,
    }
}
