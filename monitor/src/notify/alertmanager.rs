//! Alertmanager's API v2: `POST /api/v2/alerts`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use monitor_core::{Alert, AlertState, Time};
use serde_json::{Value, json};
use url::Url;

pub(super) fn endpoint(base: &Url) -> anyhow::Result<Url> {
    let mut base = base.clone();
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    base.join("api/v2/alerts")
        .with_context(|| format!("`{base}` is not an Alertmanager's address"))
}

/// Pending alerts are nobody's business yet and left out. A firing one ends by itself after `keep`,
/// should we die and never send it again.
pub(super) fn body(alerts: &[Arc<Alert>], now: Time, keep: Duration, external_url: &str) -> Value {
    alerts
        .iter()
        .filter(|alert| alert.state != AlertState::Pending)
        .map(|alert| {
            let ends_at = alert.ends_at.unwrap_or(now + keep);
            json!({
                "labels": alert.labels,
                "annotations": alert.annotations,
                "startsAt": alert.starts_at.to_string(),
                "endsAt": ends_at.to_string(),
                "generatorURL": link(external_url),
            })
        })
        .collect()
}

/// Where the monitor's own page lists its alerts.
pub(super) fn link(external_url: &str) -> String {
    format!("{}/#/alerts", external_url.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_keeps_a_path_prefix() {
        for (base, expected) in [
            (
                "http://127.0.0.1:9093",
                "http://127.0.0.1:9093/api/v2/alerts",
            ),
            (
                "http://am.example/prefix",
                "http://am.example/prefix/api/v2/alerts",
            ),
        ] {
            assert_eq!(endpoint(&base.parse().unwrap()).unwrap().as_str(), expected);
        }
    }
}
