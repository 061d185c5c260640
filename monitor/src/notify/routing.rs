//! Who is told of an alert, and of which severity, by the routes that others put.

use std::sync::Arc;

use monitor_core::{Alert, AlertRoute, AlertSeverity, Name, Receiver, ServiceKey};
use monitor_diagnose::alert_id;

/// One alert on its ways.
#[derive(Debug)]
pub(super) struct Told<'a> {
    /// As the monitor's own destinations are told.
    pub(super) own: Arc<Alert>,
    /// Each receiver once: by the first of its routes.
    pub(super) routed: Vec<(&'a Receiver, Arc<Alert>)>,
}

/// Routes choose by the computed severity. O(routes).
pub(super) fn route(alert: Arc<Alert>, routes: &[AlertRoute]) -> Told<'_> {
    let mut told = Told {
        own: Arc::clone(&alert),
        routed: Vec::new(),
    };
    if routes.is_empty() {
        return told;
    }
    let label = |name: &str| alert.labels.get(name).map_or("", |value| &**value);
    let service = ServiceKey::new(label("namespace"), label("service"));
    let environment = Name::from(label("environment"));
    let mut own_severity = None;
    for route in routes {
        if !route.select.holds(&service, &environment)
            || !route.select.holds_severity(alert.severity)
        {
            continue;
        }
        if route.receivers.is_empty() {
            own_severity = own_severity.or(route.severity);
        }
        let worded = route
            .severity
            .map_or_else(|| Arc::clone(&alert), |severity| of(&alert, severity));
        for receiver in &route.receivers {
            if told.routed.iter().all(|(known, _)| *known != receiver) {
                told.routed.push((receiver, Arc::clone(&worded)));
            }
        }
    }
    if let Some(severity) = own_severity {
        told.own = of(&alert, severity);
    }
    told
}

/// The alert with another severity, which is a label and so makes it another alert.
fn of(alert: &Alert, severity: AlertSeverity) -> Arc<Alert> {
    let mut other = alert.clone();
    other.severity = severity;
    other
        .labels
        .insert("severity".into(), severity.as_str().into());
    other.id = alert_id(&other.labels);
    Arc::new(other)
}
