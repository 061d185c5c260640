//! Formats of strings, as `k8s.io/kube-openapi/pkg/validation/strfmt` checks those that CRDs may
//! use (`apiextensions-apiserver/pkg/apiserver/validation/formats.go`). Others mean nothing.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use base64::Engine as _;
use regex::Regex;

/// Whether a text has a format.
pub(super) fn is(format: &str, text: &str) -> bool {
    match format {
        "date-time" | "datetime" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "duration" => duration(text).is_some(),
        "byte" => base64::engine::general_purpose::STANDARD
            .decode(text)
            .is_ok(),
        "uri" => url::Url::parse(text).is_ok() || (text.starts_with('/') && !text.contains(' ')),
        "email" => email(text),
        "hostname" => HOSTNAME.is_match(text) && text.len() <= 255,
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => cidr(text),
        "mac" => MAC.is_match(text),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => UUID.is_match(text),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "hexcolor" => HEX_COLOUR.is_match(text),
        _ => true,
    }
}

static HOSTNAME: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*\.?$",
    )
});
static MAC: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^([0-9A-Fa-f]{2}[:-]){5}([0-9A-Fa-f]{2}[:-]?){1,3}$"));
static UUID: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$")
});
static HEX_COLOUR: LazyLock<Regex> =
    LazyLock::new(|| regex(r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("written here, and tested below")
}

fn email(text: &str) -> bool {
    text.rsplit_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && HOSTNAME.is_match(host))
}

fn cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let Ok(bits) = bits.parse::<u8>() else {
        return false;
    };
    (address.parse::<Ipv4Addr>().is_ok() && bits <= 32)
        || (address.parse::<Ipv6Addr>().is_ok() && bits <= 128)
}

/// Nanoseconds of a Go duration such as `1h30m` or `-1.5s`; or of the plain style of `strfmt`,
/// `3 days`.
pub(super) fn duration(text: &str) -> Option<i64> {
    go_duration(text).or_else(|| worded_duration(text))
}

fn go_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let value: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let unit = match &rest[..unit_end] {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        total += value * unit;
        rest = &rest[unit_end..];
    }
    in_range(sign * total)
}

fn worded_duration(text: &str) -> Option<i64> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let value: f64 = text[..split].parse().ok()?;
    let unit = match text[split..].trim().to_ascii_lowercase().as_str() {
        "d" | "day" | "days" => 86_400e9,
        "w" | "week" | "weeks" => 7.0 * 86_400e9,
        "hour" | "hours" => 3600e9,
        "minute" | "minutes" | "min" | "mins" => 60e9,
        "second" | "seconds" | "sec" | "secs" => 1e9,
        _ => return None,
    };
    in_range(value * unit)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked first"
)]
fn in_range(nanoseconds: f64) -> Option<i64> {
    // 292 years, as in Go.
    (nanoseconds.abs() < 9.2e18).then_some(nanoseconds as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_tell_their_texts_from_others() {
        for (format, good, bad) in [
            ("date-time", "2026-11-21T18:00:00Z", "2026-11-21"),
            ("date", "2026-11-21", "21.11.2026"),
            ("duration", "1h30m", "soon"),
            ("duration", "3 days", "3 moons"),
            ("byte", "aGk=", "%"),
            ("uri", "https://example.com/a", "not a uri"),
            ("email", "a@example.com", "a@"),
            ("hostname", "web-1.example.com", "-web"),
            ("ipv4", "10.0.0.1", "10.0.0.256"),
            ("ipv6", "::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("mac", "01:23:45:67:89:ab", "01:23"),
            ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
            ("hexcolor", "#ff00aa", "#ff00a"),
        ] {
            assert!(is(format, good), "{good} is a {format}");
            assert!(!is(format, bad), "{bad} is no {format}");
        }
        assert!(is("anything-else", "whatever"));
    }

    #[test]
    fn durations_are_those_of_go() {
        assert_eq!(duration("1.5s"), Some(1_500_000_000));
        assert_eq!(duration("-2m"), Some(-120_000_000_000));
        assert_eq!(duration("0"), Some(0));
        assert_eq!(duration("5"), None);
        assert_eq!(duration(""), None);
        assert_eq!(duration("9999999h"), None);
    }
}
