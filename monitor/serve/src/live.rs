//! `GET /live`: a WebSocket of calls, anomalies, incidents and alerts as they happen.
//!
//! A reader that is too slow misses events and is told how many; it never slows the monitor down.
//! Calls are sampled to a rate that a browser can show; everything else is sent.

use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use monitor_api::{LiveKind, LiveMessage, LiveQuery, Problem};
use monitor_core::Time;
use tokio::sync::broadcast::error::RecvError;

use crate::query::params::Params;
use crate::query::problem::Failure;
use crate::query::words::Place;
use crate::query::{alerts, anomalies, incidents};
use crate::{LiveEvent, Shared};

mod call;

/// A reader whose socket takes nothing for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Proxies close connections that are quiet for a minute or two.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// What a client may say; it has nothing to say but control frames.
const LONGEST_INCOMING_BYTES: usize = 4 << 10;

#[utoipa::path(
    get, path = "/api/v1/live", tag = "live", params(LiveQuery),
    responses(
        (status = 101, body = LiveMessage,
            description = "A WebSocket; each text frame is a LiveMessage"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 426, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// Calls, anomalies, incidents and alerts as they happen, over a WebSocket.
pub(crate) async fn live(
    State(shared): State<Shared>,
    Params(query): Params<LiveQuery>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let filter = Filter::new(query)?;
    same_origin(&headers)?;
    let upgrade = upgrade.map_err(|rejection| Failure::not_a_websocket(rejection.body_text()))?;
    let place = shared.place_for_reader()?;
    Ok(upgrade
        .max_message_size(LONGEST_INCOMING_BYTES)
        .on_upgrade(async move |socket| {
            run(socket, shared, filter).await;
            drop(place);
        }))
}

/// Browsers let any page open a WebSocket to any host, and say in `Origin` which page it is: one
/// that did not come from us has no business here. Programs send no `Origin`.
fn same_origin(headers: &HeaderMap) -> Result<(), Failure> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or("an unreadable origin");
    let from = origin.split_once("://").map(|(_, host)| host);
    if from.is_some() && from == text(header::HOST) {
        return Ok(());
    }
    Err(
        Failure::foreign_origin(format!("a page of {origin} may not listen here"))
            .hint("open the monitor's own page, or connect from a program, which sends no Origin"),
    )
}

async fn run(mut socket: WebSocket, shared: Shared, mut filter: Filter) {
    let mut events = shared.ports.live.subscribe();
    let mut pings = tokio::time::interval(PING_INTERVAL);
    let hello = LiveMessage::Hello {
        version: crate::VERSION.to_owned(),
        now: shared.ports.clock.now().to_string(),
    };
    if !send(&mut socket, &hello).await {
        return;
    }
    loop {
        let message = tokio::select! {
            // Whoever leaves does not wait behind a flood of events.
            biased;
            () = shared.stop.cancelled() => {
                // Whether the goodbye arrives changes nothing.
                let goodbye = socket.send(Message::Close(None));
                drop(tokio::time::timeout(SEND_TIMEOUT, goodbye).await);
                return;
            }
            incoming = socket.recv() => match incoming {
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return,
            },
            _ = pings.tick() => {
                let ping = socket.send(Message::Ping(bytes::Bytes::new()));
                match tokio::time::timeout(SEND_TIMEOUT, ping).await {
                    Ok(Ok(())) => continue,
                    _ => return,
                }
            }
            event = events.recv() => match event {
                Ok(event) => {
                    let now = shared.ports.clock.now();
                    let watermark = shared.ports.view.borrow().at;
                    filter.message(&event, now, watermark)
                }
                Err(RecvError::Lagged(missed)) => Some(LiveMessage::Lagged { missed }),
                Err(RecvError::Closed) => return,
            },
        };
        if let Some(message) = message
            && !send(&mut socket, &message).await
        {
            return;
        }
    }
}

/// Whether the reader is still there.
async fn send(socket: &mut WebSocket, message: &LiveMessage) -> bool {
    let Ok(text) = serde_json::to_string(message) else {
        return false;
    };
    let sent = socket.send(Message::Text(text.into()));
    matches!(tokio::time::timeout(SEND_TIMEOUT, sent).await, Ok(Ok(())))
}

/// What one reader wants, and how many calls it still gets this second.
#[derive(Debug)]
struct Filter {
    kinds: Vec<LiveKind>,
    service: Option<String>,
    environment: Option<String>,
    calls_per_second: u64,
    second: Time,
    sent_this_second: u64,
    skipped: u64,
}

impl Filter {
    fn new(query: LiveQuery) -> Result<Filter, Failure> {
        const MOST_CALLS_PER_SECOND: u64 = 1_000;
        let calls_per_second = query.calls_per_second.unwrap_or(20);
        if calls_per_second > MOST_CALLS_PER_SECOND {
            return Err(Failure::bad_parameter(
                "calls_per_second",
                format!("{calls_per_second} is more than {MOST_CALLS_PER_SECOND}"),
            )
            .hint("for every record, use the search and its tail"));
        }
        let kinds = match &query.kinds {
            None => LiveKind::ALL.to_vec(),
            Some(text) => text.split(',').map(kind).collect::<Result<_, _>>()?,
        };
        Ok(Filter {
            kinds,
            service: query.service,
            environment: query.environment,
            calls_per_second,
            second: Time::MIN,
            sent_this_second: 0,
            skipped: 0,
        })
    }

    /// The message for an event, if this reader gets one.
    fn message(&mut self, event: &LiveEvent, now: Time, watermark: Time) -> Option<LiveMessage> {
        let place = Place {
            service: self.service.as_deref(),
            environment: self.environment.as_deref(),
        };
        let concerns = |anomaly: &monitor_core::Anomaly| {
            let subject = &anomaly.signal.subject;
            place.holds(subject.service(), subject.environment())
        };
        let unfiltered = place.service.is_none() && place.environment.is_none();
        match event {
            LiveEvent::Call(call) => {
                let wanted = self.kinds.contains(&LiveKind::Calls)
                    && place.holds(&call.api.service, &call.api.environment);
                (wanted && self.admit(now)).then(|| {
                    let skipped = std::mem::take(&mut self.skipped);
                    LiveMessage::Call(Box::new(call::live_call(call, skipped)))
                })
            }
            LiveEvent::Anomaly(anomaly) => {
                let wanted = self.kinds.contains(&LiveKind::Anomalies) && concerns(anomaly);
                wanted
                    .then(|| LiveMessage::Anomaly(Box::new(anomalies::anomaly(anomaly, watermark))))
            }
            LiveEvent::Incident(incident) => {
                let wanted = self.kinds.contains(&LiveKind::Incidents)
                    && (unfiltered || incidents::concerns(incident, &place));
                wanted.then(|| {
                    LiveMessage::Incident(Box::new(incidents::incident(incident, watermark)))
                })
            }
            LiveEvent::Alert(alert) => {
                let wanted = self.kinds.contains(&LiveKind::Alerts)
                    && (unfiltered || alert.anomalies.iter().any(concerns));
                wanted.then(|| LiveMessage::Alert(Box::new(alerts::alert(alert, watermark))))
            }
        }
    }

    /// Whether one more call fits into this second; those that do not are counted.
    fn admit(&mut self, now: Time) -> bool {
        let second = now.floor(Duration::from_secs(1));
        if second != self.second {
            self.second = second;
            self.sent_this_second = 0;
        }
        let admitted = self.sent_this_second < self.calls_per_second;
        if admitted {
            self.sent_this_second += 1;
        } else {
            self.skipped += 1;
        }
        admitted
    }
}

fn kind(name: &str) -> Result<LiveKind, Failure> {
    LiveKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == name.trim())
        .ok_or_else(|| {
            Failure::bad_parameter("kinds", "this is no kind of event".to_owned())
                .hint("kinds are calls, anomalies, incidents, alerts; several with commas between")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_beyond_the_rate_are_counted() {
        let query = LiveQuery {
            calls_per_second: Some(2),
            ..LiveQuery::default()
        };
        let mut filter = Filter::new(query).unwrap();
        let admitted: Vec<bool> = [10, 200, 300, 999, 1_000]
            .map(|ms| filter.admit(Time::from_millis(ms)))
            .to_vec();
        assert_eq!(admitted, [true, true, false, false, true]);
        assert_eq!(filter.skipped, 2);
    }

    #[test]
    fn only_our_own_page_may_listen() {
        let check = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:8080".parse().unwrap());
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            same_origin(&headers).is_ok()
        };
        assert!(check("http://127.0.0.1:8080"));
        for foreign in [
            "http://evil.example",
            "null",
            "http://127.0.0.1:8081",
            "127.0.0.1:8080",
        ] {
            assert!(!check(foreign), "{foreign}");
        }
    }
}
