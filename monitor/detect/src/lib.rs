//! Is this normal?
//!
//! Detectors are pure: readings of one signal in event time go in, verdicts come out. They keep
//! bounded state, which is their model, and know nothing of the wall clock, of what a service's
//! name means, or of who is told. The engine feeds them and turns their verdicts into anomalies.

mod block;
mod detector;
mod discovery;
mod drift;
mod error_drift;
mod errors;
mod evidence;
mod experience;
pub mod forecast;
mod isolation;
mod kinship;
mod latency;
mod learning;
mod level;
mod options;
mod peers;
mod per_call;
mod seasonal;
mod sensitivity;
mod stragglers;
mod stream;
mod tail;
mod tails;
mod traffic;

pub use detector::{Detector, Phase, Reading, Sample, Verdict};
pub use discovery::Discoveries;
pub use drift::DriftDetector;
pub use error_drift::ErrorDriftDetector;
pub use errors::{RatioDetector, RatioKind};
pub use experience::Experience;
pub use isolation::{Attitude, Isolated, IsolationForest, Minute, MinuteHabit, Quantity};
pub use kinship::Kinship;
pub use latency::LatencyDetector;
pub use learning::{LearningRule, Progress};
pub use options::{DetectionDirection, Options};
pub use peers::{Contrast, Joining, PeerCalls, PeerDetector, PeerVerdict, contrast};
pub use per_call::PerCallDetector;
pub use sensitivity::Sensitivity;
pub use stream::{Opinion, Side, StreamDetector, StreamModel};
pub use traffic::TrafficDetector;
