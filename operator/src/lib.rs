//! The Kubernetes side: every workload whose logs flow becomes a `MonitoredApi`, and stays current.
//!
//! One task owns what is known and decides ([`keeper`]); around it are watches, writes, the link to
//! the monitor, and the lease that says which of several operators acts. What decides does no IO and
//! is given the time.

pub mod access;
pub mod args;
mod changes;
mod chaos;
mod conditions;
mod difference;
pub mod effect;
mod gather;
pub mod injected;
pub mod keeper;
pub mod key;
mod lease;
mod link;
mod maintenance;
mod metrics;
pub mod monitor;
pub mod notice;
mod numbers;
pub mod onboard;
mod pace;
mod perform;
pub mod policy;
mod publish;
mod queue;
mod reach;
pub mod record;
pub mod run;
mod schedule;
mod serve;
mod status;
pub mod table;
mod watch;
mod wish;
pub mod world;

pub use jiff::Timestamp;

/// A client of the cluster that `KUBECONFIG` names, or that this process runs in.
///
/// # Errors
///
/// When neither is there, or what is there cannot be used.
pub async fn connect() -> Result<kube::Client, ConnectError> {
    let mut config = kube::Config::infer().await.map_err(ConnectError::Config)?;
    // What fails is tried again by who asked, with pauses that grow: never by two at once.
    config.default_retry = false;
    kube::Client::try_from(config).map_err(ConnectError::Client)
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("no configuration of a cluster was found")]
    Config(#[source] kube::config::InferConfigError),
    #[error("the configuration of the cluster cannot be used")]
    Client(#[source] kube::Error),
}
