//! Values that are secret because of the name beside them: `password=…`, `"token":"…"`,
//! `Authorization: Bearer …`, `?api_key=…`.

use std::ops::Range;

use super::edits::{self, Edits};

/// The name without case, `-`, `_` and what stands before its last dot.
pub(super) fn plain(key: &str) -> String {
    let last = key.trim_end_matches('.').rsplit('.').next().unwrap_or(key);
    last.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// The kind of secret that a field of this name holds.
pub(super) fn kind_of_key(key: &str, own: &[String]) -> Option<&'static str> {
    if key.len() > 128 {
        return None;
    }
    let key = plain(key);
    if own.contains(&key) {
        return Some("secret");
    }
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| key.ends_with(suffix));
    if ends(&["authorization", "xauth"]) {
        Some("authorization")
    } else if ends(&["cookie", "cookies", "setcookie2"]) {
        Some("cookie")
    } else if ends(&[
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "passwordhash",
        "userpassword",
    ]) {
        Some("password")
    } else if ends(&[
        "secret",
        "secretkey",
        "clientsecret",
        "privatekey",
        "secretaccesskey",
        "credential",
        "credentials",
        "amzsignature",
        "amzcredential",
        "signingkey",
        "encryptionkey",
    ]) {
        Some("secret")
    } else if ends(&[
        "apikey",
        "accesskey",
        "accesskeyid",
        "xapikey",
        "subscriptionkey",
    ]) {
        Some("api-key")
    } else if ends(&["sessionid", "sessiontoken"]) && !ends(&["tracesessionid"]) {
        Some("session")
    } else if ends(&["token", "tokens"]) {
        // Cursors and counts are called tokens too.
        let harmless = ends(&[
            "tokens",
            "pagetoken",
            "nexttoken",
            "continuationtoken",
            "synctoken",
            "cancellationtoken",
            "unexpectedtoken",
            "maxtoken",
            "mintoken",
        ]);
        (!harmless).then_some("token")
    } else {
        None
    }
}

/// Whether the name is one of an id (`span_id`, `orderId`), or is a trace or span id itself.
pub(super) fn names_an_id(name: &[u8]) -> bool {
    if matches!(name.len(), 16 | 32) && name.iter().all(u8::is_ascii_hexdigit) {
        return true;
    }
    let lower = name.to_ascii_lowercase();
    lower.ends_with(b"id")
        && memchr::memmem::find(&lower, b"card").is_none()
        && !lower.starts_with(b"pan")
}

/// Words that stand where a secret would without being one.
pub(super) fn is_no_secret(value: &str) -> bool {
    value.starts_with("[REDACTED")
        || value
            .bytes()
            .all(|b| matches!(b, b'*' | b'x' | b'X' | b'.' | b'-' | b'<' | b'>'))
        || [
            "true",
            "false",
            "null",
            "none",
            "nil",
            "undefined",
            "(null)",
            "empty",
            "required",
            "invalid",
            "missing",
            "expired",
            "incorrect",
            "wrong",
            "redacted",
            "[redacted]",
            "n/a",
            "ok",
            "valid",
            "unknown",
            "unset",
            "is",
            "not",
            "must",
            "cannot",
            "for",
            "the",
            "has",
            "was",
            "redact",
            "masked",
            "hidden",
        ]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(value))
}

const fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Looks for the value of the name around the key word; returns where the replacement ends.
pub(super) fn find(
    text: &str,
    word: Range<usize>,
    own: &[String],
    edits: &mut Edits,
) -> Option<usize> {
    let bytes = text.as_bytes();
    let start = word.start
        - bytes[..word.start]
            .iter()
            .rev()
            .take(64)
            .take_while(|b| is_key_byte(**b))
            .count();
    let end = word.end
        + bytes[word.end..]
            .iter()
            .take(64)
            .take_while(|b| is_key_byte(**b))
            .count();
    let key = text.get(start..end)?;
    let kind = kind_of_key(key, own)?;
    let separator = separator(bytes, end)?;
    // In a JSON document a bare quote opens a value only behind a quoted name; otherwise it closes
    // the string that the name is in.
    if separator.quote == b"\"" && !separator.named && edits::is_json(text) {
        return None;
    }
    let value = value(bytes, &separator, kind)?;
    let found = text.get(value.clone())?;
    if found.is_empty() || is_no_secret(found) || found.contains("[REDACTED") {
        return None;
    }
    if separator.prose && !plausible_in_prose(found, kind) {
        return None;
    }
    // The working directory of a process is called so too.
    if key.eq_ignore_ascii_case("pwd") && found.starts_with(['/', '~']) {
        return None;
    }
    // Leave a pointer alone: `token: {`, `password: ${DB_PASSWORD}`.
    if found.starts_with(['{', '[', '$', '<', '%']) && !separator.quoted() {
        return None;
    }
    let end = value.end;
    edits.add(value, kind);
    Some(end)
}

struct Separator {
    /// Where the value begins, its quote not included.
    value: usize,
    /// What closes it: nothing, `"`, `\"`, …
    quote: &'static [u8],
    colon: bool,
    /// The name was quoted too.
    named: bool,
    /// `name: value` in running text, where words follow that are no values.
    prose: bool,
}

impl Separator {
    fn quoted(&self) -> bool {
        !self.quote.is_empty()
    }
}

/// What stands between a name that ends at `end` and its value: `=`, `:`, `":"`, `=>`.
fn separator(bytes: &[u8], end: usize) -> Option<Separator> {
    let mut at = end;
    let skip = |at: usize, what: &[u8]| bytes[at..].starts_with(what).then_some(at + what.len());
    let spaces = |at: usize| at + bytes[at..].iter().take_while(|b| **b == b' ').count();
    let closing: [&[u8]; 4] = [b"\\\"", b"\"", b"'", b"]"];
    let closed = closing.iter().find_map(|quote| skip(at, quote));
    at = spaces(closed.unwrap_or(at));
    let colon = match bytes.get(at)? {
        b'=' => {
            at += 1 + usize::from(bytes.get(at + 1) == Some(&b'>'));
            // `==` compares.
            if bytes.get(at) == Some(&b'=') {
                return None;
            }
            false
        }
        b':' => {
            at += 1 + usize::from(bytes.get(at + 1) == Some(&b'='));
            true
        }
        _ => return None,
    };
    let after = at;
    at = spaces(at);
    // `headers={authorization=[Bearer …]}`, `"authorization":["Bearer …"]`
    if bytes.get(at) == Some(&b'[') && !bytes[at..].starts_with(b"[REDACTED") {
        at = spaces(at + 1);
    }
    let quotes: [&'static [u8]; 5] = [b"\\\\\\\"", b"\\\"", b"\"", b"'", b"`"];
    let quote = quotes
        .into_iter()
        .find(|quote| bytes[at..].starts_with(quote))
        .unwrap_or_default();
    // An empty value, or the end of a string that ended with the separator.
    if !quote.is_empty()
        && bytes
            .get(at + quote.len())
            .is_none_or(|b| matches!(b, b',' | b'}' | b']' | b':'))
    {
        return None;
    }
    Some(Separator {
        named: closed.is_some(),
        value: at + quote.len(),
        quote,
        colon,
        prose: colon && closed.is_none() && quote.is_empty() && at > after,
    })
}

fn value(bytes: &[u8], separator: &Separator, kind: &str) -> Option<Range<usize>> {
    let start = separator.value;
    let mut end = if separator.quoted() {
        closing(bytes, start, separator.quote)
    } else if kind == "cookie" && separator.colon {
        until(bytes, start, |b| {
            matches!(b, b'"' | b'\n' | b'\r' | b',' | b'}' | b']')
        })
    } else if kind == "authorization" {
        until(bytes, start, |b| {
            matches!(
                b,
                b'"' | b'\'' | b'\n' | b'\r' | b',' | b'}' | b']' | b'&' | b'|'
            )
        })
    } else {
        until(bytes, start, |b| {
            b.is_ascii_whitespace()
                || matches!(
                    b,
                    b',' | b';'
                        | b'&'
                        | b'"'
                        | b'\''
                        | b'<'
                        | b'>'
                        | b')'
                        | b']'
                        | b'}'
                        | b'|'
                        | b'`'
                )
        })
    };
    if !separator.quoted() {
        while end > start && matches!(bytes[end - 1], b' ' | b'.' | b':') {
            end -= 1;
        }
    }
    let mut range = start..end;
    if kind == "authorization" {
        range = credentials(bytes, range, separator)?;
    }
    (range.end > range.start).then_some(range)
}

/// The credentials after the scheme: `Bearer abc` is shown as `Bearer [REDACTED:authorization]`.
fn credentials(bytes: &[u8], value: Range<usize>, separator: &Separator) -> Option<Range<usize>> {
    let text = &bytes[value.clone()];
    let scheme = text
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || **b == b'-')
        .count();
    let named = [
        &b"bearer"[..],
        b"basic",
        b"digest",
        b"negotiate",
        b"token",
        b"apikey",
        b"hmac",
        b"aws4-hmac-sha256",
        b"ntlm",
        b"hawk",
        b"oauth",
    ]
    .iter()
    .any(|known| known.eq_ignore_ascii_case(&text[..scheme]));
    if !named || text.get(scheme) != Some(&b' ') {
        // `authorization: failed for user 7` is a sentence.
        return if separator.prose || !separator.quoted() && text.contains(&b' ') {
            let word = text.iter().take_while(|b| **b != b' ').count();
            let secret = &text[..word];
            (word >= 12 && secret.iter().any(u8::is_ascii_digit))
                .then_some(value.start..value.start + word)
        } else {
            Some(value)
        };
    }
    let start = value.start + scheme + 1;
    let short = [
        &b"bearer"[..],
        b"basic",
        b"token",
        b"apikey",
        b"negotiate",
        b"ntlm",
    ]
    .iter()
    .any(|known| known.eq_ignore_ascii_case(&text[..scheme]));
    let end = if short && !separator.quoted() {
        until(&bytes[..value.end], start, |b| b == b' ')
    } else {
        value.end
    };
    Some(start..end)
}

/// Whether the word after `name: ` is a secret rather than the next word of a sentence.
fn plausible_in_prose(value: &str, kind: &str) -> bool {
    let bytes = value.as_bytes();
    let digits = bytes.iter().any(u8::is_ascii_digit);
    let marks = bytes.iter().any(|b| !b.is_ascii_alphanumeric());
    let mixed = bytes.iter().skip(1).any(u8::is_ascii_uppercase)
        && bytes.iter().any(u8::is_ascii_lowercase);
    match kind {
        "cookie" => value.contains('='),
        "password" => bytes.len() >= 3,
        "authorization" => true,
        _ => bytes.len() >= 8 && (digits || marks || mixed),
    }
}

/// Where an unquoted value ends; a backslash that begins an escape is not part of it.
fn until(bytes: &[u8], start: usize, stop: impl Fn(u8) -> bool) -> usize {
    let mut end = start;
    while let Some(byte) = bytes.get(end) {
        let escape = *byte == b'\\'
            && bytes.get(end + 1).is_some_and(|next| {
                matches!(
                    next,
                    b'"' | b'\\' | b'/' | b'n' | b'r' | b't' | b'b' | b'f' | b'u' | b'\''
                )
            });
        if stop(*byte) || escape {
            break;
        }
        end += 1;
    }
    end
}

/// Where a quoted value ends; without a closing quote, at the end of the line.
///
/// Escapes are read in pairs, so that none is cut in two.
fn closing(bytes: &[u8], start: usize, quote: &[u8]) -> usize {
    let mut at = start;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(quote) {
            return at;
        }
        match rest {
            [b'\n', ..] => return at,
            // The string around this one ends here.
            [b'"', ..] => return at,
            [b'\\', b'\\', b'\\', b'"', ..] if quote == b"\\\"" => at += 4,
            [b'\\', b'"', ..] if quote.len() > 2 => return at,
            [b'\\', ..] => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}
