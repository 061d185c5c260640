//! Which formats a service writes its records in, and whether it begins to write others.
//!
//! A changed format harms nobody by itself. But whoever reads those lines (we, dashboards, alerts
//! on fields) may read nothing any more, and nobody else would say so.

use std::collections::BTreeMap;
use std::time::Duration;

use monitor_core::{Contribution, Measure, Name, Subject, Time, Watching};
use monitor_detect::{Detector, Phase, RatioDetector};
use serde::{Deserialize, Serialize};

use crate::api::NOT_JUDGED;
use crate::config::EngineConfig;
use crate::episode::{Change, Episode, Origin};
use crate::models;
use crate::window::LogWindow;

/// Formats remembered of one service; the rest counts as known.
const MAX_KNOWN: usize = 32;
/// A format is the usual when it has been seen again and again for so long and nothing came of it: the
/// window in which a service changes its format may have only some lines of the new one at its end.
const NEWS: Duration = Duration::from_secs(60);
/// As a person reads the name of no format.
const UNRECOGNISED: &str = "unrecognised";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Formats {
    /// With the records seen of each.
    known: BTreeMap<Name, u64>,
    /// Others: since when they have been seen, and when last.
    new: BTreeMap<Name, (Time, Time)>,
    model: RatioDetector,
    pub(crate) episode: Episode,
    held: bool,
}

impl Formats {
    pub(crate) fn new(config: &EngineConfig) -> Formats {
        Formats {
            known: BTreeMap::new(),
            new: BTreeMap::new(),
            model: models::log_format(config),
            episode: Episode::default(),
            held: false,
        }
    }

    pub(crate) fn tune(&mut self, own: Option<&Watching>, config: &EngineConfig) {
        models::tune_log_format(&mut self.model, own, config);
    }

    pub(crate) fn hold(&mut self, hold: bool) {
        self.held = hold;
        self.model.hold(hold);
    }

    pub(crate) fn skip_to(&mut self, time: Time) {
        self.model.skip_to(time);
    }

    /// Records in formats that are not known, once there are any that are.
    fn strange(&self, window: &LogWindow) -> u64 {
        if self.known.is_empty() || self.known.len() >= MAX_KNOWN {
            return 0;
        }
        window
            .sum
            .formats
            .iter()
            .filter(|(format, _)| !self.known.contains_key(*format))
            .map(|(_, records)| records)
            .sum()
    }

    pub(crate) fn is_pressing(&self, window: &LogWindow) -> bool {
        let strange = self.strange(window);
        strange > 0 && self.model.is_pressing(&window.sample(strange))
    }

    /// What is strange and no anomaly, nor on its way to become one, is known after a while.
    pub(crate) fn judge(
        &mut self,
        window: &LogWindow,
        subject: &Subject,
        off: bool,
    ) -> Option<Change> {
        let strange = self.strange(window);
        let verdict = self.model.judge(&window.sample(strange))?;
        let named = if verdict.phase.is_anomalous() {
            self.named(window)
        } else {
            Vec::new()
        };
        let change = if off {
            self.episode.dismiss(window.end(), NOT_JUDGED)
        } else {
            let origin = Origin {
                subject,
                measure: Measure::LogFormatRatio,
                detector: self.model.name(),
                scale: 1.0,
                peers: None,
            };
            self.episode.follow(&verdict, origin, |_| named)
        };
        let learning = matches!(verdict.phase, Phase::Learning(_));
        let normal = verdict.phase == Phase::Normal && verdict.score.get() == 0.0;
        let at_once = learning || verdict.phase == Phase::Shifted;
        if !self.held && (at_once || normal) {
            for (format, records) in &window.sum.formats {
                self.learn(format, *records, window.end(), at_once);
            }
        } else if strange > 0 {
            self.new.clear();
        }
        change
    }

    fn learn(&mut self, format: &Name, records: u64, now: Time, at_once: bool) {
        if let Some(seen) = self.known.get_mut(format) {
            *seen = seen.saturating_add(records);
            return;
        }
        if self.known.len() >= MAX_KNOWN {
            return;
        }
        self.new.retain(|_, (_, last)| now.since(*last) < NEWS);
        let first = self.new.get(format).map_or(now, |(first, _)| *first);
        if at_once || now.since(first) >= NEWS {
            self.new.remove(format);
            self.known.insert(Name::clone(format), records);
        } else if self.new.len() < MAX_KNOWN || self.new.contains_key(format) {
            self.new.insert(Name::clone(format), (first, now));
        }
    }

    /// The format that most of the strange records are of.
    fn named(&self, window: &LogWindow) -> Vec<Contribution> {
        let strange = self.strange(window).max(1) as f64;
        window
            .sum
            .formats
            .iter()
            .filter(|(format, _)| !self.known.contains_key(*format))
            .max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)))
            .map(|(format, records)| Contribution {
                dimension: "format".into(),
                value: if format.is_empty() {
                    UNRECOGNISED.into()
                } else {
                    format.clone()
                },
                share: *records as f64 / strange,
                usual_share: 0.0,
            })
            .into_iter()
            .collect()
    }
}
