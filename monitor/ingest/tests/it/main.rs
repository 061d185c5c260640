//! One binary for all integration tests of this crate.

mod edges;
mod formats;
mod redact;
mod routes;
mod templates;
mod wanted;
mod wire;
