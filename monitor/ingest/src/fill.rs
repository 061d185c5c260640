//! How full something is, in the words of those who warn of it.
//!
//! "870 of 1024 MB in use", "pool 45/50", "disk is 93 % full": the number and what it may be at most
//! stand side by side in a warning, whoever writes it. Called by the pipeline for records at WARN and
//! above; what grows towards its limit is the engine's to judge.

use monitor_core::{Record, Severity};

/// Longer texts are read so far.
const MOST_BYTES: usize = 512;
/// Of fewer in all, it is attempts or steps that are counted and not room.
const FEWEST_IN_ALL: f64 = 10.0;
/// A little more than all is said by those who count late.
const MORE_THAN_ALL: f64 = 1.1;
/// A share of a hundred is about room only with one of these.
const ROOM: [&str; 7] = [
    "used", "usage", "full", "utili", "capacity", "occupied", "in use",
];
/// What is counted is what is left.
const LEFT: [&str; 4] = ["free", "available", "remaining", " left"];

/// Of a record at WARN or above, how full it says that something is.
pub(crate) fn warned(record: &Record) -> Option<f32> {
    (record.severity? >= Severity::Warn)
        .then(|| fill_of(record.message()))
        .flatten()
}

/// The share that is used, 0 to 1, of the first pair or share in `text`; `None` when there is none.
/// O(n) in the text, of which the first half kilobyte is read.
fn fill_of(text: &str) -> Option<f32> {
    let text = &text[..text.floor_char_boundary(MOST_BYTES)];
    let says = |words: &[&str]| {
        let lower = text.to_ascii_lowercase();
        words.iter().any(|word| lower.contains(word))
    };
    let mut percent = None;
    let mut rest = text;
    let mut before = None;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let ahead = rest[..at].chars().next_back().or(before);
        let (amount, after) = Amount::read(&rest[at..]);
        if let Some(amount) = amount.filter(|_| stands_alone(ahead)) {
            if let Some(share) = whole(after).and_then(|whole| amount.share_of(&whole)) {
                return said(share, says(&LEFT));
            }
            if amount.unit == "%" && percent.is_none() {
                percent = Some(amount.value / 100.0);
            }
        }
        before = rest[..rest.len() - after.len()].chars().next_back();
        rest = after;
    }
    let left = says(&LEFT);
    percent
        .filter(|_| left || says(&ROOM))
        .and_then(|share| said(share, left))
}

#[expect(clippy::cast_possible_truncation, reason = "a share needs no more")]
fn said(share: f64, is_left: bool) -> Option<f32> {
    let used = if is_left { 1.0 - share } else { share };
    (-0.01..=MORE_THAN_ALL)
        .contains(&used)
        .then(|| used.clamp(0.0, 1.0) as f32)
}

/// Whether a number begins after this: dates, addresses, versions and names are none.
fn stands_alone(ahead: Option<char>) -> bool {
    ahead.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '/' | ':' | '_' | '#'))
}

/// A number and its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Amount<'a> {
    value: f64,
    unit: &'a str,
}

impl<'a> Amount<'a> {
    /// At the start of `text`, which is a digit; and what comes after it.
    fn read(text: &'a str) -> (Option<Amount<'a>>, &'a str) {
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')
            .unwrap_or(text.len());
        let digits = text[..end].trim_end_matches(['.', ',']);
        let mut rest = &text[digits.len()..];
        let Some(value) = number(digits) else {
            return (None, &text[end.max(1)..]);
        };
        let gap = rest.strip_prefix(' ').unwrap_or(rest);
        let length = if gap.starts_with('%') {
            1
        } else {
            gap.find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(gap.len())
        };
        let mut unit = &gap[..length];
        if unit == "%" || bytes_of(unit).is_some() {
            rest = &gap[length..];
        } else {
            unit = "";
        }
        (Some(Amount { value, unit }), rest)
    }

    fn share_of(&self, whole: &Amount<'_>) -> Option<f64> {
        let unit = if self.unit.is_empty() {
            whole.unit
        } else {
            self.unit
        };
        let scale = if unit == whole.unit {
            1.0
        } else {
            bytes_of(unit)? / bytes_of(whole.unit)?
        };
        (whole.value >= FEWEST_IN_ALL || !whole.unit.is_empty())
            .then(|| self.value * scale / whole.value)
            .filter(|share| share.is_finite() && (0.0..=MORE_THAN_ALL).contains(share))
    }
}

/// Digits with a decimal point, or with commas between thousands.
fn number(digits: &str) -> Option<f64> {
    let plain: String = digits.chars().filter(|c| *c != ',').collect();
    plain.parse().ok()
}

/// After an amount: ` of 1024 MB`, `/50`; and nothing that makes it a date or a path.
fn whole(text: &str) -> Option<Amount<'_>> {
    let text = text.trim_start_matches(' ');
    let text = ["out of ", "of ", "/"]
        .into_iter()
        .find_map(|between| text.strip_prefix(between))?
        .trim_start_matches(' ');
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (amount, after) = Amount::read(text);
    let ends =
        !after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '/' | ':' | '-' | '_'));
    amount.filter(|_| ends)
}

fn bytes_of(unit: &str) -> Option<f64> {
    let power = |base: f64, exponent: i32| Some(base.powi(exponent));
    match unit {
        "B" | "bytes" => Some(1.0),
        "kB" | "KB" => power(1e3, 1),
        "MB" => power(1e3, 2),
        "GB" => power(1e3, 3),
        "TB" => power(1e3, 4),
        "KiB" | "Ki" | "K" => power(1024.0, 1),
        "MiB" | "Mi" | "M" => power(1024.0, 2),
        "GiB" | "Gi" | "G" => power(1024.0, 3),
        "TiB" | "Ti" | "T" => power(1024.0, 4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn percent(text: &str) -> Option<i32> {
        #[expect(clippy::cast_possible_truncation, reason = "from 0 to 100")]
        fill_of(text).map(|share| (share * 100.0).round() as i32)
    }

    #[test]
    fn what_is_used_of_what_there_is_is_read_in_many_words() {
        let texts = [
            ("memory is low: 870 of 1024 MB in use", Some(85)),
            ("Heap usage 1.5GiB/2GiB", Some(75)),
            ("heap 512 MB of 2 GB", Some(26)),
            ("HikariPool-1 - 45/50 connections active", Some(90)),
            ("/dev/sda1 is 93% full", Some(93)),
            ("disk usage at 88.5 % on /var", Some(89)),
            ("only 12 % of disk space available", Some(88)),
            ("queue holds 9,500 out of 10,000 messages", Some(95)),
            ("5 of 200 file descriptors left", Some(98)),
        ];
        for (text, share) in texts {
            assert_eq!(percent(text), share, "{text}");
        }
    }

    #[test]
    fn attempts_dates_paths_and_rates_are_no_room() {
        let texts = [
            "attempt 2 of 3 failed",
            "retrying (4/5)",
            "on 2026/11/22 12:30:45 it was slow",
            "GET /orders/17/20 took 480 ms",
            "at 10.0.0.1/24 of 50 hosts",
            "error rate is 12 %",
            "took 2000 of 10 ms",
            "version 1.2.3 of 2.0.0",
            "",
        ];
        for text in texts {
            assert_eq!(percent(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_share_or_none(text in "\\PC{0,80}", digits in "[0-9.,/% of]{0,40}") {
            for text in [&text, &digits, &format!("{text}{digits}")] {
                if let Some(share) = fill_of(text) {
                    prop_assert!((0.0..=1.0).contains(&share));
                }
            }
        }
    }
}
