//! Behaviour of the cluster, from outside.

mod client;
