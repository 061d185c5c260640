//! Behaviour of the cluster, from outside.

mod client;
mod controllers;
mod hollow;
