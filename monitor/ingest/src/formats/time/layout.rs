//! The layouts of written timestamps, told apart by their first bytes.

use super::{Date, Stamp};
use crate::formats::scan::{digits, skip_blanks};

/// Scans a timestamp at the start of `bytes`: the stamp and the offset after it.
pub(in crate::formats) fn scan(bytes: &[u8]) -> Option<(Stamp, usize)> {
    match bytes.first()? {
        b'0'..=b'9' => scan_numeric(bytes),
        b'A'..=b'Z' | b'a'..=b'z' => scan_worded(bytes),
        _ => None,
    }
}

fn scan_numeric(bytes: &[u8]) -> Option<(Stamp, usize)> {
    let (first, count) = digits(bytes, 0, 9);
    let first32 = u32::try_from(first).ok()?;
    let separator = *bytes.get(count)?;
    match (count, separator) {
        // 2026-11-21, 2026/11/21, 2026.11.21
        (4, b'-' | b'/' | b'.') => {
            let (month, day, end) = two_numbers(bytes, 5, separator)?;
            let date = Date {
                year: i32::try_from(first32).ok(),
                month,
                day,
            };
            let (stamp, end) = after_date(bytes, end)?;
            Some((stamp.with_date(date)?, end))
        }
        // 20261121-10:00:00, 20261121T100000Z
        (8, b'-' | b'T' | b' ' | b'_') => {
            let date = Date {
                year: i32::try_from(first32 / 10_000).ok(),
                month: first32 / 100 % 100,
                day: first32 % 100,
            };
            let (stamp, end) = time_of_day(bytes, 9)?;
            Some((stamp.with_date(date)?, end))
        }
        // 081109 203518 (Hadoop's old pattern), 261121 10:00:00 (old MySQL)
        (6, b' ') => {
            let date = Date {
                year: i32::try_from(2000 + first32 / 10_000).ok(),
                month: first32 / 100 % 100,
                day: first32 % 100,
            };
            let at = skip_blanks(bytes, 7);
            let (stamp, end) = time_of_day(bytes, at)?;
            Some((stamp.with_date(date)?, end))
        }
        (1 | 2, b':') => {
            let (stamp, end) = time_of_day(bytes, 0)?;
            // Not the beginning of an address or a longer word.
            match bytes.get(end) {
                Some(byte) if byte.is_ascii_alphanumeric() || *byte == b':' => None,
                _ => Some((stamp, end)),
            }
        }
        // 21/Nov/2026:10:00:00 +0000, 21 Nov 2026 10:00:00, 21-Nov-2026 10:00:00
        (1 | 2, b'/' | b'-' | b' ' | b'.')
            if bytes.get(count + 1).is_some_and(u8::is_ascii_alphabetic) =>
        {
            let month = month_name(bytes.get(count + 1..count + 4)?)?;
            let at = count + 4;
            if *bytes.get(at)? != separator {
                return None;
            }
            let (year, year_digits) = digits(bytes, at + 1, 4);
            let year = match year_digits {
                4 => i32::try_from(year).ok(),
                2 => i32::try_from(2000 + year).ok(),
                _ => return None,
            };
            let date = Date {
                year,
                month,
                day: first32,
            };
            let (stamp, end) = after_date(bytes, at + 1 + year_digits)?;
            Some((stamp.with_date(date)?, end))
        }
        (1 | 2, b'/' | b'-' | b'.') => scan_short_date(bytes, first32, count, separator),
        _ => None,
    }
}

/// `11-21 10:00:00`, `10.30 16:49:06`, `17/06/09 20:10:40`, `11/21/2026 10:00:00 AM`,
/// `21.11.2026 10:00:00`.
fn scan_short_date(
    bytes: &[u8],
    first: u32,
    count: usize,
    separator: u8,
) -> Option<(Stamp, usize)> {
    let (second, second_digits) = digits(bytes, count + 1, 2);
    let second = u32::try_from(second).ok()?;
    if second_digits == 0 {
        return None;
    }
    let at = count + 1 + second_digits;
    if bytes.get(at) != Some(&separator) {
        // Month and day without a year.
        if !matches!(bytes.get(at), Some(b' ' | b'T' | b'-')) {
            return None;
        }
        let date = Date {
            year: None,
            month: first,
            day: second,
        };
        let (stamp, end) = time_of_day(bytes, at + 1)?;
        return Some((stamp.with_date(date)?, end));
    }
    let (third, third_digits) = digits(bytes, at + 1, 4);
    let third = u32::try_from(third).ok()?;
    let date = match third_digits {
        4 => {
            // Day first where dots separate, or where the first cannot be a month.
            let (month, day) = if separator == b'.' || first > 12 {
                (second, first)
            } else {
                (first, second)
            };
            Date {
                year: i32::try_from(third).ok(),
                month,
                day,
            }
        }
        // Two digits in front are a year: Log4j's yy/MM/dd.
        2 if count == 2 => Date {
            year: i32::try_from(2000 + first).ok(),
            month: second,
            day: third,
        },
        _ => return None,
    };
    let (stamp, end) = after_date(bytes, at + 1 + third_digits)?;
    Some((stamp.with_date(date)?, end))
}

fn scan_worded(bytes: &[u8]) -> Option<(Stamp, usize)> {
    if let Some(month) = month_name(bytes.get(..3)?) {
        return scan_month_first(bytes, month, 3);
    }
    if !is_weekday(bytes.get(..3)?) {
        return None;
    }
    let mut at = 3;
    if bytes.get(at) == Some(&b',') {
        at += 1;
    }
    at = skip_blanks(bytes, at);
    if bytes.get(at)?.is_ascii_digit() {
        // RFC 1123: Sat, 21 Nov 2026 10:00:00 GMT
        return scan_numeric(&bytes[at..]).map(|(stamp, end)| (stamp, at + end));
    }
    let month = month_name(bytes.get(at..at + 3)?)?;
    scan_month_first(bytes, month, at + 3)
}

/// After a month's name: `Nov 21 10:00:00` (RFC 3164), `Nov 21, 2026 10:00:00 AM`,
/// `Nov 21 10:00:00.123 CET 2026` (ctime and its relatives).
fn scan_month_first(bytes: &[u8], month: u32, at: usize) -> Option<(Stamp, usize)> {
    let mut at = skip_blanks(bytes, at);
    let (day, day_digits) = digits(bytes, at, 2);
    if day_digits == 0 {
        return None;
    }
    let day = u32::try_from(day).ok()?;
    at += day_digits;
    if bytes.get(at) == Some(&b',') {
        at += 1;
    }
    at = skip_blanks(bytes, at);
    let (year, year_digits) = digits(bytes, at, 5);
    if year_digits == 4 {
        let date = Date {
            year: i32::try_from(year).ok(),
            month,
            day,
        };
        let (stamp, end) = after_date(bytes, at + 4)?;
        return Some((stamp.with_date(date)?, end));
    }
    let (mut stamp, mut end) = time_of_day(bytes, at)?;
    // ctime puts the year last, some with a zone before it.
    let mut year = None;
    let mut next = skip_blanks(bytes, end);
    if let Some((offset, length)) = zone_name(&bytes[next..]) {
        let after = skip_blanks(bytes, next + length);
        if digits(bytes, after, 5).1 == 4 {
            stamp.offset = offset;
            next = after;
        }
    }
    let (number, count) = digits(bytes, next, 5);
    if count == 4
        && (1970..=2200).contains(&number)
        && !matches!(bytes.get(next + 4), Some(byte) if byte.is_ascii_alphanumeric())
    {
        year = i32::try_from(number).ok();
        end = next + 4;
    }
    Some((stamp.with_date(Date { year, month, day })?, end))
}

fn two_numbers(bytes: &[u8], at: usize, separator: u8) -> Option<(u32, u32, usize)> {
    let (month, month_digits) = digits(bytes, at, 2);
    let at = at + month_digits;
    if month_digits == 0 || bytes.get(at) != Some(&separator) {
        return None;
    }
    let (day, day_digits) = digits(bytes, at + 1, 2);
    if day_digits == 0 {
        return None;
    }
    Some((
        u32::try_from(month).ok()?,
        u32::try_from(day).ok()?,
        at + 1 + day_digits,
    ))
}

/// The separator between date and time, then the time.
fn after_date(bytes: &[u8], at: usize) -> Option<(Stamp, usize)> {
    let mut start = at;
    match bytes.get(at)? {
        b'T' | b't' | b'_' | b':' | b'-' => start += 1,
        b',' | b' ' | b'\t' => {
            start += 1;
            while let Some(b' ' | b'\t') = bytes.get(start) {
                start += 1;
            }
            // Gin and a few others write `2026/11/21 - 10:00:00`.
            if bytes.get(start..start + 2) == Some(b"- ") {
                start += 2;
            }
        }
        _ => return None,
    }
    time_of_day(bytes, start)
}

/// `10:00`, `10:00:00`, `10.00.00`, `100000`, then a fraction, AM or PM, and a zone.
fn time_of_day(bytes: &[u8], at: usize) -> Option<(Stamp, usize)> {
    let (first, count) = digits(bytes, at, 7);
    let (hour, minute, second, mut end);
    match count {
        6 => {
            (hour, minute, second) = (first / 10_000, first / 100 % 100, first % 100);
            end = at + 6;
        }
        1 | 2 => {
            hour = first;
            let separator = *bytes.get(at + count)?;
            if !matches!(separator, b':' | b'.') {
                return None;
            }
            let (minutes, minute_digits) = digits(bytes, at + count + 1, 2);
            if minute_digits == 0 {
                return None;
            }
            minute = minutes;
            end = at + count + 1 + minute_digits;
            let (seconds, second_digits) = if bytes.get(end) == Some(&separator) {
                digits(bytes, end + 1, 2)
            } else {
                (0, 0)
            };
            if second_digits == 0 {
                // Without seconds only `10:00` or `10:00 PM` after a date is meant.
                if at == 0 || separator == b'.' {
                    return None;
                }
                second = 0;
            } else {
                second = seconds;
                end += 1 + second_digits;
            }
        }
        _ => return None,
    }
    // A leap second is 60.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut nanos = 0;
    if let Some(b'.' | b',' | b':') = bytes.get(end)
        && bytes.get(end + 1).is_some_and(u8::is_ascii_digit)
    {
        if bytes[end] == b':' {
            // A count of milliseconds, not a fraction.
            let (millis, count) = digits(bytes, end + 1, 4);
            if count > 3 {
                return None;
            }
            nanos = u32::try_from(millis).ok()? * 1_000_000;
            end += 1 + count;
        } else {
            let (value, after) = fraction_nanos(bytes, end + 1);
            nanos = value;
            end = after;
        }
    }
    let mut hour = u32::try_from(hour).ok()?;
    let blank = usize::from(matches!(bytes.get(end), Some(b' ')));
    if let Some([half @ (b'A' | b'P' | b'a' | b'p'), b'M' | b'm']) =
        bytes.get(end + blank..end + blank + 2)
        && !bytes
            .get(end + blank + 2)
            .is_some_and(u8::is_ascii_alphanumeric)
        && (1..=12).contains(&hour)
    {
        hour = hour % 12
            + if half.eq_ignore_ascii_case(&b'p') {
                12
            } else {
                0
            };
        end += blank + 2;
    }
    let (offset, end) = zone(bytes, end);
    Some((
        Stamp {
            date: None,
            second_of_day: hour * 3600
                + u32::try_from(minute).ok()? * 60
                + u32::try_from(second).ok()?,
            nanos,
            offset,
        },
        end,
    ))
}

/// Reads fraction digits (any number of them; the tenth and later are dropped).
pub(super) fn fraction_nanos(bytes: &[u8], at: usize) -> (u32, usize) {
    let mut nanos = 0u32;
    let mut weight = 100_000_000u32;
    let mut end = at;
    while let Some(byte @ b'0'..=b'9') = bytes.get(end) {
        nanos += u32::from(byte - b'0') * weight;
        weight /= 10;
        end += 1;
    }
    (nanos, end)
}

/// A zone right after the time or one blank later; the offset when it is an unambiguous one.
fn zone(bytes: &[u8], end: usize) -> (Option<i32>, usize) {
    let at = end + usize::from(bytes.get(end) == Some(&b' '));
    match bytes.get(at) {
        Some(b'Z' | b'z')
            if at == end && !bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) =>
        {
            (Some(0), at + 1)
        }
        Some(sign @ (b'+' | b'-')) => {
            let (hours, hour_digits) = digits(bytes, at + 1, 2);
            if hour_digits != 2 {
                return (None, end);
            }
            let mut after = at + 3;
            let colon = usize::from(bytes.get(after) == Some(&b':'));
            let (minutes, minute_digits) = digits(bytes, after + colon, 2);
            let minutes = if minute_digits == 2 {
                after += colon + 2;
                minutes
            } else if at == end {
                0
            } else {
                // ` - 12` after a blank is more likely text.
                return (None, end);
            };
            if bytes.get(after).is_some_and(u8::is_ascii_alphanumeric) || hours > 15 || minutes > 59
            {
                return (None, end);
            }
            // Go prints `+0000 UTC`: the name says the same again.
            if bytes.get(after) == Some(&b' ')
                && let Some((_, length)) = zone_name(&bytes[after + 1..])
            {
                after += 1 + length;
            }
            let seconds = i32::try_from(hours * 3600 + minutes * 60).unwrap_or(0);
            (Some(if *sign == b'-' { -seconds } else { seconds }), after)
        }
        Some(b'A'..=b'Z') => match zone_name(&bytes[at..]) {
            Some((offset, length)) => (offset, at + length),
            None => (None, end),
        },
        _ => (None, end),
    }
}

/// Zone abbreviations. The ones that two continents share (CST, IST, BST) are recognised as zones,
/// but say nothing.
fn zone_name(bytes: &[u8]) -> Option<(Option<i32>, usize)> {
    const HOUR: i32 = 3600;
    let length = bytes
        .iter()
        .take(5)
        .take_while(|byte| byte.is_ascii_uppercase())
        .count();
    if bytes.get(length).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let offset = match &bytes[..length] {
        b"UTC" | b"GMT" | b"WET" => Some(0),
        b"CET" | b"WEST" => Some(HOUR),
        b"CEST" | b"EET" => Some(2 * HOUR),
        b"EEST" | b"MSK" => Some(3 * HOUR),
        b"JST" | b"KST" => Some(9 * HOUR),
        b"AEST" => Some(10 * HOUR),
        b"AEDT" => Some(11 * HOUR),
        b"EST" => Some(-5 * HOUR),
        b"EDT" => Some(-4 * HOUR),
        b"CDT" => Some(-5 * HOUR),
        b"MST" => Some(-7 * HOUR),
        b"MDT" => Some(-6 * HOUR),
        b"PST" => Some(-8 * HOUR),
        b"PDT" => Some(-7 * HOUR),
        b"CST" | b"IST" | b"BST" => None,
        _ => return None,
    };
    Some((offset, length))
}

fn month_name(name: &[u8]) -> Option<u32> {
    const NAMES: [&[u8; 3]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    let index = NAMES
        .iter()
        .position(|month| name.eq_ignore_ascii_case(*month))?;
    u32::try_from(index + 1).ok()
}

fn is_weekday(name: &[u8]) -> bool {
    const NAMES: [&[u8; 3]; 7] = [b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
    NAMES.iter().any(|day| name.eq_ignore_ascii_case(*day))
}
