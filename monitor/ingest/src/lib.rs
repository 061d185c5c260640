//! Bytes to records to calls.
//!
//! Reading order: a receiver's bytes become a [`monitor_core::Batch`] (`otlp`, `jsonlines`, `lines`,
//! `container`, `multiline`), secrets are removed (`redact`), and after the batch is safe in the
//! write-ahead log a [`pipeline`] worker understands each item: its format (`formats`), its
//! template (`templates`), its route (`routes`), and the Call it speaks of (`calls`).
//!
//! Everything here is pure: bytes and state in, values out. No sockets, no files, no clock.

mod calls;
pub mod container;
pub mod decoded;
mod dependencies;
mod edges;
mod fill;
pub mod formats;
mod gauges;
mod hops;
pub mod jsonlines;
pub mod lines;
pub mod multiline;
pub mod otlp;
pub mod pipeline;
mod presence;
pub mod recall;
pub mod redact;
pub mod resource;
pub mod routes;
pub mod templates;
mod wanted;
