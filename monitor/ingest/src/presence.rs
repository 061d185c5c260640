//! Who sends logs, since when, and how well they are read: one line for each service and
//! environment.
//!
//! Called by the pipeline with every log record. What it keeps is known the moment a record is
//! understood, before the engine has judged the second that the record belongs to.

use std::cmp::Reverse;
use std::sync::Arc;

use monitor_core::{FormatName, LogsView, Name, Record, Resource, ServiceKey, Time};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// Workloads remembered; beyond, the one that was silent for longest makes room.
const MAX_WORKLOADS: usize = 20_000;
/// How well records are read is said of this and the one before it.
const WINDOW_SECS: i64 = 120;
/// Formats told apart of one workload; each of its containers may have its own.
const MAX_FORMATS: usize = 8;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Presence {
    workloads: Vec<Logs>,
    #[serde(skip)]
    places: FxHashMap<(ServiceKey, Name), usize>,
    /// Someone was heard for the first time since this was last asked.
    #[serde(skip)]
    news: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Logs {
    service: ServiceKey,
    environment: Name,
    first: Time,
    last: Time,
    received: Time,
    records: u64,
    /// By receipt.
    window: i64,
    now: Reading,
    before: Reading,
}

/// How the records of one window were read.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Reading {
    unrecognised: u64,
    formats: Vec<(Name, u64)>,
}

impl Presence {
    /// Builds what a snapshot does not hold.
    pub(crate) fn reindex(&mut self) {
        self.places = self
            .workloads
            .iter()
            .enumerate()
            .map(|(place, logs)| ((logs.service.clone(), logs.environment.clone()), place))
            .collect();
    }

    /// Takes note of a record; `place` is where the previous one of the same resource was found.
    pub(crate) fn see(&mut self, record: &Record, place: &mut Option<usize>) {
        let at = match *place {
            Some(at)
                if self
                    .workloads
                    .get(at)
                    .is_some_and(|logs| logs.is_of(&record.resource)) =>
            {
                at
            }
            _ => self.place(&record.resource, record.observed),
        };
        *place = Some(at);
        self.workloads[at].see(record);
    }

    /// Whether a workload was heard for the first time since this was last asked.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// In order of service and environment.
    pub(crate) fn view(&self) -> Vec<LogsView> {
        let mut views: Vec<LogsView> = self.workloads.iter().map(Logs::view).collect();
        views.sort_by(|a, b| (&a.service, &a.environment).cmp(&(&b.service, &b.environment)));
        views
    }

    fn place(&mut self, resource: &Resource, received: Time) -> usize {
        let key = (
            resource.service.clone(),
            Arc::clone(&resource.environment.name),
        );
        if let Some(&at) = self.places.get(&key) {
            return at;
        }
        self.news = true;
        let logs = Logs {
            service: key.0.clone(),
            environment: Arc::clone(&key.1),
            first: Time::MAX,
            last: Time::MIN,
            received,
            records: 0,
            window: 0,
            now: Reading::default(),
            before: Reading::default(),
        };
        let oldest = (0..self.workloads.len())
            .min_by_key(|&at| (self.workloads[at].received, at))
            .filter(|_| self.workloads.len() >= MAX_WORKLOADS);
        let at = match oldest {
            Some(at) => {
                let gone = std::mem::replace(&mut self.workloads[at], logs);
                self.places.remove(&(gone.service, gone.environment));
                at
            }
            None => {
                self.workloads.push(logs);
                self.workloads.len() - 1
            }
        };
        self.places.insert(key, at);
        at
    }
}

impl Logs {
    fn is_of(&self, resource: &Resource) -> bool {
        self.service == resource.service && self.environment == resource.environment.name
    }

    fn see(&mut self, record: &Record) {
        self.records += 1;
        self.first = self.first.min(record.time);
        // A sender's clock that is ahead does not make its last record one of the future.
        self.last = self.last.max(record.time.min(record.observed));
        self.received = self.received.max(record.observed);
        let window = record.observed.as_secs().div_euclid(WINDOW_SECS);
        if window > self.window {
            let before = std::mem::take(&mut self.now);
            self.before = if window == self.window + 1 {
                before
            } else {
                Reading::default()
            };
            self.window = window;
        }
        match record.format {
            Some(format) => self.now.recognised(format),
            None => self.now.unrecognised += 1,
        }
    }

    fn view(&self) -> LogsView {
        let mut formats: Vec<(&Name, u64)> = Vec::new();
        let readings = [&self.now, &self.before];
        for (format, n) in readings.iter().flat_map(|reading| &reading.formats) {
            match formats.iter_mut().find(|(known, _)| *known == format) {
                Some((_, sum)) => *sum += n,
                None => formats.push((format, *n)),
            }
        }
        formats.sort_by_key(|(format, n)| (Reverse(*n), *format));
        let recognised: u64 = formats.iter().map(|(_, n)| n).sum();
        let unrecognised: u64 = readings.iter().map(|reading| reading.unrecognised).sum();
        LogsView {
            service: self.service.clone(),
            environment: Arc::clone(&self.environment),
            first: self.first,
            last: self.last,
            records: self.records,
            format: formats.first().map(|(format, _)| Name::clone(format)),
            #[expect(clippy::cast_precision_loss, reason = "records of four minutes")]
            unrecognised_ratio: unrecognised as f64 / (recognised + unrecognised).max(1) as f64,
        }
    }
}

impl Reading {
    fn recognised(&mut self, format: FormatName) {
        let known = self
            .formats
            .iter_mut()
            .find(|(known, _)| **known == *format);
        if let Some((_, n)) = known {
            *n += 1;
        } else if self.formats.len() < MAX_FORMATS {
            self.formats.push((format.into(), 1));
        }
    }
}
