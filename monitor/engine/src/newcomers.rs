//! Whether somebody begins to use what they have never been seen to use: another status, answers of
//! another size, another log format.

use monitor_core::{Contribution, Measure, Name, Subject, Time};
use monitor_detect::{Detector, Options, Phase, RatioDetector, Sample, Sensitivity};
use serde::{Deserialize, Serialize};

use crate::api::NOT_JUDGED;
use crate::episode::{Change, Episode, Origin};
use crate::familiar::Familiar;

/// What can be familiar or not.
pub(crate) trait Kind: Ord + Clone {
    /// As a person reads it.
    fn name(&self) -> Name;

    /// What else is no news to those who know it.
    fn alike(&self) -> impl Iterator<Item = Self> {
        std::iter::empty()
    }
}

/// The share of things of unknown kinds, judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Newcomers<K> {
    known: Familiar<K>,
    model: RatioDetector,
    pub(crate) episode: Episode,
    held: bool,
}

/// What a window's things are, and what is said when they are strange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) measure: Measure,
    pub(crate) dimension: &'static str,
    /// Nobody wants to hear of it.
    pub(crate) off: bool,
}

impl<K: Kind> Newcomers<K> {
    pub(crate) fn new(model: RatioDetector) -> Newcomers<K> {
        Newcomers {
            known: Familiar::default(),
            model,
            episode: Episode::default(),
            held: false,
        }
    }

    /// Knows nothing any more; what is open stays open.
    pub(crate) fn forget(&mut self, model: RatioDetector) {
        let before = std::mem::replace(self, Newcomers::new(model));
        self.episode = before.episode;
        self.hold(before.held);
    }

    pub(crate) fn name(&self) -> &'static str {
        self.model.name()
    }

    pub(crate) fn tune(&mut self, options: Options, budget: Sensitivity) {
        self.model.tune(options, budget);
    }

    pub(crate) fn hold(&mut self, hold: bool) {
        self.held = hold;
        self.model.hold(hold);
    }

    pub(crate) fn skip_to(&mut self, time: Time) {
        self.model.skip_to(time);
    }

    /// How many things of `seen` are of unknown kinds, once there are any that are known.
    fn strangers<'a>(&self, seen: impl Iterator<Item = (&'a K, u64)>) -> u64
    where
        K: 'a,
    {
        seen.filter(|(kind, _)| self.known.is_strange(kind))
            .map(|(_, times)| times)
            .sum()
    }

    /// Whether what has come of a window is too strange to wait for its end.
    pub(crate) fn is_pressing<'a>(
        &self,
        seen: impl Iterator<Item = (&'a K, u64)>,
        sample: impl FnOnce(u64) -> Sample<'static>,
    ) -> bool
    where
        K: 'a,
    {
        let part = self.strangers(seen);
        part > 0 && self.model.is_pressing(&sample(part))
    }

    /// Judges a window that ends at `end`; `sample` makes it one of so many strangers. What is strange and no anomaly, nor on its way to become one,
    /// is known after a while.
    pub(crate) fn judge<'a>(
        &mut self,
        seen: impl Iterator<Item = (&'a K, u64)> + Clone,
        sample: impl FnOnce(u64) -> Sample<'static>,
        end: Time,
        told: Told<'_>,
    ) -> Option<Change>
    where
        K: 'a,
    {
        let part = self.strangers(seen.clone());
        let verdict = self.model.judge(&sample(part))?;
        let named = if verdict.phase.is_anomalous() {
            self.commonest(seen.clone(), part, told.dimension)
        } else {
            None
        };
        let change = if told.off {
            self.episode.dismiss(end, NOT_JUDGED)
        } else {
            let origin = Origin {
                subject: told.subject,
                measure: told.measure,
                detector: self.model.name(),
                scale: 1.0,
                peers: None,
            };
            let named = named.into_iter().collect();
            self.episode.follow(&verdict, origin, |_| named)
        };
        let learning = matches!(verdict.phase, Phase::Learning(_));
        let normal = verdict.phase == Phase::Normal && verdict.score.get() == 0.0;
        let at_once = learning || verdict.phase == Phase::Shifted;
        if self.held || !(at_once || normal) {
            self.known.doubt();
        } else {
            for (kind, _) in seen {
                self.known.see(kind, end, at_once);
                for other in kind.alike() {
                    self.known.see(&other, end, at_once);
                }
            }
        }
        change
    }

    /// The kind that most of the strange ones are of.
    fn commonest<'a>(
        &self,
        seen: impl Iterator<Item = (&'a K, u64)>,
        strange: u64,
        dimension: &'static str,
    ) -> Option<Contribution>
    where
        K: 'a,
    {
        let (kind, times) = seen
            .filter(|(kind, _)| self.known.is_strange(kind))
            .max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)))?;
        Some(Contribution {
            dimension: dimension.into(),
            value: kind.name(),
            share: times as f64 / strange.max(1) as f64,
            usual_share: 0.0,
        })
    }
}
