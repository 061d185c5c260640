//! The binary as its user meets it.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a panic is a failed test"
)]

mod chaos;
mod crash;
mod demo;
mod evals;
mod help;
mod kubectl;
mod own_traces;
mod pods;
mod process;
mod replay;
