//! Tests through the public interface.

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
