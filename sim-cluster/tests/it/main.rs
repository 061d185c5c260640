//! Behaviour of the cluster, from outside.

mod client;
//! Tests through the public interface.

mod apply;
