//! Tests through the public interface.

mod apply;
mod client;
mod controllers;
mod expectations;
mod hollow;
mod kubectl;
mod kubelet;
mod whole;
mod http;
mod laws;
mod openapi;
mod structural;
mod typed;
