//! Behaviour of the cluster, from outside.

mod client;
mod kubelet;
//! Tests through the public interface.

mod apply;
mod controllers;
mod hollow;
