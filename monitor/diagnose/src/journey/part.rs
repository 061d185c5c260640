//! A hop in numbers: what the tables of journeys in flight are made of.

use monitor_core::{CallSource, Hop, Outcome, SpanKind};
use serde::{Deserialize, Serialize};

use super::names::Names;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Which hop it was, counted from the first.
    pub(super) number: u64,
    /// Zero when unknown.
    pub(super) id: u64,
    pub(super) parent: u64,
    /// Nanoseconds.
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) op: u32,
    /// The workload that tells.
    pub(super) node: u32,
    /// Whom it asked.
    pub(super) peer: u32,
    pub(super) instance: u32,
    /// Microseconds.
    pub(super) precision: u32,
    pub(super) role: SpanKind,
    pub(super) source: CallSource,
    pub(super) outcome: Outcome,
    pub(super) resent: bool,
    /// How sure it is that it belongs to its parent; 1 where ids say so.
    pub(super) confidence: f32,
}

impl Part {
    pub(super) fn of(hop: &Hop, number: u64, names: &mut Names) -> Part {
        let node = names.workload(&hop.workload);
        let id = |id: Option<monitor_core::SpanId>| {
            id.map_or(0, |id| u64::from_be_bytes(*id.as_bytes()))
        };
        let start = hop.start.as_nanos();
        Part {
            number,
            id: id(hop.span),
            parent: id(hop.parent),
            start,
            end: hop.end().as_nanos(),
            op: names.op(node, &hop.operation, hop.api.as_ref()),
            node,
            peer: (hop.peer.as_ref()).map_or(super::names::NONE, |peer| names.peer(peer)),
            instance: small(&hop.instance),
            precision: u32::try_from(hop.precision.as_micros()).unwrap_or(u32::MAX),
            role: hop.role,
            source: hop.source,
            outcome: hop.outcome,
            resent: hop.resent,
            confidence: 1.0,
        }
    }

    pub(super) fn length(&self) -> i64 {
        self.end - self.start
    }

    /// Somebody was served, rather than asked.
    pub(super) fn serves(&self) -> bool {
        matches!(self.role, SpanKind::Server | SpanKind::Consumer)
    }

    pub(super) fn asks(&self) -> bool {
        matches!(self.role, SpanKind::Client | SpanKind::Producer)
    }

    /// Ids and nothing else.
    pub(super) fn is_mention(&self) -> bool {
        self.role == SpanKind::Internal && self.source == CallSource::Log
    }

    pub(super) fn failed(&self) -> bool {
        self.outcome == Outcome::ServerError
    }

    /// Nanoseconds within which its clock reading may be off.
    pub(super) fn blur(&self) -> i64 {
        i64::from(self.precision) * 1_000
    }
}

/// FNV-1a of a text, 32 bits: only ever compared.
pub(super) fn small(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// FNV-1a, 128 bits: two different ids that meet are not to be expected.
pub(super) fn large(text: &str) -> u128 {
    text.bytes().fold(
        0x6c62_272e_07bb_0142_62b8_2175_6295_c58d,
        |hash: u128, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        },
    )
}
