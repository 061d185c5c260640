//! Figures, times and names as people read them, in the terminal and on the page alike.

use std::time::Duration;

use super::totals::{FalseAlarm, WhyFalse};
use crate::clock::Moment;

/// What an absent figure is written as.
pub(super) const NOTHING: &str = "–";

/// `during the benign change 03-deployment`.
pub(super) fn why_false(page: &FalseAlarm) -> String {
    let fault = page.fault.as_deref().map(clean).unwrap_or_default();
    match page.why {
        WhyFalse::OnBenign => format!("on the benign change {fault}"),
        WhyFalse::Elsewhere => format!("during {fault}, which does not show there"),
        WhyFalse::OutOfNothing => "nothing was on".to_owned(),
    }
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Three digits that mean something, without an exponent.
pub(super) fn figure(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if value < 0.1 {
        format!("{value:.3}")
    } else if value < 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

/// `350 ms`, `4.2 s`, `2 min 5 s`, `1 h 12 min`.
pub(super) fn length(length: Duration) -> String {
    let millis = length.as_millis();
    let secs = length.as_secs();
    if millis < 1_000 {
        format!("{millis} ms")
    } else if secs < 60 {
        format!("{}.{} s", secs, millis % 1_000 / 100)
    } else if secs < 3_600 {
        format!("{} min {} s", secs / 60, secs % 60)
    } else {
        format!("{} h {} min", secs / 3_600, secs / 60 % 60)
    }
}

pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// In UTC.
pub(super) fn time_of_day(at: Moment) -> String {
    at.timestamp().strftime("%H:%M:%S").to_string()
}

/// Without anything that a terminal or a reader's line would obey.
pub(super) fn clean(name: &str) -> String {
    name.chars()
        .map(|c| {
            // The second kind turns the direction of what follows.
            let steers = c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if steers { '\u{fffd}' } else { c }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_unit_that_fits() {
        for (millis, text) in [
            (0, "0 ms"),
            (350, "350 ms"),
            (4_250, "4.2 s"),
            (59_999, "59.9 s"),
            (125_000, "2 min 5 s"),
            (4_320_000, "1 h 12 min"),
        ] {
            assert_eq!(length(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn figures_keep_what_matters() {
        for (value, text) in [(0.0, "0"), (0.0123, "0.012"), (3.086, "3.09"), (41.7, "42")] {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn a_terminal_obeys_no_name() {
        assert_eq!(
            clean("a\u{1b}[2J\n\u{202e}b"),
            "a\u{fffd}[2J\u{fffd}\u{fffd}b"
        );
    }
}
