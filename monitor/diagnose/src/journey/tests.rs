//! What the parts of this module need for their tests.

use monitor_core::{CallSource, Outcome, SpanKind};

use super::names::NONE;
use super::part::Part;

pub(super) fn part(role: SpanKind, start: i64, end: i64) -> Part {
    Part {
        number: 0,
        id: 0,
        parent: 0,
        start,
        end,
        op: 0,
        node: 0,
        peer: NONE,
        instance: 0,
        precision: 0,
        role,
        source: CallSource::Span,
        outcome: Outcome::Ok,
        resent: false,
        confidence: 1.0,
    }
}
