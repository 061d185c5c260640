//! Whether a service's clock is right, as far as its records can tell.
//!
//! Records that come too long after their time, or bear a time to come, cannot be judged: nobody knows
//! which second they belong to. When most of a service's records are such, and all are astray by the same
//! amount, its clock is wrong, or something holds them up for just so long. Either way its Apis are not
//! silent, only unreadable. Where whoever carries the records stamps them too, they are readable, and what
//! the service itself wrote is held against that. A backlog that is being caught up with comes ever less
//! late, which is no such case.

use std::collections::BTreeMap;
use std::time::Duration;

use monitor_core::{Contribution, Measure, Subject, Time, Watching};
use monitor_detect::{Detector, RatioDetector, Reading, Sample};
use monitor_diagnose::duration_text;
use serde::{Deserialize, Serialize};

use crate::api::NOT_JUDGED;
use crate::config::EngineConfig;
use crate::episode::{Change, Episode, Origin};
use crate::models;
use crate::window::are_enough_records;

/// Records are astray by the same amount when they differ by no more than this, in seconds, as they may
/// from being sent in batches …
const STEADY_SECS: i64 = 5;
/// … or by one part in so many of it.
const STEADY_PART: i64 = 20;
/// Less than this is the way from a service to who carries its records, in seconds.
const ON_THE_WAY_SECS: i64 = 15;
/// They must be so for so many seconds: any one second of a backlog may look the same.
const SURE_SECS: i64 = 2;
/// What came astray is remembered for so many seconds.
const REMEMBERED_SECS: i64 = 15;

/// Records that came at a time which they do not bear, and the range of what they were ahead of it, in
/// seconds: below 0 when they were behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Astray {
    records: u64,
    least: i64,
    most: i64,
}

impl Astray {
    fn one(ahead_secs: i64) -> Astray {
        Astray {
            records: 1,
            least: ahead_secs,
            most: ahead_secs,
        }
    }

    /// A record that is judged by another clock than its own, which is so far ahead of that one.
    pub(crate) fn see(&mut self, written_ahead: Option<i32>) {
        let ahead = written_ahead.map_or(0, i64::from);
        if ahead.abs() > ON_THE_WAY_SECS {
            self.merge(Astray::one(ahead));
        }
    }

    pub(crate) fn merge(&mut self, other: Astray) {
        if self.records == 0 {
            *self = other;
        } else if other.records > 0 {
            self.records = self.records.saturating_add(other.records);
            self.least = self.least.min(other.least);
            self.most = self.most.max(other.most);
        }
    }

    fn middle(self) -> i64 {
        self.least.midpoint(self.most)
    }

    fn is_steady(self) -> bool {
        let range = self.most.saturating_sub(self.least);
        self.records > 0 && range <= STEADY_SECS.max(self.middle().saturating_abs() / STEADY_PART)
    }

    /// `2 min ahead`
    fn text(self) -> String {
        let middle = self.middle();
        let by = duration_text(Duration::from_secs(middle.unsigned_abs()));
        format!("{by} {}", if middle < 0 { "behind" } else { "ahead" })
    }
}

/// What came astray, by place and by the second in which it came, until that one is judged.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PendingAstray(BTreeMap<i64, BTreeMap<u32, Astray>>);

impl PendingAstray {
    pub(crate) fn add(&mut self, place: u32, time: Time, now: Time) {
        let ahead = time.as_secs().saturating_sub(now.as_secs());
        let second = self.0.entry(now.as_secs()).or_default();
        second.entry(place).or_default().merge(Astray::one(ahead));
    }

    /// What came before `end`.
    pub(crate) fn take_before(&mut self, end: i64) -> BTreeMap<u32, Astray> {
        let mut taken: BTreeMap<u32, Astray> = BTreeMap::new();
        while let Some(first) = self.0.first_entry()
            && *first.key() < end
        {
            for (place, astray) in first.remove() {
                taken.entry(place).or_default().merge(astray);
            }
        }
        taken
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServiceClock {
    start: Option<i64>,
    active_secs: u32,
    timely: u64,
    /// Of these, written by a wrong clock.
    mistimed: u64,
    astray: Astray,
    /// All that came astray by the same amount, without a pause, and its first and last second.
    run: Astray,
    run_secs: Option<(i64, i64)>,
    /// The last second most of whose records were astray.
    unreadable: Option<i64>,
    model: RatioDetector,
    pub(crate) episode: Episode,
}

impl ServiceClock {
    pub(crate) fn new(config: &EngineConfig) -> ServiceClock {
        ServiceClock {
            start: None,
            active_secs: 0,
            timely: 0,
            mistimed: 0,
            astray: Astray::default(),
            run: Astray::default(),
            run_secs: None,
            unreadable: None,
            model: models::mistimed(config),
            episode: Episode::default(),
        }
    }

    pub(crate) fn tune(&mut self, own: Option<&Watching>, config: &EngineConfig) {
        models::tune_mistimed(&mut self.model, own, config);
    }

    pub(crate) fn hold(&mut self, hold: bool) {
        self.model.hold(hold);
    }

    pub(crate) fn skip_to(&mut self, time: Time) {
        self.clear();
        self.model.skip_to(time);
    }

    /// Most of what comes is astray: what is missing from the rest may have happened all the same.
    pub(crate) fn is_unreadable(&self, second: i64) -> bool {
        self.unreadable.is_some_and(|at| is_lately(at, second))
    }

    /// It was so at some time since then.
    pub(crate) fn was_unreadable(&self, since: Time) -> bool {
        self.unreadable.is_some_and(|at| at >= since.as_secs())
    }

    /// What came astray in the second, before any of it is judged.
    pub(crate) fn came_astray(&mut self, second: i64, astray: Astray) {
        self.start.get_or_insert(second);
        self.astray.merge(astray);
        if self.astray.records > self.timely {
            self.unreadable = Some(second);
        }
        self.follow(second, astray);
    }

    fn follow(&mut self, second: i64, astray: Astray) {
        let begun = self.run_secs.filter(|(_, last)| is_lately(*last, second));
        let mut run = self.run;
        run.merge(astray);
        (self.run, self.run_secs) = match begun {
            Some((first, _)) if run.is_steady() => (run, Some((first, second))),
            _ => (astray, Some((second, second))),
        };
    }

    /// What comes astray has been so by the same amount for long enough.
    fn is_sure(&self) -> bool {
        self.run_secs
            .is_some_and(|(first, last)| last.saturating_sub(first) >= SURE_SECS)
            && self.run.is_steady()
    }

    fn clear(&mut self) {
        self.start = None;
        self.active_secs = 0;
        self.timely = 0;
        self.mistimed = 0;
        self.astray = Astray::default();
    }

    /// Another second, in which so many records came in time, and those of them that a wrong clock wrote.
    pub(crate) fn step(
        &mut self,
        second: i64,
        (timely, mistimed): (u64, Astray),
        subject: impl FnOnce() -> Subject,
        off: bool,
    ) -> Option<Change> {
        if timely > 0 {
            self.start.get_or_insert(second);
            self.timely += timely;
            self.mistimed += mistimed.records;
        }
        if mistimed.records > 0 {
            self.follow(second, mistimed);
        }
        let start = self.start?;
        let whole = self.timely.saturating_add(self.astray.records);
        let end = second.saturating_add(1);
        if timely > 0 || self.unreadable == Some(second) {
            self.active_secs += 1;
        }
        let part = if self.is_sure() {
            self.astray.records.saturating_add(self.mistimed)
        } else {
            0
        };
        let sample = Sample {
            start: Time::from_secs(start),
            span: Duration::from_secs(end.saturating_sub(start).unsigned_abs()),
            active_secs: self.active_secs,
            reading: Reading::Share { part, whole },
        };
        let presses = part > 0 && self.model.is_pressing(&sample);
        if !presses && !are_enough_records(end.saturating_sub(start), whole) {
            return None;
        }
        let verdict = self.model.judge(&sample);
        let offset = self.run.text();
        self.clear();
        let now = Time::from_secs(end);
        if off {
            return self.episode.dismiss(now, NOT_JUDGED);
        }
        let subject = subject();
        let origin = Origin {
            subject: &subject,
            measure: Measure::MistimedRatio,
            detector: self.model.name(),
            scale: 1.0,
            peers: None,
        };
        self.episode.follow(&verdict?, origin, |_| {
            vec![Contribution {
                dimension: "clock".into(),
                value: offset.into(),
                share: 1.0,
                usual_share: 0.0,
            }]
        })
    }
}

fn is_lately(at: i64, now: i64) -> bool {
    now.saturating_sub(at) <= REMEMBERED_SECS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn astray(offsets: &[i64]) -> Astray {
        offsets.iter().fold(Astray::default(), |mut all, ahead| {
            all.merge(Astray::one(*ahead));
            all
        })
    }

    #[test]
    fn a_clock_is_wrong_by_one_amount_and_a_backlog_by_many() {
        assert!(astray(&[-173, -170, -175]).is_steady());
        assert!(astray(&[154]).is_steady());
        assert!(astray(&[-7_200, -7_500]).is_steady());
        assert!(!astray(&[-173, -30]).is_steady());
        assert!(!astray(&[]).is_steady());
        assert!(!astray(&[i64::MIN, i64::MAX]).is_steady());
    }

    #[test]
    fn it_is_told_as_people_say_it() {
        assert_eq!(astray(&[-40, -42]).text(), "41 s behind");
        assert_eq!(astray(&[154]).text(), "2 min ahead");
    }
}
