//! Alerts as lines on standard output, one for each change.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use monitor_core::{Alert, AlertId, AlertState};

/// Alerts remembered, so that being sent again prints nothing again.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Announcer {
    told: BTreeMap<AlertId, AlertState>,
}

impl Announcer {
    pub(super) fn print(&mut self, alerts: &[Arc<Alert>]) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        for alert in alerts {
            if let Some(line) = self.line(alert) {
                writeln!(out, "{line}")?;
            }
        }
        Ok(out.flush()?)
    }

    /// `None` when this state of the alert was told before.
    fn line(&mut self, alert: &Alert) -> Option<String> {
        if self.told.insert(alert.id, alert.state) == Some(alert.state) {
            return None;
        }
        if self.told.len() > REMEMBERED {
            self.told.pop_first();
        }
        let summary = alert.annotations.get("summary").map_or("", String::as_str);
        let at = alert.ends_at.unwrap_or(alert.starts_at);
        let state = alert.state.as_str().to_uppercase();
        Some(format!(
            "{at} {state:8} {:8} {summary}",
            alert.severity.as_str()
        ))
    }
}
