//! A small Kubernetes in a process: enough of its API for kube-rs, kubectl and plain manifests, its
//! usual controllers, a scheduler, and a kubelet that runs containers as local processes.
//!
//! For tests (embedded, with faults on request) and for people without a cluster (`crosswatch
//! cluster`). It shares no code with what is tested on it: objects are plain JSON here, and nothing
//! of kube-rs or of the operator is used.

pub mod access;
pub mod admission;
pub mod apply;
mod bootstrap;
pub mod client;
pub mod cluster;
pub mod controllers;
mod convert;
pub mod faults;
pub mod http;
mod jsonpath;
pub mod kubelet;
pub mod object;
pub mod openapi;
pub mod patch;
pub mod proxy;
pub mod registry;
pub mod requests;
pub mod resource;
pub(crate) mod scheduler;
pub mod selector;
pub mod shape;
pub mod status;
mod store;
pub mod structural;
mod verbs;

pub use client::{Client, Cluster, ClusterConfig, ListOptions};
pub use cluster::{Extent, SimCluster, SimConfig};
