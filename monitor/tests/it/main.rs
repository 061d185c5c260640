//! The monitor as a whole, in this process, with a clock of the test's own.

mod alerting;
mod intake;
mod peers;
mod support;
