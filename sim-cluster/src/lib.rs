//! A small Kubernetes in a process: enough of its API for kube-rs, kubectl and plain manifests, its
//! usual controllers, a scheduler, and a kubelet that runs containers as local processes.
//!
//! For tests (embedded, with faults on request) and for people without a cluster (`crosswatch
//! cluster`). It shares no code with what is tested on it: objects are plain JSON here, and nothing
//! of kube-rs or of the operator is used.

pub mod apply;
pub mod object;
pub mod openapi;
pub mod patch;
pub mod resource;
pub mod shape;
pub mod status;
pub mod structural;
