//! The custom resources of `crosswatch.dev/v1alpha1` as Rust types, and their schemas as YAML.
//!
//! Used by the operator, by who writes such resources, and by `crosswatch crds`, which prints what
//! is checked in beside this crate (`kubectl apply --server-side -f crds/`). Knows no monitor: how
//! a resource becomes the monitor's settings is the operator's business.
//!
//! What is wrong with a resource is said by the API server, from rules in the schema; there is no
//! webhook. Defaults are in the schema as well, so `kubectl get -o yaml` shows what is in force.

#![expect(
    clippy::duplicated_attributes,
    reason = "columns of one type are told apart by their names"
)]
#![expect(
    unreachable_pub,
    reason = "KubeSchema makes a copy of each type, as public as the type, where nobody reaches it"
)]

pub mod alert_policy;
pub mod chaos_experiment;
pub mod length;
pub mod maintenance_window;
pub mod monitored_api;
mod schema;
mod yaml;

pub use alert_policy::{AlertPolicy, AlertPolicySpec, AlertPolicyStatus};
pub use chaos_experiment::{ChaosExperiment, ChaosExperimentSpec, ChaosExperimentStatus};
pub use length::Length;
pub use maintenance_window::{MaintenanceWindow, MaintenanceWindowSpec, MaintenanceWindowStatus};
pub use monitored_api::{MonitoredApi, MonitoredApiSpec, MonitoredApiStatus};
pub use yaml::{files, yaml};

/// The group of all of them.
pub const GROUP: &str = "crosswatch.dev";

/// Server-side applies with it concern what a resource asks for.
pub const FIELD_MANAGER: &str = "crosswatch-operator";

/// And with it what is known of it.
pub const STATUS_FIELD_MANAGER: &str = "crosswatch-operator-status";

/// `auto`: made by the operator and kept by it. Without the label a resource is a person's, and
/// only its status is written.
pub const MANAGED_LABEL: &str = "crosswatch.dev/managed";
pub const MANAGED_AUTO: &str = "auto";
