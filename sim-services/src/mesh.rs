//! The running platform: every service's replicas, their lives, and what happens to them.

mod fanout;
mod naming;
mod orders;
mod scaling;
pub mod virtual_time;
mod windows;
