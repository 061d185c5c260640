//! Dates and times as log lines have them, all in UTC.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::put;
use crate::clock::Moment;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Any text may stand between the parts, so dialects put them together themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp(DateTime);

impl Stamp {
    pub(super) fn of(at: Moment) -> Stamp {
        Stamp(Offset::UTC.to_datetime(at.timestamp()))
    }

    /// `2026-03-01`, with another mark between.
    pub(super) fn date(&self, out: &mut String, mark: char) {
        put!(out, "{:04}{mark}", self.0.year());
        two(out, self.0.month());
        out.push(mark);
        two(out, self.0.day());
    }

    /// `0301`.
    pub(super) fn month_and_day(&self, out: &mut String) {
        two(out, self.0.month());
        two(out, self.0.day());
    }

    /// `01/Mar/2026`.
    pub(super) fn day_of_month_name(&self, out: &mut String) {
        two(out, self.0.day());
        let month = usize::try_from(self.0.month() - 1).unwrap_or(0);
        put!(out, "/{}/{:04}", MONTHS[month], self.0.year());
    }

    /// `10:00:00`.
    pub(super) fn clock(&self, out: &mut String) {
        two(out, self.0.hour());
        out.push(':');
        two(out, self.0.minute());
        out.push(':');
        two(out, self.0.second());
    }

    /// The first `digits` after the point, cut off as loggers do.
    pub(super) fn fraction(&self, out: &mut String, digits: u32) {
        let mut unit = 100_000_000;
        for _ in 0..digits.min(9) {
            let digit = (self.0.subsec_nanosecond() / unit) % 10;
            out.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
            unit = (unit / 10).max(1);
        }
    }

    /// `2026-03-01T10:00:00.123Z`.
    pub(super) fn rfc3339(&self, out: &mut String, digits: u32) {
        self.date(out, '-');
        out.push('T');
        self.clock(out);
        out.push('.');
        self.fraction(out, digits);
        out.push('Z');
    }

    /// As Go's `time.RFC3339Nano`: no zeros at the end.
    pub(super) fn rfc3339_nano(&self, out: &mut String) {
        self.date(out, '-');
        out.push('T');
        self.clock(out);
        if self.0.subsec_nanosecond() > 0 {
            out.push('.');
            self.fraction(out, 9);
            out.truncate(out.trim_end_matches('0').len());
        }
        out.push('Z');
    }
}

fn two(out: &mut String, number: i8) {
    let number = u8::try_from(number).unwrap_or(0);
    out.push(char::from(b'0' + number / 10 % 10));
    out.push(char::from(b'0' + number % 10));
}
