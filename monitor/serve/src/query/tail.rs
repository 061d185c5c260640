//! `GET /search/tail`: new records that match a query, as Server-Sent Events.
//!
//! Asks the index once a second for what is new; the index is the only place that knows the search
//! language, and asking it keeps the tail's answers equal to the search's. [`Cursor`] decides what
//! is new and does no IO.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, StreamExt};
use monitor_api::{Problem, TailMessage, TailQuery};
use monitor_core::{Hit, RecordId, SearchPage, SearchRequest, Time};

use super::params::Params;
use super::problem::Failure;
use super::search::record;
use super::when;
use crate::Shared;

const INTERVAL: Duration = Duration::from_secs(1);

/// Records a poll may bring, and hence the most that one tail sends a second.
const MOST_A_POLL: usize = 500;

/// Records become searchable out of the order of their times; one that comes this much later than
/// the newest is still found.
const LATENESS: Duration = Duration::from_secs(30);

#[utoipa::path(
    get, path = "/api/v1/search/tail", tag = "search", params(TailQuery),
    responses(
        (status = 200, body = TailMessage, content_type = "text/event-stream",
            description = "Server-Sent Events whose `data` is a TailMessage"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
    ),
)]
/// New records that match a query, until the reader leaves.
pub(crate) async fn tail(
    State(shared): State<Shared>,
    Params(query): Params<TailQuery>,
) -> Result<impl IntoResponse, Failure> {
    let place = shared.place_for_reader()?;
    let now = shared.ports.clock.now();
    let from = when::optional_time("from", query.from.as_deref(), now)?.unwrap_or(now);
    let mut cursor = Cursor::new(query.query, from);
    // The first poll comes before the answer begins, so that a bad query is an ordinary problem.
    let first = poll(&shared, &mut cursor).await?;

    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + INTERVAL, INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stop = shared.stop.clone();
    let polls = stream::unfold((shared, cursor, ticks, false), |state| async move {
        let (shared, mut cursor, mut ticks, failed) = state;
        if failed {
            return None;
        }
        ticks.tick().await;
        let (messages, failed) = match poll(&shared, &mut cursor).await {
            Ok(messages) => (messages, false),
            Err(failure) => {
                let problem = failure.into_problem();
                (vec![TailMessage::Failed { problem }], true)
            }
        };
        Some((messages, (shared, cursor, ticks, failed)))
    });
    let events = stream::iter([first])
        .chain(polls)
        .flat_map(stream::iter)
        .map(move |message| {
            // Held until the reader leaves.
            let _place = &place;
            Ok::<Event, Infallible>(
                Event::default()
                    .json_data(&message)
                    .unwrap_or_else(|_| Event::default()),
            )
        })
        .take_until(stop.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new()))
}

async fn poll(shared: &Shared, cursor: &mut Cursor) -> Result<Vec<TailMessage>, Failure> {
    let request = cursor.request();
    let page = shared
        .searching(move |index| index.search(&request))
        .await?;
    Ok(cursor.take(page))
}

/// What a tail has sent, and where it goes on.
#[derive(Debug)]
struct Cursor {
    query: String,
    /// Nothing older is looked for.
    floor: Time,
    newest: Time,
    /// What was sent and could be found again.
    sent: BTreeMap<RecordId, Time>,
}

impl Cursor {
    fn new(query: String, from: Time) -> Cursor {
        Cursor {
            query,
            floor: from,
            newest: from,
            sent: BTreeMap::new(),
        }
    }

    fn request(&self) -> SearchRequest {
        SearchRequest {
            query: self.query.clone(),
            from: Some(self.floor),
            to: None,
            limit: MOST_A_POLL,
            offset: 0,
            newest_first: true,
        }
    }

    /// The messages for what is new on a page, oldest first.
    fn take(&mut self, page: SearchPage) -> Vec<TailMessage> {
        let found = page.hits.len();
        let oldest = page.hits.iter().map(|hit| hit.time).min();
        let fresh: Vec<Hit> = page
            .hits
            .into_iter()
            .filter(|hit| !self.sent.contains_key(&hit.id))
            .collect();
        let mut messages = Vec::with_capacity(fresh.len() + 1);

        // Those beyond the page that were not sent either are given up, and said to be.
        if let Some(oldest) = oldest
            && page.total > found as u64
        {
            let sent_in_range = self
                .sent
                .values()
                .filter(|time| **time >= self.floor)
                .count();
            let seen = (sent_in_range + fresh.len()) as u64;
            if page.total > seen {
                messages.push(TailMessage::Skipped {
                    records: page.total - seen,
                });
                self.floor = self.floor.max(oldest);
            }
        }
        for hit in fresh.into_iter().rev() {
            self.newest = self.newest.max(hit.time);
            self.sent.insert(hit.id, hit.time);
            messages.push(TailMessage::Record(Box::new(record(hit))));
        }
        self.floor = self.floor.max(self.newest - LATENESS);
        self.sent.retain(|_, time| *time >= self.floor);
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use monitor_core::{Kind, ServiceKey};

    fn hit(item: u32, seconds: i64) -> Hit {
        Hit {
            id: RecordId { batch: 1, item },
            kind: Kind::Log,
            time: Time::from_secs(seconds),
            service: ServiceKey::new("", "orders"),
            environment: "unknown".into(),
            instance: "".into(),
            severity: None,
            format: None,
            text: String::new(),
            template: None,
            trace_id: None,
            span_id: None,
            attributes: Vec::new(),
        }
    }

    fn said(messages: &[TailMessage]) -> Vec<String> {
        messages
            .iter()
            .map(|message| match message {
                TailMessage::Record(record) => record.id.clone(),
                TailMessage::Skipped { records } => format!("skipped {records}"),
                TailMessage::Failed { problem } => problem.to_string(),
            })
            .collect()
    }

    fn page(total: u64, hits: &[(u32, i64)]) -> SearchPage {
        let mut hits: Vec<Hit> = hits
            .iter()
            .map(|(item, seconds)| hit(*item, *seconds))
            .collect();
        hits.sort_by_key(|hit| std::cmp::Reverse(hit.time));
        SearchPage { hits, total }
    }

    #[test]
    fn each_record_comes_once_and_late_ones_come_too() {
        let mut cursor = Cursor::new(String::new(), Time::from_secs(100));
        assert_eq!(
            said(&cursor.take(page(2, &[(0, 101), (1, 103)]))),
            ["1-0", "1-1"]
        );
        let second = page(4, &[(0, 101), (2, 102), (1, 103), (3, 140)]);
        assert_eq!(said(&cursor.take(second)), ["1-2", "1-3"]);
        // What is out of reach is forgotten.
        assert_eq!(cursor.request().from, Some(Time::from_secs(110)));
        assert_eq!(cursor.sent.len(), 1);
    }

    #[test]
    fn what_does_not_fit_is_counted_once() {
        let mut cursor = Cursor::new(String::new(), Time::from_secs(100));
        let first = page(7, &[(5, 105), (6, 106)]);
        assert_eq!(said(&cursor.take(first)), ["skipped 5", "1-5", "1-6"]);
        assert_eq!(cursor.request().from, Some(Time::from_secs(105)));
        let second = page(3, &[(5, 105), (6, 106), (7, 107)]);
        assert_eq!(said(&cursor.take(second)), ["1-7"]);
    }
}
