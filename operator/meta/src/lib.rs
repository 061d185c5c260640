//! What the metadata of Kubernetes says about a workload: who it is, where it runs, whether to watch
//! it, and how.
//!
//! Called by the operator (to onboard), by the agent (for the attributes of records) and by
//! `crosswatch explain pod/NAME`, so that the three can never disagree. Everything is a pure
//! function of [`facts`]; each answer says which object and key it came from. Asking a cluster is
//! left to the callers. A strange value costs only itself, and a note says why.

pub mod decision;
pub mod environment;
pub mod explain;
pub mod facts;
pub mod hints;
pub mod identity;
pub mod owner;
pub mod source;
mod text;
