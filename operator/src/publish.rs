//! Publishes Kubernetes Events, one after the other, through kube's recorder, which makes a series
//! of what is told again.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::effect::{Reason, Told};
use crate::metrics::Metrics;
use crate::perform::failure;

/// An Event that cannot be published is tried again after each of these, then given up: there are
/// newer ones to tell.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(20),
    Duration::ZERO,
];
const LONGEST: Duration = Duration::from_secs(20);

pub(crate) async fn run(
    recorder: Recorder,
    mut told: mpsc::Receiver<Told>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = told.recv() => next,
        };
        let Some(next) = next else { return };
        tokio::select! {
            () = stop.cancelled() => return,
            () = publish(&recorder, &next, &metrics) => {}
        }
    }
}

async fn publish(recorder: &Recorder, told: &Told, metrics: &Metrics) {
    let notice = &told.notice;
    let event = Event {
        type_: if notice.warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: notice.reason.to_owned(),
        note: Some(notice.note.clone()),
        action: notice.action.to_owned(),
        secondary: None,
    };
    let about = ObjectReference {
        api_version: Some(format!("{}/v1alpha1", crds::GROUP)),
        kind: Some("MonitoredApi".to_owned()),
        name: Some(told.key.name.clone()),
        namespace: Some(told.key.namespace.clone()),
        uid: Some(told.uid.clone()),
        ..ObjectReference::default()
    };
    for pause in PAUSES {
        let why = match timeout(LONGEST, recorder.publish(&event, &about)).await {
            Ok(Ok(())) => return metrics.published(),
            Ok(Err(error)) => {
                let failure = failure(&error);
                // No retry helps; a namespace that is being deleted takes no Events.
                let hopeless = matches!(
                    failure.reason,
                    Reason::Gone | Reason::Refused | Reason::Forbidden
                );
                if hopeless {
                    metrics.dropped("events", failure.reason.as_str(), 1);
                    tracing::warn!(about = %told.key, why = failure.message, "an Event was refused");
                    return;
                }
                failure.message
            }
            Err(_) => "no answer".to_owned(),
        };
        tracing::debug!(about = %told.key, why, "an Event could not be published");
        sleep(pause).await;
    }
    metrics.dropped("events", "unavailable", 1);
}
