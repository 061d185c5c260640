//! What a person can set: flags, environment variables and one file, in this order of precedence.
//!
//! Everything has a default that works; [`Settings`] is what remains after all were read and found
//! to make sense together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use monitor_core::Zones;
use monitor_serve::receive::Auth;
use serde::Deserialize;
use url::Url;

use crate::notify::Destinations;

/// Watch APIs: collect logs and traces, learn what is normal, say what is not, and why.
///
/// Without any flag it listens on loopback only and asks for no token: OTLP over gRPC on
/// 127.0.0.1:4317 and over HTTP on 127.0.0.1:4318 (also JSON lines at /insert/jsonline), the page,
/// the API and /metrics on 127.0.0.1:8080. Data is kept in ./crosswatch-data.
///
/// Each flag can be set by the environment variable shown with it, or in a TOML file under the same
/// name (`http-listen = "127.0.0.1:8080"`). Flags win over variables, variables over the file.
#[derive(Args, Clone, Debug, Default)]
pub struct MonitorArgs {
    /// A TOML file with any of these settings.
    #[arg(long, env = "CROSSWATCH_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub values: Values,
}

/// Each optional: what is not set here is looked for in the next place.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Values {
    /// The page, the API and /metrics. [default: 127.0.0.1:8080]
    #[arg(long, env = "CROSSWATCH_HTTP_LISTEN", value_name = "ADDRESS")]
    pub http_listen: Option<SocketAddr>,

    /// OTLP over gRPC. [default: 127.0.0.1:4317]
    #[arg(long, env = "CROSSWATCH_OTLP_GRPC_LISTEN", value_name = "ADDRESS")]
    pub otlp_grpc_listen: Option<SocketAddr>,

    /// OTLP over HTTP, and JSON lines. [default: 127.0.0.1:4318]
    #[arg(long, env = "CROSSWATCH_OTLP_HTTP_LISTEN", value_name = "ADDRESS")]
    pub otlp_http_listen: Option<SocketAddr>,

    /// Where logs, indexes and what was learned are kept. [default: ./crosswatch-data]
    #[arg(long, env = "CROSSWATCH_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,

    /// Files to follow, by pattern: Docker's json-file, Kubernetes' CRI and plain text are told
    /// apart by themselves. Example: '/var/log/containers/*.log'. May be given several times.
    #[arg(
        long,
        env = "CROSSWATCH_FOLLOW",
        value_name = "PATTERN",
        value_delimiter = ','
    )]
    pub follow: Option<Vec<String>>,

    /// A token that senders and readers must present as `Authorization: Bearer TOKEN`. Required as
    /// soon as any address is not loopback. May be given several times, to change it without a gap.
    #[arg(
        long,
        env = "CROSSWATCH_TOKEN",
        value_name = "TOKEN",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub token: Option<Vec<String>>,

    /// A file with tokens, one a line.
    #[arg(long, env = "CROSSWATCH_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// An Alertmanager's address, such as http://127.0.0.1:9093. Name every replica.
    #[arg(
        long,
        env = "CROSSWATCH_ALERTMANAGER",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub alertmanager: Option<Vec<Url>>,

    /// An address to which alerts are posted in Alertmanager's webhook JSON.
    #[arg(
        long,
        env = "CROSSWATCH_WEBHOOK",
        value_name = "URL",
        value_delimiter = ','
    )]
    pub webhook: Option<Vec<Url>>,

    /// Print alerts on standard output as they change. [default: true]
    #[arg(long, env = "CROSSWATCH_ALERT_STDOUT", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub alert_stdout: Option<bool>,

    /// The address under which people reach this monitor; alerts link to it.
    /// [default: http:// and the address of the page]
    #[arg(long, env = "CROSSWATCH_EXTERNAL_URL", value_name = "URL")]
    pub external_url: Option<Url>,

    /// False alarms that are acceptable, for each Api and week. Lower is quieter and slower.
    /// [default: 0.1]
    #[arg(long, env = "CROSSWATCH_FALSE_ALARMS_PER_WEEK", value_name = "NUMBER")]
    pub false_alarms_per_week: Option<f64>,

    /// By whose clock days and weeks are learned: Europe/Berlin for all environments, or
    /// plant=America/Chicago for one; more than once. [default: UTC]
    #[arg(
        long,
        env = "CROSSWATCH_TIME_ZONE",
        value_delimiter = ',',
        value_name = "[ENVIRONMENT=]ZONE"
    )]
    pub time_zone: Option<Vec<String>>,

    /// How late records may arrive and still count, in seconds. Anomalies are told this much later.
    /// [default: 3]
    #[arg(long, env = "CROSSWATCH_LATENESS_SECONDS", value_name = "SECONDS")]
    pub lateness_seconds: Option<u64>,

    /// Keep records for this many days. [default: 7]
    #[arg(long, env = "CROSSWATCH_RETENTION_DAYS", value_name = "DAYS")]
    pub retention_days: Option<u64>,

    /// Keep at most this many bytes of records; the oldest go first. [default: 20 GiB]
    #[arg(long, env = "CROSSWATCH_RETENTION_BYTES", value_name = "BYTES")]
    pub retention_bytes: Option<u64>,

    /// Refuse new records while the disk has less than this free; goes on by itself when there is
    /// room again. [default: 256 MiB]
    #[arg(long, env = "CROSSWATCH_MIN_FREE_BYTES", value_name = "BYTES")]
    pub min_free_bytes: Option<u64>,

    /// Another pattern (a regular expression) to be removed from everything before it is stored.
    /// Tokens, passwords, cards, e-mail addresses and the like are removed anyway.
    #[arg(long, env = "CROSSWATCH_REDACT", value_name = "REGEX")]
    pub redact: Option<Vec<String>>,

    /// Send the monitor's own traces to this OTLP address, such as http://127.0.0.1:4317.
    #[arg(long, env = "CROSSWATCH_OWN_TRACES", value_name = "URL")]
    pub own_traces: Option<Url>,
}

/// A setting that cannot be: one sentence that says which and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// Settings that make sense together.
#[derive(Clone, Debug)]
pub struct Settings {
    pub http: SocketAddr,
    pub otlp_grpc: SocketAddr,
    pub otlp_http: SocketAddr,
    pub data: PathBuf,
    pub follow: Vec<String>,
    pub tokens: Vec<String>,
    pub destinations: Destinations,
    pub external_url_given: bool,
    pub false_alarms_per_week: f64,
    pub zones: Zones,
    pub lateness: Duration,
    pub retention: Duration,
    pub retention_bytes: u64,
    pub min_free_bytes: u64,
    pub redact: Vec<String>,
    pub own_traces: Option<Url>,
}

impl MonitorArgs {
    /// Reads the file, if any, and checks everything. Reads nothing else and opens nothing.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let file = match &self.config {
            Some(path) => read_file(path)?,
            None => Values::default(),
        };
        let mut values = self.values.clone().or(file);
        let mut tokens = values.token.take().unwrap_or_default();
        if let Some(path) = &values.token_file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                ConfigError(format!(
                    "cannot read the token file `{}`: {error}",
                    path.display()
                ))
            })?;
            let before = tokens.len();
            tokens.extend(
                text.lines()
                    .map(str::trim)
                    .filter(|l| !l.is_empty())
                    .map(str::to_owned),
            );
            if tokens.len() == before {
                return Err(ConfigError(format!(
                    "the token file `{}` holds no token: write one a line",
                    path.display()
                )));
            }
        }
        values.check(tokens)
    }
}

fn read_file(path: &Path) -> Result<Values, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        ConfigError(format!(
            "cannot read the configuration `{}`: {error}",
            path.display()
        ))
    })?;
    toml::from_str(&text).map_err(|error| {
        ConfigError(format!(
            "in the configuration `{}`: {error}",
            path.display()
        ))
    })
}

impl Values {
    /// `self` where it says something, `other` elsewhere.
    fn or(self, other: Values) -> Values {
        Values {
            http_listen: self.http_listen.or(other.http_listen),
            otlp_grpc_listen: self.otlp_grpc_listen.or(other.otlp_grpc_listen),
            otlp_http_listen: self.otlp_http_listen.or(other.otlp_http_listen),
            data_dir: self.data_dir.or(other.data_dir),
            follow: self.follow.or(other.follow),
            token: self.token.or(other.token),
            token_file: self.token_file.or(other.token_file),
            alertmanager: self.alertmanager.or(other.alertmanager),
            webhook: self.webhook.or(other.webhook),
            alert_stdout: self.alert_stdout.or(other.alert_stdout),
            external_url: self.external_url.or(other.external_url),
            false_alarms_per_week: self.false_alarms_per_week.or(other.false_alarms_per_week),
            time_zone: self.time_zone.or(other.time_zone),
            lateness_seconds: self.lateness_seconds.or(other.lateness_seconds),
            retention_days: self.retention_days.or(other.retention_days),
            retention_bytes: self.retention_bytes.or(other.retention_bytes),
            min_free_bytes: self.min_free_bytes.or(other.min_free_bytes),
            redact: self.redact.or(other.redact),
            own_traces: self.own_traces.or(other.own_traces),
        }
    }

    fn check(self, tokens: Vec<String>) -> Result<Settings, ConfigError> {
        let refuse = |sentence: String| Err(ConfigError(sentence));
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let http = self.http_listen.unwrap_or(loopback(8080));
        let otlp_grpc = self.otlp_grpc_listen.unwrap_or(loopback(4317));
        let otlp_http = self.otlp_http_listen.unwrap_or(loopback(4318));
        let listening = [
            ("http-listen", http),
            ("otlp-grpc-listen", otlp_grpc),
            ("otlp-http-listen", otlp_http),
        ];
        for (place, (name, address)) in listening.iter().enumerate() {
            if let Err(error) = Auth::decide(*address, tokens.clone()) {
                return refuse(format!("--{name} {address}: {error}"));
            }
            for (other, taken) in &listening[..place] {
                if taken == address && address.port() != 0 {
                    return refuse(format!(
                        "--{name} and --{other} are both {address}: give each its own port"
                    ));
                }
            }
        }
        for pattern in self.follow.iter().flatten() {
            if let Err(error) = globset::Glob::new(pattern) {
                return refuse(format!("--follow '{pattern}' is not a pattern: {error}"));
            }
        }
        let false_alarms_per_week = self.false_alarms_per_week.unwrap_or(0.1);
        if !(false_alarms_per_week > 0.0 && false_alarms_per_week <= 1_000.0) {
            return refuse(format!(
                "--false-alarms-per-week {false_alarms_per_week}: must be above 0 and at most 1000"
            ));
        }
        let zones = match Zones::parse(&self.time_zone.unwrap_or_default()) {
            Ok(zones) => zones,
            Err(error) => return refuse(format!("--time-zone {error}")),
        };
        let lateness_seconds = self.lateness_seconds.unwrap_or(3);
        if lateness_seconds > 3_600 {
            return refuse(format!(
                "--lateness-seconds {lateness_seconds}: anomalies would be told over an hour late; \
                 use at most 3600"
            ));
        }
        let retention_days = self.retention_days.unwrap_or(7);
        let retention_bytes = self.retention_bytes.unwrap_or(20 << 30);
        if retention_days == 0 || retention_bytes == 0 {
            return refuse(
                "--retention-days and --retention-bytes must be above 0: with nothing kept, no \
                 anomaly could be explained"
                    .to_owned(),
            );
        }
        let min_free_bytes = self.min_free_bytes.unwrap_or(256 << 20);
        for url in self.alertmanager.iter().chain(&self.webhook).flatten() {
            if !matches!(url.scheme(), "http" | "https") {
                return refuse(format!(
                    "`{url}` cannot be posted to: use http:// or https://"
                ));
            }
        }
        let external_url = self
            .external_url
            .as_ref()
            .map_or_else(|| format!("http://{http}"), |url| url.to_string());
        Ok(Settings {
            http,
            otlp_grpc,
            otlp_http,
            data: self
                .data_dir
                .unwrap_or_else(|| PathBuf::from("crosswatch-data")),
            follow: self.follow.unwrap_or_default(),
            tokens,
            destinations: Destinations {
                alertmanagers: self.alertmanager.unwrap_or_default(),
                webhooks: self.webhook.unwrap_or_default(),
                stdout: self.alert_stdout.unwrap_or(true),
                external_url,
            },
            external_url_given: self.external_url.is_some(),
            false_alarms_per_week,
            zones,
            lateness: Duration::from_secs(lateness_seconds),
            retention: Duration::from_secs(retention_days * 24 * 3600),
            retention_bytes,
            min_free_bytes,
            redact: self.redact.unwrap_or_default(),
            own_traces: self.own_traces,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(values: Values) -> Result<Settings, String> {
        MonitorArgs {
            config: None,
            values,
        }
        .settings()
        .map_err(|error| error.to_string())
    }

    fn refused(values: Values, because: &str) {
        let sentence = settings(values).expect_err("must be refused");
        assert!(
            sentence.contains(because),
            "`{sentence}` does not say `{because}`"
        );
    }

    #[test]
    fn nothing_set_listens_on_loopback_only() {
        let settings = settings(Values::default()).unwrap();
        for address in [settings.http, settings.otlp_grpc, settings.otlp_http] {
            assert!(address.ip().is_loopback());
        }
    }

    #[test]
    fn contradictions_are_refused_with_a_sentence() {
        let address = Some("127.0.0.1:9000".parse().unwrap());
        refused(
            Values {
                http_listen: address,
                otlp_http_listen: address,
                ..Values::default()
            },
            "give each its own port",
        );
        let open = Some("0.0.0.0:8080".parse().unwrap());
        refused(
            Values {
                http_listen: open,
                ..Values::default()
            },
            "token",
        );
        refused(
            Values {
                retention_days: Some(0),
                ..Values::default()
            },
            "above 0",
        );
        refused(
            Values {
                false_alarms_per_week: Some(f64::NAN),
                ..Values::default()
            },
            "above 0",
        );
        refused(
            Values {
                follow: Some(vec!["a[".into()]),
                ..Values::default()
            },
            "pattern",
        );
        refused(
            Values {
                webhook: Some(vec!["ftp://x/".parse().unwrap()]),
                ..Values::default()
            },
            "http://",
        );
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crosswatch.toml");
        std::fs::write(&path, "retention-days = 3\nlateness-seconds = 9\n").unwrap();
        let values = Values {
            retention_days: Some(5),
            ..Values::default()
        };
        let settings = MonitorArgs {
            config: Some(path),
            values,
        }
        .settings()
        .unwrap();
        assert_eq!(settings.retention, Duration::from_secs(5 * 24 * 3600));
        assert_eq!(settings.lateness, Duration::from_secs(9));
    }

    #[test]
    fn a_misspelt_setting_in_the_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crosswatch.toml");
        std::fs::write(&path, "retention-day = 3\n").unwrap();
        let args = MonitorArgs {
            config: Some(path),
            values: Values::default(),
        };
        assert!(
            args.settings()
                .unwrap_err()
                .to_string()
                .contains("retention-day")
        );
    }
}
