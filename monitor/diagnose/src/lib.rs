//! From anomalies to what a person receives: explanations, severities, and the life of an alert.
//!
//! Pure: anomalies and time in, alerts out. How and to whom they are sent is the monitor's part;
//! when they have to be sent, and sent again, is decided here.

mod alert_book;
mod explain;
mod identity;
mod severity;

pub use alert_book::{AlertBook, AlertConfig, AlertCounts};
pub use explain::{Facts, duration_text, why};
pub use identity::{alert_id, anomaly_id};
