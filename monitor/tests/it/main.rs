//! The monitor as a whole, in this process, with a clock of the test's own.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a panic is a failed test"
)]

mod alerting;
mod follow;
mod hostile;
mod intake;
mod models;
mod numbers;
mod otlp_replay;
mod peers;
mod sdk;
mod support;
mod wanted;
