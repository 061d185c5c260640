//! The running platform: every service's replicas, their lives, and what happens to them.

mod autoscaler;
mod fanout;
mod naming;
mod orders;
mod state;
mod scaling;
pub mod virtual_time;
mod windows;
