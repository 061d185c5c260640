//! The commands, one module each.

pub(crate) mod agent;
pub(crate) mod chaos;
pub(crate) mod cluster;
pub(crate) mod crds;
pub(crate) mod demo;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod feedback;
pub(crate) mod forecast;
pub(crate) mod journeys;
pub(crate) mod model;
pub(crate) mod monitor;
pub(crate) mod operator;
pub(crate) mod replay;
pub(crate) mod search;
pub(crate) mod sim;
pub(crate) mod templates;
pub(crate) mod what_if;
