//! A webhook in the JSON that Alertmanager's own webhooks have (version 4), so that whatever takes
//! those takes ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use monitor_core::{Alert, AlertState};
use serde_json::{Value, json};

use super::alertmanager::link;

/// One message for all; it is `firing` when any of its alerts is.
pub(super) fn body(alerts: &[Arc<Alert>], external_url: &str) -> Value {
    let told: Vec<&Alert> = alerts
        .iter()
        .map(|alert| &**alert)
        .filter(|alert| alert.state != AlertState::Pending)
        .collect();
    let status = |alert: &Alert| match alert.state {
        AlertState::Resolved => "resolved",
        AlertState::Pending | AlertState::Firing => "firing",
    };
    let firing = told.iter().any(|alert| alert.state == AlertState::Firing);
    let items: Vec<Value> = told
        .iter()
        .map(|alert| {
            json!({
                "status": status(alert),
                "labels": alert.labels,
                "annotations": alert.annotations,
                "startsAt": alert.starts_at.to_string(),
                // What Alertmanager writes for "has not ended".
                "endsAt": alert.ends_at.map_or("0001-01-01T00:00:00Z".to_owned(), |t| t.to_string()),
                "generatorURL": link(external_url),
                "fingerprint": alert.id.to_string(),
            })
        })
        .collect();
    json!({
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": if firing { "firing" } else { "resolved" },
        "receiver": "crosswatch",
        "groupLabels": {},
        "commonLabels": common(told.iter().map(|alert| &alert.labels)),
        "commonAnnotations": common(told.iter().map(|alert| &alert.annotations)),
        "externalURL": external_url,
        "alerts": items,
    })
}

/// The entries that all maps have.
fn common<'a, V: PartialEq + Clone + 'a>(
    mut maps: impl Iterator<Item = &'a BTreeMap<monitor_core::Name, V>>,
) -> BTreeMap<monitor_core::Name, V> {
    let mut shared = maps.next().cloned().unwrap_or_default();
    for map in maps {
        shared.retain(|key, value| map.get(key) == Some(value));
    }
    shared
}
