//! A simulated platform: services in several environments that really call each other, load that
//! does not wait for them, faults whose truth is known, and the score of whoever watched.
//!
//! Shares no code with what it tests: its logs and spans are those of an independent producer.
//! Everything runs on tokio's time, so the same mesh runs against the wall clock over TCP
//! ([`net::Wire::Tcp`]) or fast-forwarded over memory ([`net::Wire::Memory`]).

pub mod admin;
pub mod broker;
pub mod change;
pub mod chaos;
pub mod clock;
pub mod load;
pub mod mesh;
pub mod meter;
pub mod net;
pub mod random;
pub mod score;
pub mod service;
pub mod telemetry;
pub mod topology;
pub mod truth;
