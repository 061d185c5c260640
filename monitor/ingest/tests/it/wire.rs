//! What arrives becomes records, whatever it is and however it is cut.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod container;
mod jsonlines;
mod lines;
mod multiline;
mod otlp;
