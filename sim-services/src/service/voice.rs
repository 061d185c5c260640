//! What a replica says, as it wants to be heard; telemetry makes lines and exports of it.

use std::sync::Arc;

use crate::telemetry::{Gauge, LogEvent, Span};
use crate::topology::Level;
use crate::truth::Passages;

pub trait Voice: Send + Sync + 'static {
    fn log(&self, event: LogEvent);
    fn span(&self, span: Span);
    fn gauge(&self, gauge: Gauge);
    /// Whether a message of this level would come out; asked before one is put into words.
    fn wants(&self, level: Level) -> bool;
    /// Where it is written down what each request really passed, if anyone wants to know.
    fn passages(&self) -> Option<&Arc<Passages>> {
        None
    }
}
