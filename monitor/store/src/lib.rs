//! Keeps what was acknowledged, and makes it searchable.
//!
//! [`Wal`] holds batches until [`Index`] has their records; [`Index::search`] answers the port
//! `monitor_core::LogSearch`. The crate reads no clock, knows no network and looks for no
//! anomalies. The monitor's store thread owns both; see the module texts for the order of calls.

mod dictionary;
mod document;
mod files;
mod index;
mod intern;
mod layout;
mod partition;
mod query;
mod record;
mod schema;
mod search;
mod stored;
mod wal;
mod words;

pub use index::{Added, Index, IndexConfig, IndexError, IndexRecovery, Maintained};
pub use wal::{Seq, Wal, WalConfig, WalError, WalReader, WalRecovery};
