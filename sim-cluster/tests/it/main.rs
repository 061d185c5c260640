//! Tests through the public interface.

mod apply;
mod openapi;
mod client;
mod http;
mod laws;
mod structural;
