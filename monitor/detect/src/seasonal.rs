//! What a signal usually reaches at this time of the day and of the week, in few bytes.
//!
//! The local level of a detector follows the tide; what it cannot know is that the office closes at
//! six, that a report runs every night at two and that nobody calls on Sundays. So two values of a
//! signal are kept for each quarter of an hour of the day and each hour of the week: how far out they
//! went at the last visits, opened quickly by ordinary visits and closed slowly (the envelope of
//! [`crate::StreamModel`], quantised). A detector that finds something unusual asks [`Season::usual`]
//! whether it is usual at this hour, and neighbouring slots count, so a job may come a little late.
//!
//! Nothing is configured: a course says something about a slot that it has visited twice, and the
//! week is asked instead of the day when it has foretold better. What was an anomaly does not open
//! the envelope, unless the same came at the same hour of the visit before: then it is a schedule,
//! after two alerts. Whoever wants trouble to pass for normal has to be found twice first. Days off
//! come together: what came on Saturday and on Sunday says nothing of Monday, but of the next
//! Saturday, so nobody is woken on a second weekend because the office is closed.
//!
//! Slots are of local time when an offset is given, so a pattern that follows the clock on the wall
//! does not move when summer time begins.

use std::time::Duration;

use monitor_core::Time;
use serde::{Deserialize, Serialize};

const DAY: i64 = 86_400;
const DAY_SLOTS: i64 = 96;
const WEEK_SLOTS: i64 = 168;
const DAY_HOURS: i64 = 24;
/// An extreme is that of the mean over so many seconds.
const PIECE_SECS: f64 = 300.0;
/// How far the envelope opens towards what was normal, and closes towards less.
const OPENS: f32 = 0.5;
const CLOSES: f32 = 0.3;
/// Visits of a slot before it is asked.
const FEWEST_VISITS: u8 = 2;
/// Values are kept as thousandths of a natural logarithm.
const UNIT: f32 = 1_000.0;
const NOTHING: i16 = i16::MIN;
/// A visit is unlike those before when a value is further from what was kept than this, as a logarithm,
/// and so many times further than usual.
const UNLIKE: f32 = 0.7;
const UNLIKE_ERRORS: f32 = 3.0;
/// The week must foretell better than the day by so much.
const BETTER: f32 = 0.9;

/// Whether a value is unusual when it is low or when it is high.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outward {
    Down,
    Up,
}

/// Two values' course over the day and the week: 1.5 KiB once learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Season {
    outward: [Outward; 2],
    /// Smaller values are all the same.
    floor: f32,
    offset_secs: i32,
    day: Course,
    week: Course,
    visit: Option<Visit>,
    /// What the quarters of the present hour reached.
    hour: Option<Hour>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Hour {
    number: i64,
    extremes: [f32; 2],
    anomalous: bool,
}

/// What was reached is kept by slot, in columns: 5 bytes a slot. What is pending is kept of the few
/// slots whose last visit was an anomaly.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Course {
    /// Both empty until the first visit has ended. Logarithms, signed so that more is further out.
    reached: Vec<[i16; 2]>,
    visits: Vec<u8>,
    /// What the visit before reached when it was an anomaly, by slot, ascending.
    pending: Vec<(u8, [i16; 2])>,
    /// Mean distance of a normal visit from what was kept, in logarithms, and of how many.
    error: f32,
    foretold: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Visit {
    /// Quarter of an hour, counted from the epoch.
    quarter: i64,
    extremes: [f32; 2],
    anomalous: bool,
    /// The present piece: sums of values by seconds, and the seconds.
    sums: [f64; 2],
    secs: f64,
}

impl Season {
    /// `floor` is the smallest value that differs from none at all.
    pub(crate) fn new(outward: [Outward; 2], floor: f32) -> Season {
        Season {
            outward,
            floor,
            offset_secs: 0,
            day: Course::default(),
            week: Course::default(),
            visit: None,
            hour: None,
        }
    }

    /// Local time is so many seconds ahead of UTC.
    pub(crate) fn set_offset(&mut self, secs: i32) {
        self.offset_secs = secs;
    }

    /// How far out each value usually goes around this time; `None` where nobody knows yet.
    pub(crate) fn usual(&self, at: Time) -> Option<[f64; 2]> {
        let quarter = self.quarter(at);
        let hour = quarter.div_euclid(4);
        let week = self.week.around(hour, WEEK_SLOTS);
        let day = self.day.around(quarter, DAY_SLOTS);
        let foretells = self.week.error < BETTER * self.day.error;
        let reached = match (week, day) {
            (Some(week), _) if foretells || self.week.was_strange(hour, WEEK_SLOTS) => week,
            (_, Some(day)) => day,
            (week, None) => week?,
        };
        Some([0, 1].map(|at| {
            let signed = f32::from(reached[at]) / UNIT;
            let ln = match self.outward[at] {
                Outward::Down => -signed,
                Outward::Up => signed,
            };
            let value = f64::from(ln.exp());
            if value <= f64::from(self.floor) * 1.01 {
                0.0
            } else {
                value
            }
        }))
    }

    /// The values of a window, at least zero; `anomalous` when they are part of an anomaly.
    pub(crate) fn see(&mut self, start: Time, span: Duration, values: [f64; 2], anomalous: bool) {
        let quarter = self.quarter(start);
        if let Some(visit) = self.visit
            && visit.quarter != quarter
        {
            self.end(visit);
            self.visit = None;
        }
        let visit = self.visit.get_or_insert(Visit {
            quarter,
            extremes: [f32::NEG_INFINITY; 2],
            anomalous: false,
            sums: [0.0; 2],
            secs: 0.0,
        });
        let secs = span.as_secs_f64();
        for (sum, value) in visit.sums.iter_mut().zip(values) {
            *sum += value * secs;
        }
        visit.secs += secs;
        visit.anomalous |= anomalous;
        if visit.secs >= PIECE_SECS {
            visit.close_piece(self.outward, self.floor);
        }
    }

    /// Nothing is known of the time until now: what was begun is dropped.
    pub(crate) fn skip(&mut self) {
        self.visit = None;
        self.hour = None;
    }

    fn quarter(&self, at: Time) -> i64 {
        // The epoch was a Thursday; weeks begin on Monday.
        (at.as_secs() + i64::from(self.offset_secs) + 3 * DAY).div_euclid(900)
    }

    fn end(&mut self, mut visit: Visit) {
        if visit.secs >= PIECE_SECS / 2.0 || visit.extremes[0] == f32::NEG_INFINITY {
            visit.close_piece(self.outward, self.floor);
        }
        if visit.extremes.iter().any(|extreme| !extreme.is_finite()) {
            return;
        }
        let number = visit.quarter.div_euclid(4);
        // Weeks begin on Monday.
        let sunday = number.rem_euclid(WEEK_SLOTS) / DAY_HOURS == 6;
        self.day.learn(
            visit.quarter,
            DAY_SLOTS,
            visit.extremes,
            visit.anomalous,
            !sunday,
        );
        if let Some(hour) = self.hour.take_if(|hour| hour.number != number) {
            self.week.learn_hour(hour);
        }
        let hour = self.hour.get_or_insert(Hour {
            number,
            extremes: visit.extremes,
            anomalous: false,
        });
        hour.anomalous |= visit.anomalous;
        hour.extremes = [0, 1].map(|at| hour.extremes[at].max(visit.extremes[at]));
    }
}

impl Visit {
    fn close_piece(&mut self, outward: [Outward; 2], floor: f32) {
        if self.secs > 0.0 {
            for at in [0, 1] {
                let ln = ((self.sums[at] / self.secs) as f32).max(floor).ln();
                let signed = match outward[at] {
                    Outward::Down => -ln,
                    Outward::Up => ln,
                };
                self.extremes[at] = self.extremes[at].max(signed);
            }
        }
        self.sums = [0.0; 2];
        self.secs = 0.0;
    }
}

impl Course {
    /// What is reached in a slot or in its neighbours, as far as they are known.
    fn around(&self, number: i64, slots: i64) -> Option<[i16; 2]> {
        if self.visits.is_empty() {
            return None;
        }
        let known = |number: i64| {
            let slot = number.rem_euclid(slots) as usize;
            (self.visits[slot] >= FEWEST_VISITS).then_some(self.reached[slot])
        };
        let slots = [known(number - 1), Some(known(number)?), known(number + 1)];
        let known = slots.into_iter().flatten();
        Some(known.fold([NOTHING; 2], |most, reached| {
            [0, 1].map(|at| most[at].max(reached[at]))
        }))
    }

    /// Whether what is known of a slot was an anomaly first, and nothing else since.
    fn was_strange(&self, number: i64, slots: i64) -> bool {
        let slot = number.rem_euclid(slots) as usize;
        let visits = self.visits.get(slot);
        visits.is_some_and(|visits| *visits >= FEWEST_VISITS) && self.pending(slot).is_some()
    }

    fn pending(&self, slot: usize) -> Option<[i16; 2]> {
        let found = self.find(slot).ok()?;
        Some(self.pending[found].1)
    }

    fn find(&self, slot: usize) -> Result<usize, usize> {
        self.pending
            .binary_search_by_key(&slot, |entry| usize::from(entry.0))
    }

    /// Learns an hour of the week. Two days off are known when the second is over: what nobody knew
    /// of either is usual for both.
    fn learn_hour(&mut self, hour: Hour) {
        self.learn(hour.number, WEEK_SLOTS, hour.extremes, hour.anomalous, true);
        let at = |number: i64| number.rem_euclid(WEEK_SLOTS) as usize;
        let days = [at(hour.number - DAY_HOURS), at(hour.number)];
        if days.iter().all(|slot| self.visits[*slot] == 0)
            && let [Some(before), Some(now)] = days.map(|slot| self.pending(slot))
        {
            for slot in days {
                self.reached[slot] = [0, 1].map(|at| before[at].min(now[at]));
                self.visits[slot] = FEWEST_VISITS;
            }
        }
    }

    /// Learns a visit; `schedules` when a second anomaly in a row makes a schedule.
    fn learn(
        &mut self,
        number: i64,
        slots: i64,
        extremes: [f32; 2],
        anomalous: bool,
        schedules: bool,
    ) {
        if self.visits.is_empty() {
            self.reached = vec![[NOTHING; 2]; slots as usize];
            self.visits = vec![0; slots as usize];
        }
        let slot = number.rem_euclid(slots) as usize;
        let mut unlike = false;
        if !anomalous && self.visits[slot] > 0 {
            let reached = self.reached[slot];
            let distance = |at: usize| (extremes[at] - f32::from(reached[at]) / UNIT).abs();
            let distance = distance(0).max(distance(1));
            unlike = distance > UNLIKE.max(UNLIKE_ERRORS * self.error);
            self.foretold = (self.foretold + 1.0).min(200.0);
            self.error += (distance - self.error) / self.foretold;
        }
        let values = extremes.map(|ln| (ln * UNIT).clamp(-32_000.0, 32_000.0) as i16);
        if unlike && self.visits[slot] >= FEWEST_VISITS && self.pending(slot).is_none() {
            self.wait(slot, values);
        } else if !anomalous {
            self.visit(slot, values);
        } else if schedules || self.pending(slot).is_none() {
            self.disturb(slot, values);
        }
    }

    /// Nothing was wrong.
    fn visit(&mut self, slot: usize, values: [i16; 2]) {
        let follow = |old: i16, new: i16, share: f32| {
            (f32::from(old) + share * (f32::from(new) - f32::from(old))) as i16
        };
        for (reached, value) in self.reached[slot].iter_mut().zip(values) {
            *reached = match *reached {
                NOTHING => value,
                old if value > old => follow(old, value, OPENS),
                old => follow(old, value, CLOSES),
            };
        }
        if let Ok(found) = self.find(slot) {
            self.pending.remove(found);
        }
        self.visits[slot] = self.visits[slot].saturating_add(1);
    }

    /// What was unlike the others, a holiday perhaps, counts when the same comes again. A day has 96
    /// slots and a week 168.
    fn wait(&mut self, slot: usize, values: [i16; 2]) {
        if let Err(place) = self.find(slot) {
            self.pending.insert(place, (slot as u8, values));
        }
    }

    /// There was an anomaly. What came here the last time as well is a schedule, and two anomalies of
    /// the same hour are two visits.
    fn disturb(&mut self, slot: usize, values: [i16; 2]) {
        match self.find(slot) {
            Ok(found) => {
                let before = std::mem::replace(&mut self.pending[found].1, values);
                for (reached, (value, before)) in self.reached[slot]
                    .iter_mut()
                    .zip(values.into_iter().zip(before))
                {
                    *reached = (*reached).max(value.min(before));
                }
                self.visits[slot] = self.visits[slot].saturating_add(1).max(FEWEST_VISITS);
            }
            Err(_) => self.wait(slot, values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;
    /// A Monday.
    const START: i64 = 1_699_833_600;

    /// So many days of minutes, each value and whether it was an anomaly.
    fn learned(days: i64, value: impl Fn(i64) -> (f64, bool)) -> Season {
        let mut season = Season::new([Outward::Down, Outward::Up], 1e-3);
        for minute in 0..days * 1_440 {
            let (value, anomalous) = value(minute * 60);
            let at = Time::from_secs(START + minute * 60);
            season.see(at, Duration::from_secs(60), [value, value], anomalous);
        }
        season
    }

    fn usual(season: &Season, day: i64, hour: i64) -> Option<[f64; 2]> {
        season.usual(Time::from_secs(START + day * DAY + hour * HOUR + 1_800))
    }

    #[test]
    fn the_night_is_quiet_and_the_day_is_not() {
        let season = learned(3, |secs| {
            let hour = secs % DAY / HOUR;
            (if (8..18).contains(&hour) { 5.0 } else { 0.0 }, false)
        });
        assert_eq!(usual(&season, 3, 2), Some([0.0, 0.0]));
        let noon = usual(&season, 3, 12).unwrap();
        assert!(
            noon.iter().all(|rate| (rate / 5.0 - 1.0).abs() < 0.01),
            "{noon:?}"
        );
        assert_eq!(
            usual(&learned(1, |_| (5.0, false)), 1, 12),
            None,
            "one day is none"
        );
    }

    #[test]
    fn sundays_are_told_from_mondays_once_two_were_seen() {
        let season = learned(15, |secs| {
            let weekend = secs / DAY % 7 >= 5;
            (if weekend { 0.0 } else { 5.0 }, false)
        });
        let sunday = usual(&season, 20, 12).unwrap();
        let monday = usual(&season, 21, 12).unwrap();
        assert_eq!(sunday[0], 0.0);
        assert!(monday[0] > 3.0, "{monday:?}");
    }

    #[test]
    fn two_days_off_are_known_on_the_next_weekend_and_teach_monday_nothing() {
        let closed = |secs: i64| secs / DAY % 7 >= 5 && (8..18).contains(&(secs % DAY / HOUR));
        let open = |secs: i64| !closed(secs) && (8..18).contains(&(secs % DAY / HOUR));
        // Nobody knew of the first weekend.
        let season = learned(12, |secs| {
            (if open(secs) { 5.0 } else { 0.0 }, closed(secs))
        });
        for saturday_and_sunday in [12, 13] {
            assert_eq!(usual(&season, saturday_and_sunday, 12).unwrap()[0], 0.0);
        }
        let monday = usual(&season, 14, 12).unwrap();
        assert!(monday.iter().all(|rate| *rate > 4.0), "{monday:?}");
        let monday = usual(
            &learned(7, |secs| (if open(secs) { 5.0 } else { 0.0 }, closed(secs))),
            7,
            12,
        );
        assert!(monday.unwrap()[0] > 4.0, "{monday:?}");
    }

    #[test]
    fn an_anomaly_is_usual_when_it_comes_again_at_the_same_hour_and_not_before() {
        let job = |days: i64, times: i64| {
            let day = |secs: i64| secs / DAY;
            learned(days, |secs| {
                let runs = secs % DAY / HOUR == 2 && day(secs) >= 3 && day(secs) < 3 + times;
                (if runs { 50.0 } else { 5.0 }, runs)
            })
        };
        let once = usual(&job(4, 1), 4, 2).unwrap();
        assert!((once[1] - 5.0).abs() < 0.1, "{once:?}");
        let twice = usual(&job(5, 2), 5, 2).unwrap();
        assert!((twice[1] - 50.0).abs() < 0.5, "{twice:?}");
        let other_hour = usual(&job(5, 2), 5, 12).unwrap();
        assert!((other_hour[1] - 5.0).abs() < 0.1, "{other_hour:?}");
    }

    #[test]
    fn a_pattern_follows_the_clock_on_the_wall_into_summer_time() {
        let office = |secs: i64| ((8..18).contains(&(secs % DAY / HOUR)), false);
        let mut season = learned(3, |secs| (if office(secs).0 { 5.0 } else { 0.0 }, false));
        let evening = |season: &Season| usual(season, 3, 17).unwrap()[0];
        assert!(evening(&season) > 4.0);
        // The clock goes forward: 17:30 in UTC is 18:30 now, when the office has closed.
        season.set_offset(3_600);
        assert_eq!(evening(&season), 0.0);
    }
}
