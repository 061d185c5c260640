//! Streams logs through the Kubernetes API, for nodes whose files cannot be read.
//!
//! Only of the pods on one node, and within a budget of bytes a second that all streams share: the
//! API server relays every byte, and collectors that forget this are known to have brought some
//! down. Standard output and error arrive as one.

pub mod budget;
pub mod cursor;
mod streams;

pub use streams::{Streaming, run};
