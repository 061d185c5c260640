//! Events are news: after an hour they go, as the API server lets them expire from etcd.

use jiff::SignedDuration;

use super::manager::{Controller, View};
use super::plan::Plan;
use super::pod;
use super::queue::Key;
use super::world::{Change, World};
use crate::client::ListOptions;

const KEPT: SignedDuration = SignedDuration::from_secs(3_600);
const EVERY: SignedDuration = SignedDuration::from_secs(300);

#[derive(Debug)]
pub(super) struct Expiry;

impl Controller for Expiry {
    fn name(&self) -> &'static str {
        "event-expiry"
    }

    fn wake(&mut self, change: &Change<'_>, _: &World, wake: &mut dyn FnMut(&str, &str, &str)) {
        // Once at the beginning; then it wakes itself.
        if change.resource == "namespaces" && change.is_new() {
            wake("events", "", "");
        }
    }

    fn plan(&mut self, _: &Key, view: &View<'_>) -> Plan {
        let mut plan = Plan::default();
        plan.again_in(EVERY);
        let listing = view.client.list("events", None, &ListOptions::all());
        for event in listing.map(|listing| listing.items).unwrap_or_default() {
            let last = pod::time(&event["lastTimestamp"])
                .or_else(|| pod::time(&event["series"]["lastObservedTime"]))
                .or_else(|| pod::time(&event["eventTime"]))
                .unwrap_or_else(|| pod::created(&event));
            if last + KEPT <= view.now {
                plan.delete("events", &event, None);
            }
        }
        plan
    }
}
