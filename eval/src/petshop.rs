//! PetShop (Hardt et al., "The PetShop dataset: finding causes of performance issues across
//! microservices", CLeaR 2024): metrics and call graph of a real application, with known root causes.
//!
//! For `crosswatch eval petshop`. Judged by `monitor_diagnose::blame` and by the benchmark's rules: the
//! target, its metrics and the call graph are given and nothing else; an answer is a ranking, ties
//! count as their expected value, and on normal days there should be none.

pub use monitor_diagnose::blame::Tuning;

pub mod judge;
mod normal;
pub mod read;
pub mod report;
mod tables;
pub mod validate;
