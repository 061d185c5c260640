//! Moments that recur: cron expressions in a time zone.

use std::str::FromStr;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A cron expression that can be asked.
#[derive(Clone, Debug)]
pub(crate) struct Recurring {
    cron: Cron,
    zone: TimeZone,
}

impl Recurring {
    /// # Errors
    ///
    /// A sentence for people.
    pub(crate) fn parse(cron: &str, zone: &str) -> Result<Recurring, String> {
        let parsed = Cron::from_str(cron).map_err(|error| {
            format!("`{cron}` is no cron expression such as `0 2 * * SUN`: {error}")
        })?;
        let zone = TimeZone::get(zone)
            .map_err(|_| format!("`{zone}` is no time zone such as Europe/London"))?;
        Ok(Recurring { cron: parsed, zone })
    }

    /// The first after `at`; none when there is none for years.
    pub(crate) fn after(&self, at: Timestamp) -> Option<Timestamp> {
        let at = at.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&at, false).ok()?;
        Some(next.timestamp())
    }

    /// The last that is not after `at`, no longer ago than `within`.
    pub(crate) fn last(&self, at: Timestamp, within: SignedDuration) -> Option<Timestamp> {
        let zoned = at.to_zoned(self.zone.clone());
        let last = self.cron.find_previous_occurrence(&zoned, true).ok()?;
        let last = last.timestamp();
        (at.duration_since(last) <= within).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn it_recurs_in_its_own_time_zone() {
        let nightly = Recurring::parse("0 2 * * *", "Europe/London").unwrap();
        let next = |from| nightly.after(at(from)).map(|it| it.to_string());
        assert_eq!(
            next("2026-11-21T18:00:00Z").as_deref(),
            Some("2026-11-22T02:00:00Z")
        );
        // Summer time: two in London is one in UTC.
        assert_eq!(
            next("2026-07-01T00:30:00Z").as_deref(),
            Some("2026-07-01T01:00:00Z")
        );
        let hour = SignedDuration::from_hours(1);
        assert_eq!(
            nightly.last(at("2026-11-22T02:30:00Z"), hour),
            Some(at("2026-11-22T02:00:00Z"))
        );
        assert_eq!(nightly.last(at("2026-11-22T04:30:00Z"), hour), None);
    }

    #[test]
    fn what_is_no_schedule_is_said_to_be_none() {
        let wrong = Recurring::parse("at noon", "UTC").unwrap_err();
        assert!(
            wrong.starts_with("`at noon` is no cron expression such as"),
            "{wrong}"
        );
        let wrong = Recurring::parse("0 2 * * *", "Atlantis").unwrap_err();
        assert_eq!(wrong, "`Atlantis` is no time zone such as Europe/London");
    }
}
