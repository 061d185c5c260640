//! Tests through the public interface.

mod apply;
mod client;
mod http;
mod laws;
mod openapi;
mod structural;
