//! Events: what controllers tell people, as `kubectl describe` and `kubectl get events` show it.
//!
//! The same sentence about the same object is one Event with a count.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::plan::Said;
use super::pod;
use crate::client::{Client, Patch};
use crate::object;
use crate::status::Status;

/// Sentences remembered; the oldest are forgotten first, and then said anew. As client-go's cache.
const REMEMBERED: usize = 4_096;

type Sentence = (String, &'static str, String);

#[derive(Debug, Default)]
pub(super) struct Recorder {
    known: HashMap<Sentence, (String, u64)>,
    order: VecDeque<Sentence>,
    /// Makes names unique.
    recorded: u64,
}

impl Recorder {
    pub(super) fn record(
        &mut self,
        client: &Client,
        source: &str,
        said: &Said,
        now: Timestamp,
    ) -> Result<(), Status> {
        let about = &said.about;
        let sentence = (
            object::uid(about).to_owned(),
            said.reason,
            said.message.clone(),
        );
        let namespace = match object::namespace(about) {
            "" => "default",
            namespace => namespace,
        };
        if let Some((name, count)) = self.known.get_mut(&sentence) {
            *count += 1;
            let again = json!({ "count": count, "lastTimestamp": pod::stamp(now) });
            match client.patch("events", namespace, name, "", Patch::Merge(again)) {
                // It has expired: said anew.
                Err(status) if status.code == 404 => {}
                done => return done.map(drop),
            }
        }
        self.recorded += 1;
        let event = event(source, said, namespace, self.recorded, now);
        let name = object::name(&event).to_owned();
        client.create("events", event)?;
        if self.known.insert(sentence.clone(), (name, 1)).is_none() {
            self.order.push_back(sentence);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        Ok(())
    }
}

fn event(source: &str, said: &Said, namespace: &str, number: u64, now: Timestamp) -> Value {
    let about = &said.about;
    let component = match source {
        "scheduler" => "default-scheduler".to_owned(),
        controller => format!("{controller}-controller"),
    };
    let at = pod::stamp(now);
    // The API's own bound.
    let message: String = said.message.chars().take(1_024).collect();
    let unique = now
        .as_microsecond()
        .unsigned_abs()
        .wrapping_mul(1_024)
        .wrapping_add(number);
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {
            "namespace": namespace,
            "name": format!("{}.{unique:016x}", object::name(about)),
        },
        "involvedObject": {
            "apiVersion": about["apiVersion"], "kind": about["kind"],
            "namespace": object::namespace(about), "name": object::name(about),
            "uid": object::uid(about),
            "resourceVersion": object::text(about, &["metadata", "resourceVersion"]),
        },
        "type": if said.warning { "Warning" } else { "Normal" },
        "reason": said.reason,
        "message": message,
        "count": 1,
        "firstTimestamp": at, "lastTimestamp": at,
        "source": { "component": component },
        "reportingComponent": component, "reportingInstance": "",
    })
}
