//! Lengths of time as people write them: `250ms`, `1.5s`, `1h30m`, `28d`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A length of time. Like Go's durations, and with days and weeks, which objectives are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Length(pub Duration);

/// What the schema lets through; everything of it can be read.
pub(crate) const PATTERN: &str = r"^([0-9]{1,6}(\.[0-9]{1,6})?(ms|s|m|h|d|w)){1,6}$";

const UNITS: [(&str, u64); 6] = [
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Whole numbers are exact up to here.
const LONGEST_MILLIS: f64 = 9.0e15;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotALength(String);

impl fmt::Display for NotALength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.0;
        write!(
            f,
            "`{text}` is not a length of time; write it as `250ms`, `1.5s`, `2m` or `28d`"
        )
    }
}

impl std::error::Error for NotALength {}

impl Length {
    pub const fn from_secs(seconds: u64) -> Length {
        Length(Duration::from_secs(seconds))
    }
}

impl FromStr for Length {
    type Err = NotALength;

    fn from_str(text: &str) -> Result<Length, NotALength> {
        let refused = || NotALength(text.to_owned());
        let mut rest = text;
        let mut millis = 0.0;
        while !rest.is_empty() {
            let end = rest.find(|c: char| c.is_ascii_alphabetic());
            let (number, after) = rest.split_at(end.ok_or_else(refused)?);
            let end = after.find(|c: char| !c.is_ascii_alphabetic());
            let (unit, after) = after.split_at(end.unwrap_or(after.len()));
            let plain = number.chars().all(|c| c.is_ascii_digit() || c == '.');
            let number: f64 = number.parse().map_err(|_| refused())?;
            let known = UNITS.iter().find(|(name, _)| *name == unit);
            let (_, each) = known.filter(|_| plain).ok_or_else(refused)?;
            millis += number * (*each as f64);
            rest = after;
        }
        if text.is_empty() {
            return Err(refused());
        }
        // Millions of years are a mistake, and would not fit.
        if millis > LONGEST_MILLIS {
            return Err(refused());
        }
        Ok(Length(Duration::from_millis(millis.round() as u64)))
    }
}

/// In the largest units that leave nothing out: `1h30m`, `28d`, `250ms`.
impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = self.0.as_millis();
        if millis == 0 {
            return f.write_str("0s");
        }
        // Weeks are read and not written: `28d` stays what it was.
        for (unit, each) in UNITS.into_iter().skip(1) {
            let count = millis / u128::from(each);
            if count > 0 {
                write!(f, "{count}{unit}")?;
                millis %= u128::from(each);
            }
        }
        Ok(())
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Length, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Length {
    fn schema_name() -> Cow<'static, str> {
        "Length".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 64,
            "x-kubernetes-validations": [{
                "rule": format!("self.matches('{}')", PATTERN.replace('\\', "\\\\")),
                "message": "write a length of time as 250ms, 1.5s, 2m, 1h30m or 28d",
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        let millis = |text: &str| text.parse::<Length>().map(|length| length.0.as_millis());
        assert_eq!(millis("250ms"), Ok(250));
        assert_eq!(millis("1.5s"), Ok(1_500));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis("4w"), Ok(28 * 86_400_000));
        for text in [
            "",
            "5",
            "s",
            "-5s",
            "5y",
            "1 s",
            "1e3s",
            "∞s",
            "99999999999999999999w",
        ] {
            assert!(millis(text).is_err(), "{text}");
        }
        let said = "soon".parse::<Length>().unwrap_err().to_string();
        assert!(
            said.starts_with("`soon` is not a length of time; write"),
            "{said}"
        );
    }

    proptest! {
        #[test]
        fn a_length_is_read_as_it_was_written(millis in 0u64..1_000_000_000_000) {
            let length = Length(Duration::from_millis(millis));
            prop_assert_eq!(length.to_string().parse(), Ok(length));
        }

        #[test]
        fn what_the_schema_lets_through_can_be_read(text in &PATTERN[1..PATTERN.len() - 1]) {
            prop_assert!(text.parse::<Length>().is_ok());
        }

        #[test]
        fn anything_else_is_refused_and_not_worse(text in ".*") {
            let written = text.parse::<Length>().map(|length| length.to_string());
            prop_assert!(written != Ok(String::new()));
        }
    }
}
