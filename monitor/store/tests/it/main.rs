//! The store from the outside: what is acknowledged is kept, what is kept is found.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail as tests do, and clippy allows it in test functions only"
)]

mod crash;
mod disk_full;
mod index;
mod model;
mod records;
mod search;
mod wal;
