//! The Kubernetes side: every workload whose logs flow becomes a `MonitoredApi`, and stays current.
//!
//! One task owns what is known and decides ([`keeper`]); around it are watches, writes, the link to
//! the monitor, and the lease that says which of several operators acts. What decides does no IO and
//! is given the time.

pub mod access;
pub mod args;
mod changes;
mod conditions;
mod difference;
pub mod effect;
mod gather;
pub mod keeper;
pub mod key;
mod lease;
mod link;
mod maintenance;
mod metrics;
pub mod monitor;
pub mod notice;
mod numbers;
pub mod onboard;
mod pace;
mod perform;
pub mod policy;
mod publish;
mod queue;
mod reach;
pub mod record;
pub mod run;
mod schedule;
mod serve;
mod status;
pub mod table;
mod watch;
mod wish;
pub mod world;
