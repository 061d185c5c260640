//! What a person can set.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use url::Url;

/// Collect the logs of this node's containers and send them to a monitor.
///
/// Follows the files below /var/log/pods, adds what the Kubernetes API says of their pods, and keeps
/// everything on disk while the monitor is away.
#[derive(Args, Clone, Debug)]
pub struct AgentArgs {
    /// Where the monitor takes OTLP over HTTP.
    #[arg(
        long,
        env = "CROSSWATCH_MONITOR",
        value_name = "URL",
        default_value = "http://127.0.0.1:4318"
    )]
    pub monitor: Url,

    /// A file with the token that the monitor asks for.
    #[arg(long, env = "CROSSWATCH_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// The folder of the containers' logs.
    #[arg(
        long,
        env = "CROSSWATCH_LOGS",
        value_name = "FOLDER",
        default_value = "/var/log/pods"
    )]
    pub logs: PathBuf,

    /// This node's name, as Kubernetes knows it.
    #[arg(long, env = "NODE_NAME", value_name = "NAME")]
    pub node: Option<String>,

    /// The cluster's name, for people; a cluster does not know its own.
    #[arg(long, env = "CROSSWATCH_CLUSTER_NAME", value_name = "NAME")]
    pub cluster_name: Option<String>,

    /// Where positions and what could not be sent yet are kept. Without it a restart reads again
    /// what the look-back covers, and nothing is kept but the log files themselves.
    #[arg(long, env = "CROSSWATCH_STATE", value_name = "FOLDER")]
    pub state: Option<PathBuf>,

    /// How much is kept on disk while the monitor is away; then the oldest is dropped.
    #[arg(
        long,
        env = "CROSSWATCH_SPOOL_BYTES",
        value_name = "BYTES",
        default_value_t = 512 << 20
    )]
    pub spool_bytes: u64,

    /// When there are no positions yet: how old lines may be to be sent, in seconds.
    #[arg(
        long,
        env = "CROSSWATCH_LOOK_BACK_SECONDS",
        value_name = "SECONDS",
        default_value_t = 3_600
    )]
    pub look_back_seconds: u64,

    /// How long a new log waits for its pod's metadata, in milliseconds.
    #[arg(
        long,
        env = "CROSSWATCH_METADATA_WAIT_MS",
        value_name = "MILLISECONDS",
        default_value_t = 2_000
    )]
    pub metadata_wait_ms: u64,

    /// Send only pods that ask for it by crosswatch.dev/enabled=true.
    #[arg(long, env = "CROSSWATCH_OPT_IN")]
    pub opt_in: bool,

    /// Do not take names of services from app.kubernetes.io/* and tags.datadoghq.com/* labels.
    #[arg(long, env = "CROSSWATCH_IGNORE_WELL_KNOWN_LABELS")]
    pub ignore_well_known_labels: bool,

    /// Ask no Kubernetes API: paths say whose logs are.
    #[arg(long, env = "CROSSWATCH_NO_CLUSTER", conflicts_with = "from_api")]
    pub no_cluster: bool,

    /// Add log.record.uid to every record, the same when a line is sent again after a crash.
    #[arg(long, env = "CROSSWATCH_RECORD_IDS")]
    pub record_ids: bool,

    /// Stream logs through the Kubernetes API instead of reading files, for nodes whose /var/log
    /// cannot be mounted.
    #[arg(long, env = "CROSSWATCH_FROM_API")]
    pub from_api: bool,

    /// With --from-api: bytes a second that all streams together may take from the API server.
    #[arg(
        long,
        env = "CROSSWATCH_API_BYTES_PER_SECOND",
        value_name = "BYTES",
        default_value_t = 256 << 10
    )]
    pub api_bytes_per_second: u32,

    /// /metrics, /livez and /readyz; nothing listens without it.
    #[arg(long, env = "CROSSWATCH_AGENT_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
}

impl AgentArgs {
    pub(crate) fn look_back(&self) -> Duration {
        Duration::from_secs(self.look_back_seconds)
    }

    pub(crate) fn metadata_wait(&self) -> Duration {
        Duration::from_millis(self.metadata_wait_ms)
    }
}
