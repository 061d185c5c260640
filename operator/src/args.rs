//! The command line of `crosswatch operator`, and what it comes to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

/// Keeps a MonitoredApi for every workload whose logs flow, and tells the monitor what is asked of
/// it. Finds the cluster by KUBECONFIG or by its service account.
#[derive(Clone, Debug, Args)]
pub struct OperatorArgs {
    /// The monitor's address.
    #[arg(
        long,
        env = "CROSSWATCH_MONITOR_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub monitor_url: String,

    /// A file with the bearer token that the monitor wants.
    #[arg(long, env = "CROSSWATCH_MONITOR_TOKEN_FILE", value_name = "FILE")]
    pub monitor_token_file: Option<PathBuf>,

    /// Only this namespace; repeat it for several. Then nodes and namespaces are not read, and
    /// environments follow from annotations alone.
    #[arg(
        long = "namespace",
        env = "CROSSWATCH_NAMESPACES",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub namespaces: Vec<String>,

    /// The cluster's name, as an environment where nothing else says one.
    #[arg(long, env = "CROSSWATCH_CLUSTER_NAME", value_name = "NAME")]
    pub cluster_name: Option<String>,

    /// What happens to pods of which nothing says whether they are to be watched.
    #[arg(long, env = "CROSSWATCH_ONBOARD", value_enum, default_value_t = Onboard::OptOut)]
    pub onboard: Onboard,

    /// Let only annotations and workloads name services, not the labels app.kubernetes.io/*.
    #[arg(long, env = "CROSSWATCH_IGNORE_WELL_KNOWN_LABELS")]
    pub ignore_well_known_labels: bool,

    /// Where metrics and health are served.
    #[arg(
        long,
        env = "CROSSWATCH_OPERATOR_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8081"
    )]
    pub listen: SocketAddr,

    /// Where this operator runs: its lease is there, and policies there may name any namespace.
    #[arg(
        long,
        env = "POD_NAMESPACE",
        value_name = "NAME",
        default_value = "crosswatch"
    )]
    pub own_namespace: String,

    /// What this operator is called among several; its pod's name.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub identity: Option<String>,

    /// The name of the lease that says which operator acts.
    #[arg(
        long,
        env = "CROSSWATCH_LEASE",
        value_name = "NAME",
        default_value = "crosswatch-operator"
    )]
    pub lease: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Onboard {
    /// They are watched.
    OptOut,
    /// They are not.
    OptIn,
}

/// What is run with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub monitor_url: String,
    pub monitor_token: Option<String>,
    /// Empty for all of the cluster.
    pub namespaces: Vec<String>,
    pub cluster_name: Option<String>,
    pub onboard: Onboard,
    pub well_known_labels: bool,
    pub listen: SocketAddr,
    pub own_namespace: String,
    pub identity: String,
    pub lease: String,
    pub lease_times: LeaseTimes,
    /// How often all numbers are asked for.
    pub numbers_every: Duration,
    /// How often other tools' resources are looked for.
    pub injected_every: Duration,
    /// The monitor is away when it has not answered for so long.
    pub away_after: Duration,
    /// Of jitter and of the name that this operator has where none is given.
    pub seed: u64,
}

/// As in client-go, whose values these are.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTimes {
    /// Others wait so long after they last saw the lease renewed.
    pub duration: Duration,
    /// Who holds it and cannot renew it for so long stops acting.
    pub give_up: Duration,
    pub renew_every: Duration,
}

impl Default for LeaseTimes {
    fn default() -> LeaseTimes {
        LeaseTimes {
            duration: Duration::from_secs(15),
            give_up: Duration::from_secs(10),
            renew_every: Duration::from_secs(5),
        }
    }
}

impl OperatorArgs {
    /// # Errors
    ///
    /// What of the command line cannot be, in a sentence.
    pub fn settings(&self, seed: u64) -> anyhow::Result<Settings> {
        let token = self.monitor_token_file.as_ref();
        let token = token.map(|path| {
            std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the monitor's token in {}", path.display()))
        });
        let token = token.transpose()?.map(|text| text.trim().to_owned());
        // What is wrong with the address is said before anything is begun.
        monitor_api::Client::new(&self.monitor_url, token.as_deref())
            .context("--monitor-url cannot be used")?;
        let mut namespaces = self.namespaces.clone();
        namespaces.sort();
        namespaces.dedup();
        if namespaces.iter().any(String::is_empty) {
            bail!("--namespace is empty; leave it out to watch the whole cluster");
        }
        Ok(Settings {
            monitor_url: self.monitor_url.trim_end_matches('/').to_owned(),
            monitor_token: token,
            namespaces,
            cluster_name: self.cluster_name.clone().filter(|it| !it.is_empty()),
            onboard: self.onboard,
            well_known_labels: !self.ignore_well_known_labels,
            listen: self.listen,
            own_namespace: self.own_namespace.clone(),
            identity: (self.identity.clone().filter(|it| !it.is_empty()))
                .unwrap_or_else(|| format!("operator-{seed:016x}")),
            lease: self.lease.clone(),
            lease_times: LeaseTimes::default(),
            numbers_every: Duration::from_secs(30),
            injected_every: Duration::from_mins(5),
            away_after: Duration::from_secs(20),
            seed,
        })
    }
}
