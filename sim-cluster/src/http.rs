//! The API over HTTP: TLS, who asks, what they may, and the forms that clients want answers in.
//!
//! Everything that changes something is the verbs'; this part reads requests and writes answers.

mod authority;
mod body;
mod discovery;
mod evict;
mod handle;
mod logs;
mod openapi;
mod path;
mod query;
mod read;
mod review;
mod server;
mod table;
mod view;
mod watch;
mod write;

pub use authority::Authority;
pub use logs::{LogOptions, LogStream, Logs};
pub use server::{ApiServer, HttpConfig};
