//! Severity, by word, by letter and by number.

use monitor_core::Severity;

/// The severity that a word names, whatever its case.
#[inline]
pub(super) fn word(word: &[u8]) -> Option<Severity> {
    if !(3..=13).contains(&word.len()) {
        return None;
    }
    let mut lower = [0u8; 13];
    let lower = &mut lower[..word.len()];
    for (slot, byte) in lower.iter_mut().zip(word) {
        *slot = byte | 0x20;
    }
    Some(match &*lower {
        b"trace" | b"trc" | b"verbose" | b"vrb" | b"finest" | b"finer" => Severity::Trace,
        b"debug" | b"dbg" | b"debg" | b"fine" | b"debug1" | b"debug2" | b"debug3" | b"debug4"
        | b"debug5" => Severity::Debug,
        b"info" | b"inf" | b"information" | b"informational" | b"notice" | b"note" | b"log"
        | b"config" | b"hint" | b"detail" | b"statement" | b"context" | b"system" => Severity::Info,
        b"warn" | b"warning" | b"wrn" => Severity::Warn,
        b"error" | b"err" | b"eror" | b"fail" | b"severe" | b"failure" => Severity::Error,
        b"critical" | b"crit" | b"crt" | b"fatal" | b"ftl" | b"panic" | b"dpanic" | b"emerg"
        | b"emergency" | b"alert" => Severity::Fatal,
        _ => return None,
    })
}

/// Words that are severities only where a format defines them (Postgres, MySQL), but ordinary
/// words elsewhere.
pub(super) fn is_common_word(word: &[u8]) -> bool {
    [
        &b"log"[..],
        b"note",
        b"system",
        b"context",
        b"detail",
        b"hint",
        b"statement",
        b"config",
        b"fine",
        b"alert",
        b"trace",
        b"fail",
        b"failure",
    ]
    .iter()
    .any(|common| word.eq_ignore_ascii_case(common))
}

/// The severity of a single letter, as klog, logcat, Ruby and MongoDB write it.
#[inline]
pub(super) fn letter(letter: u8) -> Option<Severity> {
    Some(match letter {
        b'V' | b'T' => Severity::Trace,
        b'D' => Severity::Debug,
        b'I' | b'N' => Severity::Info,
        b'W' => Severity::Warn,
        b'E' => Severity::Error,
        b'F' | b'C' | b'A' | b'S' => Severity::Fatal,
        _ => return None,
    })
}

/// A number in a field called `level`: Bunyan and pino count from 10 to 60, syslog (GELF) from 7
/// down to 0, Logback's `level_value` and log4net in tens of thousands.
pub(super) fn number(number: i64) -> Option<Severity> {
    Some(match number {
        0..=2 => Severity::Fatal,
        3 => Severity::Error,
        4 => Severity::Warn,
        5 | 6 => Severity::Info,
        7 => Severity::Debug,
        8..15 => Severity::Trace,
        15..25 => Severity::Debug,
        25..35 => Severity::Info,
        35..45 => Severity::Warn,
        45..55 => Severity::Error,
        55..=100 => Severity::Fatal,
        5_000 => Severity::Trace,
        10_000 => Severity::Debug,
        20_000 => Severity::Info,
        30_000 => Severity::Warn,
        40_000 => Severity::Error,
        50_000 => Severity::Fatal,
        _ => return None,
    })
}

/// The severity part of a syslog priority (RFC 5424, section 6.2.1).
pub(super) fn syslog(priority: u64) -> Severity {
    match priority % 8 {
        0..=2 => Severity::Fatal,
        3 => Severity::Error,
        4 => Severity::Warn,
        5 | 6 => Severity::Info,
        _ => Severity::Debug,
    }
}

/// The severity in a field's text: a word, a letter, or a number.
pub(super) fn named(text: &str) -> Option<Severity> {
    let text = text.trim();
    match text.as_bytes() {
        [single] if single.is_ascii_alphabetic() => letter(single.to_ascii_uppercase()),
        bytes if bytes.first().is_some_and(u8::is_ascii_digit) => number(text.parse().ok()?),
        bytes => word(bytes),
    }
}
