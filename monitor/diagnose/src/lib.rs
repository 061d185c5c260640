//! From anomalies to what a person receives: explanations, severities, incidents with their
//! suspects, and the life of an alert.
//!
//! Pure: anomalies and time in, alerts out. How and to whom they are sent is the monitor's part;
//! when they have to be sent, and sent again, is decided here.

mod alert_book;
pub mod blame;
mod changes;
mod explain;
mod flow;
mod identity;
mod impact;
mod incident;
mod journey;
pub mod origin;
mod scope;
mod severity;
mod sign;
mod survival;
mod suspects;
mod topology;
pub mod what_if;

pub use alert_book::{AlertBook, AlertConfig, AlertCounts, Cause};
pub use explain::{Facts, NumberName, Peers, duration_text, why};
pub use flow::{EdgeFlow, Flows, Level, NodeFlow};
pub use identity::{alert_id, anomaly_id};
pub use incident::{Budgets, IncidentBook, IncidentChange, Look};
pub use journey::{Exposed, Journey, Journeys, StepCounts, StepTrouble, Stop, TypeHops};
pub use suspects::Vitals;
pub use topology::{Seen, Topology};
