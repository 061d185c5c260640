//! How users have journeys of one type: how many fail, are late, or are put up with.
//!
//! The index of the Apdex Alliance (technical specification 1.1): up to T seconds a user is satisfied
//! and counts one, up to 4 T he tolerates it and counts half, beyond that or when it fails he is
//! frustrated and counts nothing. T is the response time that an objective of the entry's Api states.
//! Where none is stated it is what nine of ten journeys usually take: then 90 % are satisfied and
//! most others tolerate it, so a type at rest is at about 0.95, which the specification calls
//! excellent (0.94 and above), and what makes journeys slower shows at once. Journeys are counted
//! when it is known that they are over. What leaves the memory of five minutes becomes part of the
//! usual, unless the type passed a service with an incident meanwhile: most incidents are over before
//! what they did is five minutes old, and they begin before they are known.

use std::collections::VecDeque;

use monitor_core::{Experience, Fare};
use serde::{Deserialize, Serialize};

use super::kinds::{FEW, Kind};

/// Seconds of a slot, and slots kept.
const SLOT: i64 = 10;
const SLOTS: i64 = 30;
/// Slots that are now.
const NOW: i64 = 6;
/// Of the usual, what is left after a slot: half of it after an hour.
const KEEP: f64 = 0.998;
/// How fast limits follow what a minute had.
const FOLLOW: f64 = 0.05;
/// Of journeys, those that end within T, and those that are not late.
const SATISFIED: f64 = 0.9;
const IN_TIME: f64 = 0.99;
/// Beyond so many T, Apdex counts nothing.
const TOLERATED: f64 = 4.0;

/// Sums over journeys; fractions in the usual, which fades.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    journeys: f64,
    failed: f64,
    hurt: f64,
    /// Half for each that is tolerated.
    satisfied: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Limits {
    /// Natural logarithms of seconds.
    satisfied: f64,
    late: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Fares {
    /// By number since the epoch, the latest last.
    slots: VecDeque<(i64, Tally)>,
    usual: Tally,
    limits: Option<Limits>,
    /// T, as an objective states it.
    stated: Option<f64>,
    /// The latest minute that limits were learned from.
    learned: i64,
    /// The second up to which nothing becomes usual.
    doubted: i64,
    /// Of all time: rated ones, and of them those that were hurt.
    journeys: u64,
    hurt: u64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.journeys += other.journeys;
        self.failed += other.failed;
        self.hurt += other.hurt;
        self.satisfied += other.satisfied;
    }

    fn fare(&self) -> Fare {
        let share = |part: f64| {
            if self.journeys > 0.0 {
                part / self.journeys
            } else {
                0.0
            }
        };
        Fare {
            journeys: self.journeys,
            failed: share(self.failed),
            hurt: share(self.hurt),
            apdex: share(self.satisfied),
        }
    }
}

impl Fares {
    /// A journey of `length` seconds was over at `second`; nothing is said of it until it is known
    /// what is usual.
    pub(super) fn count(&mut self, second: i64, length: f64, failed: bool) {
        let Some((satisfied, late)) = self.bounds() else {
            return;
        };
        let hurt = failed || length > late;
        let satisfied = match length {
            _ if failed => 0.0,
            _ if length <= satisfied => 1.0,
            _ if length <= satisfied * TOLERATED => 0.5,
            _ => 0.0,
        };
        self.journeys += 1;
        self.hurt += u64::from(hurt);
        let flag = |is: bool| f64::from(u8::from(is));
        let tally = Tally {
            journeys: 1.0,
            failed: flag(failed),
            hurt: flag(hurt),
            satisfied,
        };
        let number = second.div_euclid(SLOT);
        match self.slots.back_mut() {
            Some((last, sum)) if *last >= number => sum.add(&tally),
            _ => self.slots.push_back((number, tally)),
        }
    }

    /// T, and from where a journey is late.
    fn bounds(&self) -> Option<(f64, f64)> {
        let limits = self.limits?;
        let satisfied = self.stated.unwrap_or_else(|| limits.satisfied.exp());
        Some((satisfied, limits.late.exp()))
    }

    /// Over the last minute, or since `began` if that is later.
    fn lately(&self, now: i64, began: i64) -> Tally {
        let first = (now.div_euclid(SLOT) - NOW).max(began.div_euclid(SLOT));
        let mut sum = Tally::default();
        for (_, tally) in self.slots.iter().rev().take_while(|(at, _)| *at >= first) {
            sum.add(tally);
        }
        sum
    }

    /// Journeys a second, over the same time.
    pub(super) fn rate(&self, now: i64, began: i64) -> f64 {
        let first = (now.div_euclid(SLOT) - NOW).max(began.div_euclid(SLOT));
        #[expect(clippy::cast_precision_loss, reason = "a minute and some seconds")]
        let seconds = (now - first * SLOT).max(1) as f64;
        self.lately(now, began).journeys / seconds
    }

    /// `None` while it is not known what is usual.
    pub(super) fn experience(&self, now: i64, began: i64) -> Option<Experience> {
        let (satisfied, late) = self.bounds()?;
        (self.usual.journeys > 0.0).then(|| Experience {
            satisfied,
            stated: self.stated.is_some(),
            late,
            now: self.lately(now, began).fare(),
            usual: self.usual.fare(),
        })
    }

    /// Counts another type's as its own: each was held against its own limits. Readers are told those
    /// of the type that is shown.
    pub(super) fn absorb(&mut self, other: &Fares) {
        self.usual.add(&other.usual);
        self.journeys += other.journeys;
        self.hurt += other.hurt;
        self.limits = self.limits.or(other.limits);
        self.doubted = self.doubted.max(other.doubted);
        for (number, tally) in &other.slots {
            match self.slots.binary_search_by_key(number, |(at, _)| *at) {
                Ok(place) => self.slots[place].1.add(tally),
                Err(place) => self.slots.insert(place, (*number, *tally)),
            }
        }
    }

    /// Of all time: journeys, and those hurt.
    pub(super) fn ever(&self) -> (u64, u64) {
        (self.journeys, self.hurt)
    }

    /// The same up to the beginning of an incident, as far as is remembered.
    pub(super) fn until(&self, began: i64) -> (u64, u64) {
        let mut since = Tally::default();
        let first = began.div_euclid(SLOT);
        for (_, tally) in self.slots.iter().rev().take_while(|(at, _)| *at >= first) {
            since.add(tally);
        }
        #[expect(clippy::cast_possible_truncation, reason = "sums of ones")]
        #[expect(clippy::cast_sign_loss, reason = "sums of ones")]
        let count = |sum: f64| sum as u64;
        (
            self.journeys.saturating_sub(count(since.journeys)),
            self.hurt.saturating_sub(count(since.hurt)),
        )
    }
}

impl Kind {
    /// Lets what is old enough become usual; what is remembered while it is `held` never does.
    pub(super) fn age(&mut self, now: i64, held: bool, stated: Option<f64>) {
        self.fares.stated = stated.filter(|stated| *stated > 0.0);
        if held {
            self.fares.doubted = now;
        }
        let oldest = now.div_euclid(SLOT) - SLOTS;
        while self
            .fares
            .slots
            .front()
            .is_some_and(|(at, _)| *at <= oldest)
        {
            if let Some((at, tally)) = self.fares.slots.pop_front()
                && at * SLOT >= self.fares.doubted
            {
                let usual = &mut self.fares.usual;
                for part in [
                    &mut usual.journeys,
                    &mut usual.failed,
                    &mut usual.hurt,
                    &mut usual.satisfied,
                ] {
                    *part *= KEEP;
                }
                usual.add(&tally);
            }
        }
        self.learn_limits(now.div_euclid(60));
    }

    /// From each minute once, when it is as old as what becomes usual; from the first as soon as
    /// there is enough.
    fn learn_limits(&mut self, minute: i64) {
        let old = SLOT * SLOTS / 60;
        let due = self
            .minutes
            .iter()
            .filter(|known| known.minute > self.fares.learned && known.minute <= minute - old);
        let mut limits = self.fares.limits;
        let mut learned = self.fares.learned;
        for known in due {
            learned = known.minute;
            if known.minute * 60 < self.fares.doubted {
                continue;
            }
            let quantile = |q| known.lengths.quantile(q).map(f64::ln);
            if known.lengths.count() >= FEW
                && let Some(limits) = &mut limits
                && let (Some(satisfied), Some(late)) = (quantile(SATISFIED), quantile(IN_TIME))
                && satisfied.is_finite()
                && late.is_finite()
            {
                limits.satisfied += (satisfied - limits.satisfied) * FOLLOW;
                limits.late += (late - limits.late) * FOLLOW;
            }
        }
        if limits.is_none() && self.fares.doubted < minute * 60 && self.total >= FEW * 3 {
            let lengths = self.lengths();
            let quantile = |q| lengths.quantile(q).map(f64::ln).filter(|ln| ln.is_finite());
            limits = quantile(SATISFIED)
                .zip(quantile(IN_TIME))
                .map(|(satisfied, late)| Limits { satisfied, late });
        }
        self.fares.learned = learned;
        self.fares.limits = limits;
    }
}
