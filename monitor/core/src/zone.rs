//! Which local time people live by, where a platform runs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{Name, Time};

/// Time zones of environments. Where none is given, it is UTC.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Zones {
    everywhere: Option<TimeZone>,
    by_environment: BTreeMap<Name, TimeZone>,
}

/// A text that names no time zone.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a time zone such as Europe/Berlin, or ENVIRONMENT=ZONE")]
pub struct ZoneError(String);

impl Zones {
    /// Of texts such as `Europe/Berlin` for all environments, or `plant=America/Chicago` for one.
    pub fn parse(texts: &[String]) -> Result<Zones, ZoneError> {
        let mut zones = Zones::default();
        for text in texts {
            let (environment, name) = match text.split_once('=') {
                Some((environment, name)) => (Some(environment), name),
                None => (None, text.as_str()),
            };
            let zone = TimeZone::get(name).map_err(|_| ZoneError(text.clone()))?;
            match environment {
                Some(environment) => {
                    zones.by_environment.insert(environment.into(), zone);
                }
                None => zones.everywhere = Some(zone),
            }
        }
        Ok(zones)
    }

    pub fn is_empty(&self) -> bool {
        self.everywhere.is_none() && self.by_environment.is_empty()
    }

    /// By how many seconds local time is ahead of UTC there and then, summer time included.
    pub fn utc_offset_secs(&self, environment: &Name, at: Time) -> i32 {
        let zone = self
            .by_environment
            .get(environment)
            .or(self.everywhere.as_ref());
        zone.zip(Timestamp::from_second(at.as_secs()).ok())
            .map_or(0, |(zone, at)| zone.to_offset(at).seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_environment_has_its_own_clock_and_summer_time() {
        let texts = ["Europe/Berlin", "plant=America/Chicago"].map(str::to_owned);
        let zones = Zones::parse(&texts).expect("both exist");
        let (winter, summer) = (
            Time::from_secs(1_768_478_400),
            Time::from_secs(1_784_116_800),
        );
        let hours =
            |environment: &str, at: Time| zones.utc_offset_secs(&environment.into(), at) / 3_600;
        assert_eq!((hours("cloud", winter), hours("cloud", summer)), (1, 2));
        assert_eq!((hours("plant", winter), hours("plant", summer)), (-6, -5));
        assert_eq!(Zones::default().utc_offset_secs(&"cloud".into(), summer), 0);
    }

    #[test]
    fn what_is_no_zone_is_refused() {
        let error = Zones::parse(&["cloud=Nowhere/Land".to_owned()]).expect_err("there is none");
        assert!(error.to_string().contains("cloud=Nowhere/Land"), "{error}");
    }
}
