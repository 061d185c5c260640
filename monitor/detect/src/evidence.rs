//! Weighs one p-value after another into a decision.
//!
//! Page's cumulative sum (E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954) over
//! surprise: S ← max(0, S + (−ln p) − k). When nothing is wrong −ln p is exponential with mean 1,
//! and for the drift k = 3 the probability that S passes h falls as exp(−θh), where θ solves
//! exp(−θk) = 1 − θ, which gives θ ≈ 0.94. So one overwhelming window alarms as surely as several
//! that are each a little strange, at nearly the false-alarm rate of a single test, and persistence
//! needs no rule of its own. How high S really climbs in normal times is learned: [`Tail`].

use std::time::Duration;

use monitor_core::{Score, Time};
use serde::{Deserialize, Serialize};

use crate::experience::Experience;
use crate::tail::{Far, Tail};
use crate::{Phase, Sensitivity};

const DRIFT: f64 = 3.0;
/// The most that a window may add where a single one can mislead. Fixed, so that what is learned of
/// normal times does not depend on the sensitivity.
const MOST_OF_ONE: f64 = 12.0;
/// Windows less likely than this are outside the band …
pub(crate) const OUTSIDE: f64 = 0.01;
/// … and those less likely than this teach the model nothing.
const TEACHES: f64 = 1e-3;
/// Beyond this many times what an alarm takes, more evidence changes nothing.
const FULL: f64 = 20.0;
/// An anomaly is over after this long and this many windows inside the band.
const CLEAN_SECS: u64 = 30;
const CLEAN_WINDOWS: u32 = 2;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Evidence {
    sum: f64,
    /// The most that one window has added since the sum was last zero, and the highest evidence.
    largest: f64,
    highest: f64,
    /// Start of the first window outside the band since the sum was last zero.
    since: Option<Time>,
    anomalous: bool,
    last_outside: Time,
    clean_windows: u32,
    tail: Tail,
    /// Mean length of a window in seconds.
    window_secs: f64,
    held: bool,
}

/// What one window adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) start: Time,
    pub(crate) end: Time,
    /// How likely a window this extreme is when nothing is wrong.
    pub(crate) p: f64,
    pub(crate) most: Most,
}

/// How much of an alarm one window may contribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Most {
    All,
    /// Below 1 where a single window can mislead (one pause of the garbage collector), so that at least
    /// two must agree.
    Share(f64),
    /// All, though a single one can mislead: whoever permits so many false alarms hears of those too.
    AllTheSame,
}

impl Most {
    fn share(self) -> f64 {
        match self {
            Most::Share(share) => share,
            Most::All | Most::AllTheSame => f64::INFINITY,
        }
    }

    /// How heavy the far tail is before it is known.
    fn far(self) -> Far {
        match self {
            Most::All | Most::Share(_) => Far::Usual,
            Most::AllTheSame => Far::Heavy,
        }
    }
}

impl Window {
    fn span(self) -> Duration {
        self.end.since(self.start)
    }
}

impl Evidence {
    pub(crate) fn weigh(&mut self, window: Window, sensitivity: Sensitivity) -> (Score, Phase) {
        let probability = sensitivity.probability(window.span());
        let needed = self.tail.needed(probability, window.most.far());
        self.weigh_for(window, needed, sensitivity).0
    }

    /// The same for one of many signals that are alike: what all of them have shown counts as well as
    /// what this one has.
    pub(crate) fn weigh_among(
        &mut self,
        window: Window,
        sensitivity: Sensitivity,
        all: &mut Tail,
    ) -> (Score, Phase) {
        let probability = sensitivity.probability(window.span());
        let needed = self.tail.needed(probability, window.most.far());
        let (told, ended) = self.weigh_for(
            window,
            needed.max(all.needed_of_many(probability)),
            sensitivity,
        );
        if !self.held {
            all.window();
            if let Some(highest) = ended {
                all.cycle(highest, window.end, None);
            }
        }
        told
    }

    /// Also how high the cycle reached that ended with this window.
    fn weigh_for(
        &mut self,
        window: Window,
        needed: f64,
        sensitivity: Sensitivity,
    ) -> ((Score, Phase), Option<f64>) {
        let span = window.span();
        let outside = window.p < OUTSIDE;
        let surprise = -window.p.max(f64::MIN_POSITIVE).ln() - DRIFT;
        let evidence = self.add(surprise, window.most.share(), needed);
        if !self.held {
            self.tail.window();
            let weight = 1.0 / self.tail.windows().min(1_000.0);
            self.window_secs += (span.as_secs_f64() - self.window_secs) * weight;
        }
        if outside {
            // Only such a window can raise an alarm.
            self.highest = self.highest.max(evidence);
            self.since.get_or_insert(window.start);
            self.last_outside = window.end;
            self.clean_windows = 0;
        } else {
            self.clean_windows = self.clean_windows.saturating_add(1);
        }
        let score = Score::new(evidence / needed);
        if score.is_anomalous() && outside {
            self.anomalous = true;
        }
        let clean = window.end.since(self.last_outside).as_secs() >= CLEAN_SECS
            && self.clean_windows >= CLEAN_WINDOWS;
        let ended = (self.anomalous && clean) || (!self.anomalous && self.sum == 0.0);
        let highest = ended.then_some(self.highest);
        if ended {
            self.end_cycle(window.end, sensitivity);
        }
        let told = match self.since {
            Some(since) if self.anomalous => (score, Phase::Anomalous { since }),
            _ if self.anomalous || !score.is_anomalous() => (score, Phase::Normal),
            // Evidence from before, in a window that itself is inside the band.
            _ => (Score::new(1.0), Phase::Normal),
        };
        (told, highest)
    }

    /// The evidence with one window's surprise more. Where a single window may contribute only a share
    /// of an alarm, the others must make up the rest: all but the largest count by their own share.
    fn add(&mut self, surprise: f64, most: f64, needed: f64) -> f64 {
        let added = if most < 1.0 {
            surprise.min(MOST_OF_ONE)
        } else {
            surprise.min(most * needed)
        };
        self.sum = (self.sum + added).clamp(0.0, FULL * needed);
        self.largest = if self.sum == 0.0 {
            0.0
        } else {
            self.largest.max(added)
        };
        if most < 1.0 {
            self.sum
                .min((self.sum - self.largest).max(0.0) / (1.0 - most))
        } else {
            self.sum
        }
    }

    /// Normal times, or an anomaly, are over: what was seen of them teaches how high evidence climbs.
    fn end_cycle(&mut self, end: Time, sensitivity: Sensitivity) {
        if !self.held {
            let alarmed = self.anomalous.then_some(sensitivity);
            self.tail.cycle(self.highest, end, alarmed);
        }
        self.reset();
    }

    /// How many false alarms a week there could be at the utmost sensitivity, by what was seen here and
    /// by `others` of its kind: what is granted beyond that is of use elsewhere.
    pub(crate) fn most_alarms_per_week(&self, others: Experience) -> f64 {
        self.tail.most(others) * 7.0 * 86_400.0 / self.window_secs.max(1.0)
    }

    /// How near to an alarm normal times came.
    pub(crate) fn experience(&self) -> Experience {
        self.tail.experience()
    }

    /// While held, nothing teaches.
    pub(crate) fn hold(&mut self, hold: bool) {
        self.held = hold;
    }

    /// Whether this window, judged at once, would raise an alarm, or go as far towards one as a
    /// single window can. Asked every second of a window that is not complete yet, so it is held
    /// against what a judgement every second may cost.
    pub(crate) fn presses(&self, window: Window, sensitivity: Sensitivity) -> bool {
        if self.anomalous || window.p >= OUTSIDE {
            return false;
        }
        let surprise = -window.p.max(f64::MIN_POSITIVE).ln() - DRIFT;
        let second = sensitivity.probability(Duration::from_secs(1));
        let needed = self.tail.needed(second, window.most.far());
        let most = window.most.share();
        let as_much_as_one_can = most < 1.0 && surprise >= MOST_OF_ONE;
        as_much_as_one_can || self.clone().add(surprise, most, needed) > needed
    }

    /// Whether a window of probability `p` may be learned from.
    pub(crate) fn teaches(&self, p: f64) -> bool {
        !self.anomalous && p >= TEACHES
    }

    pub(crate) fn is_anomalous(&self) -> bool {
        self.anomalous
    }

    /// Nothing speaks against normality at present.
    pub(crate) fn is_clear(&self) -> bool {
        !self.anomalous && self.sum == 0.0
    }

    /// Forgets what speaks against normality, and not how high that usually climbs.
    pub(crate) fn reset(&mut self) {
        *self = Evidence {
            tail: std::mem::take(&mut self.tail),
            window_secs: self.window_secs,
            held: self.held,
            ..Evidence::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weigh(evidence: &mut Evidence, at: i64, p: f64, most: Most) -> Phase {
        let window = Window {
            start: Time::from_secs(at),
            end: Time::from_secs(at) + Duration::from_secs(5),
            p,
            most,
        };
        evidence.weigh(window, Sensitivity::per_week(0.1)).1
    }

    #[test]
    fn strange_windows_add_up_to_an_anomaly_and_ordinary_ones_do_not() {
        let mut evidence = Evidence::default();
        let first =
            (0..20).find(|i| weigh(&mut evidence, i * 5, 1e-4, Most::Share(0.55)).is_anomalous());
        assert_eq!(first, Some(2));
        let mut evidence = Evidence::default();
        assert!(
            (0..10_000)
                .all(|i| !weigh(&mut evidence, i * 5, 0.04, Most::Share(0.55)).is_anomalous())
        );
    }

    #[test]
    fn one_window_alone_is_not_enough_where_it_may_mislead() {
        let mut evidence = Evidence::default();
        assert!(!weigh(&mut evidence, 0, 1e-200, Most::Share(0.55)).is_anomalous());
        assert!(weigh(&mut evidence, 5, 1e-200, Most::Share(0.55)).is_anomalous());
        for most in [Most::All, Most::AllTheSame] {
            assert!(weigh(&mut Evidence::default(), 0, 1e-200, most).is_anomalous());
        }
    }

    #[test]
    fn an_anomaly_ends_after_half_a_minute_inside_the_band() {
        let mut evidence = Evidence::default();
        weigh(&mut evidence, 0, 1e-200, Most::All);
        let over = (1..20).find(|i| !weigh(&mut evidence, i * 5, 0.5, Most::All).is_anomalous());
        assert_eq!(over, Some(6));
    }
}
