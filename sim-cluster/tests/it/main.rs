//! Tests through the public interface.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests; a panic is a failed test"
)]

mod apply;
mod client;
mod controllers;
mod hollow;
mod http;
mod kubectl;
mod kubelet;
mod laws;
mod openapi;
mod structural;
mod whole;
