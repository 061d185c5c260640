//! Queues.
mod queue;
