//! The engine's behaviour in the domain's words, on simulated traffic.

mod anomalies;
mod clocks;
mod combinations;
mod courses;
mod foreseen;
mod incidents;
mod journey_steps;
mod kin;
mod laws;
mod mix;
mod models;
mod numbers;
mod peers;
mod quiet;
mod vanished;
mod wanted;
mod world;
