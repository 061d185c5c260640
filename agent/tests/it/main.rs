//! Log files in, OTLP requests out.

mod cluster;
mod deliver;
mod follow;
mod node;
mod pods;
mod receiver;
