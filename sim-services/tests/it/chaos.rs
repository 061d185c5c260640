//! Experiments as files, campaigns as plans, and what a runner does with them.

mod acts;
mod campaign;
mod changes;
mod errors;
mod measure;
mod platform;
mod runner;
mod shipped;
