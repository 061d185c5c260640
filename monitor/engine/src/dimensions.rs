//! Which instance, version, status, … the calls of a bucket had, in bounded memory.
//!
//! When an Api has more values of a dimension than we keep, the ones with the smallest hashes
//! stay. Which ones those are does not depend on the order of arrival, and the same values stay in
//! every bucket, so shares can be compared over time; the others count in the totals only.

use std::hash::{Hash, Hasher};

use monitor_core::{Call, CallStatus, Name, Outcome};
use rustc_hash::FxHasher;
use serde::{Deserialize, Serialize};

/// Values kept of each dimension.
const MAX_VALUES: usize = 24;
/// Totals are halved beyond this, so that what is usual follows deployments within hours.
const DECAY_ABOVE: u64 = 50_000;

pub(crate) const INSTANCE: usize = 0;
pub(crate) const VERSION: usize = 1;
pub(crate) const STATUS: usize = 2;
pub(crate) const DIMENSIONS: [&str; 6] = [
    "instance",
    "version",
    "status",
    "error.type",
    "client",
    "caller",
];

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Label {
    Text(Name),
    Http(u16),
    Grpc(u8),
}

impl Label {
    pub(crate) fn name(&self) -> Name {
        match self {
            Label::Text(name) => name.clone(),
            Label::Http(code) => code.to_string().into(),
            Label::Grpc(code) => format!("grpc {code}").into(),
        }
    }

    fn hash(&self) -> u64 {
        let mut hasher = FxHasher::default();
        Hash::hash(self, &mut hasher);
        hasher.finish()
    }
}

/// Calls by half-octave of their duration: enough to tell slow from usual.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Octaves(Vec<(u8, u32)>);

impl Octaves {
    fn bin(seconds: f64) -> u8 {
        let half_octaves = (seconds.max(1e-6) * 1e6).log2() * 2.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0..=255 on this line"
        )]
        let bin = half_octaves.clamp(0.0, 255.0) as u8;
        bin
    }

    /// Seconds that a bin stands for.
    fn middle(bin: u8) -> f64 {
        1e-6 * ((f64::from(bin) + 0.5) / 2.0).exp2()
    }

    fn add(&mut self, bin: u8, n: u32) {
        match self.0.binary_search_by_key(&bin, |entry| entry.0) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(n),
            Err(at) => self.0.insert(at, (bin, n)),
        }
    }

    fn above(&self, seconds: f64) -> u64 {
        let limit = Octaves::bin(seconds);
        self.0
            .iter()
            .filter(|entry| entry.0 > limit)
            .map(|entry| u64::from(entry.1))
            .sum()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    durations: Octaves,
}

impl Tally {
    /// Calls by bin of their duration, ascending.
    pub(crate) fn durations(&self) -> &[(u8, u32)] {
        &self.durations.0
    }

    pub(crate) fn merge(&mut self, other: &Tally) {
        self.calls += other.calls;
        self.errors += other.errors;
        for &(bin, n) in &other.durations.0 {
            self.durations.add(bin, n);
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    label: Label,
    tally: Tally,
}

/// Seconds that a bin of [`Tally::durations`] stands for.
pub(crate) fn middle_of(bin: u8) -> f64 {
    Octaves::middle(bin)
}

/// Which of a bucket's calls are looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Selection {
    Errors,
    /// Calls that took longer than this many seconds.
    SlowerThan(f64),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dimensions {
    total: Tally,
    values: [Vec<Entry>; DIMENSIONS.len()],
}

impl Dimensions {
    pub(crate) fn add(&mut self, call: &Call) {
        let tally = |target: &mut Tally, bin: Option<u8>, error: bool| {
            target.calls += 1;
            target.errors += u64::from(error);
            if let Some(bin) = bin {
                target.durations.add(bin, 1);
            }
        };
        let bin = call.duration.map(|d| Octaves::bin(d.as_secs_f64()));
        let error = call.status.outcome() == Outcome::ServerError;
        tally(&mut self.total, bin, error);
        let text = |name: &Name| (!name.is_empty()).then(|| Label::Text(name.clone()));
        let labels = [
            text(&call.instance),
            call.version.as_ref().and_then(text),
            match call.status {
                CallStatus::Http(code) => Some(Label::Http(code)),
                CallStatus::Grpc(code) => Some(Label::Grpc(code)),
                CallStatus::Failed(_) | CallStatus::Unknown => None,
            },
            call.error_type.as_ref().and_then(text),
            call.client.as_ref().and_then(text),
            call.caller.as_ref().and_then(text),
        ];
        for (entries, label) in self.values.iter_mut().zip(labels) {
            if let Some(entry) = label.and_then(|label| place(entries, &label)) {
                tally(&mut entry.tally, bin, error);
            }
        }
    }

    /// Adds all of `other`; in any order the same values stay.
    pub(crate) fn merge(&mut self, other: &Dimensions) {
        self.total.merge(&other.total);
        for (entries, more) in self.values.iter_mut().zip(&other.values) {
            for entry in more {
                if let Some(mine) = place(entries, &entry.label) {
                    mine.tally.merge(&entry.tally);
                }
            }
        }
    }

    /// Adds calls of normal times and forgets slowly. Durations are not kept: what is usual is a
    /// value's share of all calls.
    pub(crate) fn learn(&mut self, other: &Dimensions) {
        self.total.calls += other.total.calls;
        self.total.errors += other.total.errors;
        for (entries, more) in self.values.iter_mut().zip(&other.values) {
            for entry in more {
                if let Some(mine) = place(entries, &entry.label) {
                    mine.tally.calls += entry.tally.calls;
                    mine.tally.errors += entry.tally.errors;
                }
            }
        }
        if self.total.calls > DECAY_ABOVE {
            self.total.calls /= 2;
            self.total.errors /= 2;
            for entries in &mut self.values {
                for entry in entries.iter_mut() {
                    entry.tally.calls /= 2;
                    entry.tally.errors /= 2;
                }
                entries.retain(|entry| entry.tally.calls > 0);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Dimensions::default();
    }

    /// How many calls the selection holds.
    pub(crate) fn selected(&self, selection: Selection) -> u64 {
        count(&self.total, selection)
    }

    /// Each dimension's values with their share of the selection, ordered by label.
    pub(crate) fn shares(
        &self,
        selection: Selection,
    ) -> impl Iterator<Item = (usize, &Label, u64)> + '_ {
        self.values
            .iter()
            .enumerate()
            .flat_map(move |(dimension, entries)| {
                let mut sorted: Vec<&Entry> = entries.iter().collect();
                sorted.sort_by(|a, b| a.label.cmp(&b.label));
                sorted
                    .into_iter()
                    .map(move |entry| (dimension, &entry.label, count(&entry.tally, selection)))
            })
    }

    /// The share of all calls that had this value, 0 to 1.
    pub(crate) fn share_of(&self, dimension: usize, label: &Label) -> f64 {
        if self.total.calls == 0 {
            return 0.0;
        }
        let calls = self.values[dimension]
            .iter()
            .find(|entry| entry.label == *label)
            .map_or(0, |entry| entry.tally.calls);
        calls as f64 / self.total.calls as f64
    }

    pub(crate) fn calls(&self) -> u64 {
        self.total.calls
    }

    /// The statuses of calls that neither failed nor were refused, with how many there were of each.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (&Label, u64)> + Clone {
        self.values[STATUS].iter().filter_map(|entry| {
            let status = match entry.label {
                Label::Http(code) => CallStatus::Http(code),
                Label::Grpc(code) => CallStatus::Grpc(code),
                Label::Text(_) => return None,
            };
            let refused = matches!(
                status,
                CallStatus::Http(401 | 403) | CallStatus::Grpc(7 | 16)
            );
            let answered = matches!(status.outcome(), Outcome::Ok | Outcome::ClientError);
            (answered && !refused).then_some((&entry.label, entry.tally.calls))
        })
    }

    /// What each value of a dimension did, in the order of their names.
    pub(crate) fn peers(&self, dimension: usize) -> Vec<(Name, &Tally)> {
        let mut peers: Vec<(Name, &Tally)> = self.values[dimension]
            .iter()
            .map(|entry| (entry.label.name(), &entry.tally))
            .collect();
        peers.sort_by(|a, b| a.0.cmp(&b.0));
        peers
    }

    pub(crate) fn total(&self) -> &Tally {
        &self.total
    }
}

fn count(tally: &Tally, selection: Selection) -> u64 {
    match selection {
        Selection::Errors => tally.errors,
        Selection::SlowerThan(seconds) => tally.durations.above(seconds),
    }
}

fn place<'a>(entries: &'a mut Vec<Entry>, label: &Label) -> Option<&'a mut Entry> {
    if let Some(at) = entries.iter().position(|entry| entry.label == *label) {
        return entries.get_mut(at);
    }
    let fresh = Entry {
        label: label.clone(),
        tally: Tally::default(),
    };
    if entries.len() < MAX_VALUES {
        entries.push(fresh);
        return entries.last_mut();
    }
    let rank = |label: &Label| (label.hash(), label.clone());
    let largest = (0..entries.len()).max_by_key(|&at| rank(&entries[at].label))?;
    if rank(label) > rank(&entries[largest].label) {
        return None;
    }
    entries[largest] = fresh;
    entries.get_mut(largest)
}
