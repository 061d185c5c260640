//! Where did a fault begin: which service, of all that behave differently now.
//!
//! Two stretches of time are compared, one that was well (the reference) and one that is in doubt
//! (the window), each as a [`Scene`]: the requests that each service served, what it did and said
//! during each of them, how long that took it, and who had asked. [`locate`] returns the services
//! by the evidence that the fault is theirs, with the reasons in words. Pure; who calls it brings
//! spans, log lines and, where there are any, measurements of resources.
//!
//! All evidence has one unit, so that it can be added: how much more probable what was seen is if
//! the service is at fault than if it is well, as a natural logarithm (a "nat"; 3 is twenty to one).
//! Being well does not mean being the same: which requests come, and how fast a quiet machine
//! answers, drifts between any two minutes. Each kind of evidence has its own drift, and what drift
//! explains counts for little however many requests show it.
//!
//! - `paths`: requests that went a way on which no request of the reference went: a step left out,
//!   an error said. A caller's detour is explained by one in what it called, so the deepest counts.
//!   The comparison of event patterns within traces is that of Yu et al., "Nezha: interpretable
//!   fine-grained root causes analysis for microservices on multi-modal observability data", FSE
//!   2023; they count pairs of events in order, here whole sets of steps are compared, because
//!   clocks and threads reorder neighbours.
//! - `modes`: a usual way that nothing takes any more, though the service is called as before.
//! - `times`: its own time for an operation, and the time that calls to it spend on the way.
//! - `usage`: its processors and memory.
//!
//! [`locate`] then adds up: what requests feel, and of a resource only as much as somebody feels.

mod modes;
mod odds;
mod paths;
mod rank;
mod scene;
mod times;
mod usage;

pub use rank::{Basis, Reason, Suspicion, locate};
pub use scene::{Execution, LineSeen, Scene, SceneBuilder, SpanSeen, Step};
pub use usage::Usage;
