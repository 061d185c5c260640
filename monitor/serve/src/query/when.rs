//! Points in time and lengths of time as people type them.

use std::time::Duration;

use monitor_core::Time;

use super::problem::Failure;

/// RFC 3339, `now`, or before now: `-15m`, `now-15m`.
pub(crate) fn time(parameter: &str, text: &str, now: Time) -> Result<Time, Failure> {
    let trimmed = text.trim();
    if trimmed == "now" {
        return Ok(now);
    }
    let relative = trimmed.strip_prefix("now").unwrap_or(trimmed);
    if let Some(before) = relative.strip_prefix('-')
        && let Some(duration) = parse_duration(before)
    {
        return Ok(now - duration);
    }
    // In a URL, a `+` that is not escaped means a blank: `10:05:00+02:00` arrives as `10:05:00 02:00`.
    trimmed.replace(' ', "+").parse::<Time>().map_err(|_| {
        Failure::bad_parameter(parameter, format!("`{}` is not a time", shorten(text)))
            .hint("write 2026-11-21T10:05:00Z, `now`, or a time before now such as -15m or -2h")
    })
}

pub(crate) fn optional_time(
    parameter: &str,
    text: Option<&str>,
    now: Time,
) -> Result<Option<Time>, Failure> {
    text.filter(|text| !text.is_empty())
        .map(|text| time(parameter, text, now))
        .transpose()
}

/// `from` and `to`, which must be in this order.
pub(crate) fn range(
    from: Option<&str>,
    to: Option<&str>,
    now: Time,
) -> Result<(Option<Time>, Option<Time>), Failure> {
    let from = optional_time("from", from, now)?;
    let to = optional_time("to", to, now)?;
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        return Err(Failure::bad_parameter(
            "from",
            format!("`from` ({from}) is later than `to` ({to})"),
        )
        .hint("exchange the two"));
    }
    Ok((from, to))
}

/// `10s`, `1m`, `250ms`; longer than nothing.
pub(crate) fn step(text: &str) -> Result<Duration, Failure> {
    parse_duration(text)
        .filter(|step| !step.is_zero())
        .ok_or_else(|| {
            Failure::bad_parameter("step", format!("`{}` is not an interval", shorten(text)))
                .hint("write a number and a unit: 250ms, 10s, 1m, 1h, 1d")
        })
}

/// The round length that divides `range` into about sixty.
pub(crate) fn round_step(range: Duration) -> Duration {
    const ROUND_SECONDS: [u64; 17] = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400,
    ];
    let wanted = range.as_secs() / 60;
    let seconds = ROUND_SECONDS
        .into_iter()
        .find(|seconds| *seconds >= wanted)
        // Longer than that: whole days.
        .unwrap_or_else(|| wanted.div_ceil(86_400) * 86_400);
    Duration::from_secs(seconds)
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// Enough of a text to recognise it by; problems do not echo what is long.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Option<String> {
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        time("from", text, now).ok().map(|time| time.to_string())
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, expected) in [
            ("now", "2026-11-21T10:00:00Z"),
            ("-15m", "2026-11-21T09:45:00Z"),
            ("now-2h", "2026-11-21T08:00:00Z"),
            ("-250ms", "2026-11-21T09:59:59.75Z"),
            ("2026-11-21T10:05:00+02:00", "2026-11-21T08:05:00Z"),
            ("2026-11-21T10:05:00 02:00", "2026-11-21T08:05:00Z"),
        ] {
            assert_eq!(at(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "15m",
            "-15",
            "-m",
            "--5m",
            "-99999999999999999999w",
            "-5µs",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn about_sixty_intervals() {
        for (range, step) in [
            (30, 1),
            (900, 15),
            (3_600, 60),
            (86_400, 1_800),
            (86_400 * 200, 345_600),
        ] {
            assert_eq!(
                round_step(Duration::from_secs(range)),
                Duration::from_secs(step),
                "{range} s"
            );
        }
    }

    proptest! {
        #[test]
        fn reading_a_time_never_panics(text in "\\PC{0,60}") {
            let _ignored = at(&text);
        }

        #[test]
        fn a_range_has_few_intervals(seconds in 0u64..1 << 40) {
            let step = round_step(Duration::from_secs(seconds));
            prop_assert!(seconds / step.as_secs() <= 120);
        }
    }
}
