//! Text from outside within a line: what each kind of software escapes, and how.

use super::put;

/// `"…"` as `JSON.stringify` writes it.
pub(super) fn json(out: &mut String, text: &str) {
    out.push('"');
    escaped(
        out,
        text,
        |c| c == '"' || c == '\\' || c < ' ',
        |out, c| match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => put!(out, "\\u{:04x}", u32::from(c)),
        },
    );
    out.push('"');
}

/// `"…"` as Go's `strconv.Quote` writes it.
pub(super) fn go(out: &mut String, text: &str) {
    out.push('"');
    escaped(
        out,
        text,
        |c| c == '"' || c == '\\' || is_odd(c),
        |out, c| match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < '\u{80}' => put!(out, "\\x{:02x}", u32::from(c)),
            c => put!(out, "\\u{:04x}", u32::from(c)),
        },
    );
    out.push('"');
}

/// A value of logfmt, in quotes when it needs them.
pub(super) fn logfmt(out: &mut String, text: &str) {
    let needs = |c: char| c <= ' ' || matches!(c, '=' | '"' | '\u{fffd}') || is_odd(c);
    if text.is_empty() || text.contains(needs) {
        go(out, text);
    } else {
        out.push_str(text);
    }
}

/// As nginx does without being told otherwise: `\x22`, and so for all that is not ASCII.
pub(super) fn nginx(out: &mut String, text: &str) {
    let is_bad = |c: char| !(' '..='~').contains(&c) || c == '"' || c == '\\';
    escaped(out, text, is_bad, |out, c| {
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            put!(out, "\\x{byte:02X}");
        }
    });
}

/// A parameter's value in RFC 5424's structured data (section 6.3.3); control characters as
/// rsyslog writes them, in octal.
pub(super) fn syslog(out: &mut String, text: &str) {
    let is_bad = |c: char| matches!(c, '"' | '\\' | ']') || is_odd(c);
    escaped(out, text, is_bad, |out, c| match c {
        '"' | '\\' | ']' => {
            out.push('\\');
            out.push(c);
        }
        c => octal(out, c),
    });
}

/// Free text of syslog.
pub(super) fn syslog_text(out: &mut String, text: &str) {
    escaped(out, text, is_odd, octal);
}

/// Free text that stays on its line.
pub(super) fn bare(out: &mut String, text: &str) {
    escaped(out, text, is_odd, |out, c| match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c => put!(out, "\\x{:02x}", u32::from(c)),
    });
}

/// Bare, between double quotes that it cannot end.
pub(super) fn bare_quoted(out: &mut String, text: &str) {
    out.push('"');
    let is_bad = |c: char| c == '"' || is_odd(c);
    escaped(out, text, is_bad, |out, c| {
        put!(out, "%{:02X}", u32::from(c))
    });
    out.push('"');
}

/// Control characters, and what ends a line in Unicode.
fn is_odd(c: char) -> bool {
    c.is_control() || c == '\u{2028}' || c == '\u{2029}'
}

fn octal(out: &mut String, c: char) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        put!(out, "#{byte:03o}");
    }
}

fn escaped(
    out: &mut String,
    text: &str,
    is_bad: impl Fn(char) -> bool,
    escape: impl Fn(&mut String, char),
) {
    let mut from = 0;
    for (place, c) in text.char_indices() {
        if is_bad(c) {
            out.push_str(&text[from..place]);
            escape(out, c);
            from = place + c.len_utf8();
        }
    }
    out.push_str(&text[from..]);
}
