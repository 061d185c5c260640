//! Faults: what they are, how they come and go, what they really did.
//!
//! An [`Experiment`] is a file that says what shall be different, how strongly and for how long.
//! A [`Plan`] says which of them happen when: it comes from a [`Schedule`], or from the
//! [`campaign`] of a seed. The [`runner`] (or [`Manual`], for an admin API) turns the changes on
//! and off through its [`Levers`], measures whether they acted and writes the ground truth.
//! What a change does to a request, a wire or an arrival is the matter of those that it touches.

pub mod campaign;
mod estimate;
mod expect;
pub mod experiment;
mod fit;
mod graph;
mod happening;
pub mod kind;
pub mod load;
pub mod manual;
pub mod measure;
pub mod plan;
mod problem;
mod quiet;
mod rig;
mod runner;
mod schedule;
mod shipped;

pub use experiment::Experiment;
pub use happening::Happening;
pub use kind::Fault;
pub use load::{load, plan_of};
pub use manual::Manual;
pub use plan::{Plan, Step};
pub use problem::{ChaosError, Problem};
pub use runner::{Levers, run};
pub use schedule::{Schedule, Which};
pub use shipped::shipped;
