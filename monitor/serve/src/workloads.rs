//! What of the workloads changed, and since when: behind `GET /workloads`.
//!
//! Whoever keeps a resource for each workload asks once a second and wants to hear of nothing but
//! changes. So each view is compared with the one before it once, by a task, and not by each
//! request: [`follow`] owns a [`Book`] and publishes what it holds; the handler only chooses.

mod render;

use std::collections::BTreeMap;
use std::sync::Arc;

use monitor_api::{ApiState, WorkloadView, Workloads};
use monitor_core::{Time, View};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Clock;
use render::Seen;

/// Revision of the configuration in force, by source.
pub type Revisions = BTreeMap<String, String>;

/// All workloads at one moment, each with the number of its last change. Immutable.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Of the monitor's start, and of how often a workload was forgotten since: what a delta could
    /// not tell begins a new one.
    epoch: String,
    /// Of the last change of anything.
    number: u64,
    configurations: Revisions,
    items: Vec<Arc<Item>>,
}

#[derive(Debug)]
struct Item {
    number: u64,
    seen: Seen,
}

impl Published {
    /// Everything, or what changed since the cursor; and whether that is anything.
    pub(crate) fn since(
        &self,
        after: Option<&str>,
        wanted: impl Fn(&WorkloadView) -> bool,
    ) -> (Workloads, bool) {
        let seen = after.and_then(|cursor| self.seen_by(cursor));
        let items: Vec<WorkloadView> = self
            .items
            .iter()
            .filter(|item| seen.is_none_or(|seen| item.number > seen) && wanted(&item.seen.view))
            .map(|item| item.seen.view.clone())
            .collect();
        let anything = seen.is_none_or(|seen| self.configured_since(seen)) || !items.is_empty();
        let answer = Workloads {
            cursor: format!("{}-{}", self.epoch, self.number),
            configurations: self.configurations.clone(),
            items,
            complete: seen.is_none(),
        };
        (answer, anything)
    }

    /// The number in a cursor of ours; any other text asks for everything.
    fn seen_by(&self, cursor: &str) -> Option<u64> {
        let (epoch, number) = cursor.rsplit_once('-')?;
        let number: u64 = number.parse().ok()?;
        (epoch == self.epoch && number <= self.number).then_some(number)
    }

    /// Changes of no workload are changes of the configurations.
    fn configured_since(&self, seen: u64) -> bool {
        self.number > seen && self.items.iter().all(|item| item.number <= seen)
    }
}

/// Compares each view with the one before it.
#[derive(Debug)]
pub struct Book {
    started: Time,
    forgotten: u64,
    now: Published,
}

impl Book {
    /// `started` tells this run of the monitor from others.
    pub fn new(started: Time) -> Book {
        let mut book = Book {
            started,
            forgotten: 0,
            now: Published::default(),
        };
        book.now.epoch = book.epoch();
        book
    }

    fn epoch(&self) -> String {
        format!("{:x}.{}", self.started.as_nanos(), self.forgotten)
    }

    /// O(Apis log Apis).
    pub fn take(&mut self, view: &View, configurations: &Revisions, now: Time) -> Published {
        let number = self.now.number + 1;
        let mut changed = false;
        let mut before = std::mem::take(&mut self.now.items).into_iter().peekable();
        let mut items = Vec::new();
        // Both are in order of their names.
        for mut seen in render::workloads(view) {
            while before
                .next_if(|item| key(&item.seen) < key(&seen))
                .is_some()
            {
                self.forgotten += 1;
                changed = true;
            }
            let known = before.next_if(|item| key(&item.seen) == key(&seen));
            let number = match known {
                Some(known) if is_same(&known.seen, &seen) => {
                    seen.view.changed.clone_from(&known.seen.view.changed);
                    known.number
                }
                _ => {
                    changed = true;
                    seen.view.changed = now.to_string();
                    number
                }
            };
            items.push(Arc::new(Item { number, seen }));
        }
        for _gone in before {
            self.forgotten += 1;
            changed = true;
        }
        changed |= self.now.configurations != *configurations;
        self.now = Published {
            epoch: self.epoch(),
            number: if changed { number } else { self.now.number },
            configurations: configurations.clone(),
            items,
        };
        self.now.clone()
    }
}

fn key(seen: &Seen) -> (&str, &str, &str) {
    let view = &seen.view;
    (&view.namespace, &view.service, &view.environment)
}

/// Whether only numbers moved.
fn is_same(a: &Seen, b: &Seen) -> bool {
    let flow = a.flowing == b.flowing;
    let (a, b) = (&a.view, &b.view);
    // While all is well or learned, the reason is a count.
    let reason = |view: &WorkloadView| match view.state {
        ApiState::Learning | ApiState::Ok => None,
        _ => Some(view.reason.clone()),
    };
    let troubled = |view: &WorkloadView| -> Vec<(String, ApiState)> {
        let mut routes: Vec<_> = view
            .routes
            .iter()
            .filter(|route| !matches!(route.state, ApiState::Learning | ApiState::Ok))
            .map(|route| (route.id.clone(), route.state))
            .collect();
        routes.sort();
        routes
    };
    let parts = |view: &WorkloadView| -> Vec<(String, bool)> {
        let incidents = view.incidents.iter();
        incidents
            .map(|part| (part.id.clone(), part.root_cause))
            .collect()
    };
    let probes = |view: &WorkloadView| -> Vec<(String, bool)> {
        let probes = view.probes.iter();
        probes.map(|probe| (probe.name.clone(), probe.ok)).collect()
    };
    a.state == b.state
        && reason(a) == reason(b)
        && a.first_log.is_some() == b.first_log.is_some()
        && flow
        && a.log_format == b.log_format
        && unread(a.unrecognised_ratio) == unread(b.unrecognised_ratio)
        && learned(a.learned_ratio) == learned(b.learned_ratio)
        && a.apis == b.apis
        && troubled(a) == troubled(b)
        && parts(a) == parts(b)
        && probes(a) == probes(b)
}

/// None, some, many, most: what a person would call a difference.
fn unread(ratio: f64) -> u8 {
    match ratio {
        ratio if ratio <= 0.0 => 0,
        ratio if ratio < 0.1 => 1,
        ratio if ratio < 0.5 => 2,
        _ => 3,
    }
}

fn learned(ratio: f64) -> u8 {
    match ratio {
        ratio if ratio <= 0.0 => 0,
        ratio if ratio < 1.0 => 1,
        _ => 2,
    }
}

/// Keeps what `GET /workloads` answers in step with the view until told to stop.
pub async fn follow(
    mut views: watch::Receiver<Arc<View>>,
    mut revisions: watch::Receiver<Arc<Revisions>>,
    out: watch::Sender<Arc<Published>>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let mut book = Book::new(clock.now());
    loop {
        let view = Arc::clone(&views.borrow_and_update());
        let configurations = Arc::clone(&revisions.borrow_and_update());
        out.send_replace(Arc::new(book.take(&view, &configurations, clock.now())));
        let changed = tokio::select! {
            changed = views.changed() => changed,
            changed = revisions.changed() => changed,
            () = stop.cancelled() => return,
        };
        if changed.is_err() {
            return;
        }
    }
}
