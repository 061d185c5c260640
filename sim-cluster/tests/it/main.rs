//! Tests through the public interface.

mod apply;
mod structural;
