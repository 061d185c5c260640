//! Numbers for people, in as few digits as tell them something: each digit more would be a write
//! more for the API server.

use jiff::Timestamp;

/// Two digits that count: `182` is `180`, `0.0423` is `0.042`.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let digits = 1.0 - value.abs().log10().floor();
    let scale = 10f64.powf(digits);
    (value * scale).round() / scale
}

fn plain(value: f64) -> String {
    let text = format!("{:.3}", rounded(value));
    match text.trim_end_matches('0').trim_end_matches('.') {
        "" | "-" | "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// `180ms`, `1.2s`
pub(crate) fn duration(seconds: f64) -> String {
    if seconds.abs() < 1.0 {
        return format!("{}ms", plain(seconds * 1_000.0));
    }
    format!("{}s", plain(seconds))
}

/// Of a ratio: `0.4`, `12`
pub(crate) fn percent(ratio: f64) -> String {
    plain(ratio * 100.0)
}

/// Whole percents, never rounded up to all: `75%`
pub(crate) fn share(ratio: f64) -> String {
    format!("{}%", (ratio.clamp(0.0, 1.0) * 100.0).floor())
}

pub(crate) fn rate(per_second: f64) -> String {
    plain(per_second)
}

pub(crate) fn score(score: f64) -> String {
    plain(score)
}

/// RFC 3339 to the second; as it is when it is no time.
pub(crate) fn second(time: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(at) => crate::conditions::whole_second(at).to_string(),
        Err(_) => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_tell_something() {
        assert_eq!(duration(0.1823), "180ms");
        assert_eq!(duration(0.000_42), "0.42ms");
        assert_eq!(duration(1.234), "1.2s");
        assert_eq!(duration(12.34), "12s");
        assert_eq!(percent(0.0), "0");
        assert_eq!(percent(0.004_2), "0.42");
        assert_eq!(percent(0.123), "12");
        assert_eq!(percent(1.0), "100");
        assert_eq!(share(0.999), "99%");
        assert_eq!(share(f64::NAN), "NaN%");
        assert_eq!(rate(1234.0), "1200");
        assert_eq!(score(0.421), "0.42");
        assert_eq!(score(-0.000_1), "0");
        assert_eq!(second("2026-11-21T18:00:00.25Z"), "2026-11-21T18:00:00Z");
        assert_eq!(second("soon"), "soon");
    }
}
