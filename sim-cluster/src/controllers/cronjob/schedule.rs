//! When a CronJob is due.

use cronexpr::{Crontab, MakeTimestamp};
use jiff::Timestamp;

/// A schedule in its time zone.
#[derive(Debug)]
pub(super) struct Schedule(Crontab);

/// Times that have passed without a start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missed {
    pub(super) latest: Option<Timestamp>,
    /// So many that somebody should know; as Kubernetes counts, above 100.
    pub(super) too_many: bool,
}

const MANY: usize = 100;

impl Schedule {
    /// `zone` is a name of the IANA time zone database; empty for UTC.
    ///
    /// # Errors
    /// Why the text cannot be read.
    pub(super) fn read(written: &str, zone: &str) -> Result<Schedule, String> {
        let written = written.trim();
        let fields = match written {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            fields => fields,
        };
        let zone = if zone.is_empty() { "UTC" } else { zone };
        if fields.split_whitespace().count() != 5 {
            return Err("expected exactly 5 fields".to_owned());
        }
        cronexpr::parse_crontab(&format!("{fields} {zone}"))
            .map(Schedule)
            .map_err(|error| error.to_string())
    }

    pub(super) fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        self.0
            .find_next(MakeTimestamp(at))
            .ok()
            .map(|next| next.timestamp())
    }

    /// Times after one and up to another.
    pub(super) fn missed(&self, after: Timestamp, until: Timestamp) -> Missed {
        let mut latest = None;
        let mut at = after;
        for count in 0.. {
            match self.next_after(at) {
                Some(next) if next <= until => {
                    latest = Some(next);
                    at = next;
                }
                _ => {
                    return Missed {
                        latest,
                        too_many: count > MANY,
                    };
                }
            }
            if count > MANY {
                break;
            }
        }
        // Not worth counting through: the last one is before now by no more than a known time.
        let recent = [60, 3_600, 86_400, 7 * 86_400, 31 * 86_400]
            .into_iter()
            .find_map(|seconds| {
                let after = until - jiff::SignedDuration::from_secs(seconds);
                self.next_after(after)
                    .filter(|next| *next <= until)
                    .map(|_| after)
            });
        let latest = recent.map_or(latest, |after| self.last_in(after, until).or(latest));
        Missed {
            latest,
            too_many: true,
        }
    }

    fn last_in(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let mut last = None;
        let mut at = after;
        while let Some(next) = self.next_after(at).filter(|next| *next <= until) {
            last = Some(next);
            at = next;
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn schedules_are_in_utc_or_in_their_own_zone() {
        let next = |schedule: &str, zone: &str| {
            Schedule::read(schedule, zone)
                .unwrap()
                .next_after(at("2026-11-21T18:00:00Z"))
                .unwrap()
        };
        assert_eq!(next("*/5 * * * *", ""), at("2026-11-21T18:05:00Z"));
        assert_eq!(next("@daily", ""), at("2026-11-22T00:00:00Z"));
        assert_eq!(
            next("0 9 * * 1", "Europe/Berlin"),
            at("2026-11-23T08:00:00Z")
        );
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for (schedule, zone) in [
            ("every day", ""),
            ("* * * * * *", ""),
            ("* * * * *", "Mars/Base"),
        ] {
            assert!(Schedule::read(schedule, zone).is_err(), "{schedule} {zone}");
        }
    }

    #[test]
    fn of_missed_times_the_latest_counts() {
        let schedule = Schedule::read("*/10 * * * *", "").unwrap();
        let missed = |after: &str| schedule.missed(at(after), at("2026-11-21T18:05:00Z"));
        let latest = Some(at("2026-11-21T18:00:00Z"));
        assert_eq!(
            missed("2026-11-21T18:01:00Z"),
            Missed {
                latest: None,
                too_many: false
            }
        );
        assert_eq!(
            missed("2026-11-21T17:00:00Z"),
            Missed {
                latest,
                too_many: false
            }
        );
        assert_eq!(
            missed("2026-09-01T00:00:00Z"),
            Missed {
                latest,
                too_many: true
            }
        );
    }
}
