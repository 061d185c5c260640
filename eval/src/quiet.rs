//! How often the engine speaks up when nothing is wrong.
//!
//! The sensitivity is a promise: so many false alarms for each Api in a week. [`signals`] makes Apis
//! without faults whose statistics are known and unkind (tides of the day and the week, bursts, levels
//! that wander, heavy tails), [`run`] drives them through the production engine at several
//! sensitivities at once, [`numbers`] does both for numbers out of log fields, and [`report`] holds
//! what was raised against what was promised. Nothing is
//! told to the engine about the signals. The same seed gives the same bytes.

pub mod numbers;
pub mod report;
pub mod run;
pub mod signals;
