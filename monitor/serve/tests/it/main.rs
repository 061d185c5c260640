//! One binary for all integration tests of this crate.

mod query;
mod receive;
