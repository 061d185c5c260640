//! Replicas under load, faults and time, against what theory says of them. All in paused time.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a panic is a failed test"
)]

mod answers;
mod calls;
mod faults;
mod laws;
mod queueing;
mod stores;
mod telling;
mod world;
