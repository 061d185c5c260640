//! Where the simulated platform and the monitor meet: for `demo`, `sim` and `chaos`.
//!
//! The platform knows no monitor and the monitor no platform; what one exports the other receives
//! over OTLP, and what the monitor says is translated into the words of the scorecard here.

pub(crate) mod fast;
pub(crate) mod feed;
pub(crate) mod history;
pub(crate) mod journeys;
pub(crate) mod kubernetes;
pub(crate) mod live;
pub(crate) mod platform;
pub(crate) mod programme;
pub(crate) mod progress;
pub(crate) mod said;
pub(crate) mod tape;
pub(crate) mod warp;
