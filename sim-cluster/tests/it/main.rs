//! Tests through the public interface.

mod apply;
mod openapi;
mod structural;
