//! Tokens and addresses that are known by their shape, wherever they stand.

use std::ops::Range;

use super::edits::Edits;

/// Looks at what begins with (or, for `@`, lies around) the trigger; returns where it ends.
pub(super) fn find(text: &str, trigger: Range<usize>, edits: &mut Edits) -> Option<usize> {
    let bytes = text.as_bytes();
    let (start, end, kind) = if bytes[trigger.start] == b'@' {
        around_at(bytes, trigger.start)?
    } else {
        let fresh = trigger.start == 0
            || !bytes[trigger.start - 1].is_ascii_alphanumeric()
                && bytes[trigger.start - 1] != b'_';
        if !fresh {
            return None;
        }
        token(bytes, trigger)?
    };
    // Boundaries are at ASCII bytes, hence at characters.
    text.get(start..end)?;
    edits.add(start..end, kind);
    Some(end)
}

type Found = (usize, usize, &'static str);

fn token(bytes: &[u8], trigger: Range<usize>) -> Option<Found> {
    let Range { start, end } = trigger;
    let upper = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    let word = |b: u8| b.is_ascii_alphanumeric();
    let wide = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let of = |class: &dyn Fn(u8) -> bool, min: usize, max: usize, kind| {
        let length = bytes[end..].iter().take_while(|b| class(**b)).count();
        (min..=max)
            .contains(&length)
            .then_some((start, end + length, kind))
    };
    match bytes[start..end].to_ascii_lowercase().as_slice() {
        b"eyj" => jwt(bytes, start),
        b"bearer " => scheme(bytes, end, 8, |value| {
            value.iter().any(u8::is_ascii_digit) && value.len() >= 8 || value.len() >= 20
        }),
        b"basic " => scheme(bytes, end, 8, |value| {
            value.ends_with(b"=")
                || value.iter().any(u8::is_ascii_digit)
                    && value.iter().any(u8::is_ascii_uppercase)
                    && value.iter().any(u8::is_ascii_lowercase)
                    && value.len().is_multiple_of(4)
        }),
        // Case counts: these are written exactly so.
        _ if bytes[start..end].iter().any(u8::is_ascii_uppercase)
            && !matches!(
                &bytes[start..end],
                b"AKIA" | b"ASIA" | b"AIza" | b"-----BEGIN "
            ) =>
        {
            None
        }
        b"akia" | b"asia" if bytes[start].is_ascii_uppercase() => of(&upper, 16, 16, "aws-key"),
        b"ghp_" | b"gho_" | b"ghu_" | b"ghs_" | b"ghr_" => of(&word, 30, 255, "github-token"),
        b"github_pat_" => of(&wide, 22, 255, "github-token"),
        b"xox" => {
            let kind = bytes.get(end)?;
            let shape = matches!(kind, b'a' | b'b' | b'e' | b'o' | b'p' | b'r' | b's')
                && bytes.get(end + 1) == Some(&b'-');
            if shape {
                of(&wide, 12, 255, "slack-token")
            } else {
                None
            }
        }
        b"aiza" if bytes[start] == b'A' => of(&wide, 35, 35, "google-key"),
        b"sk_live_" | b"rk_live_" | b"sk_test_" => of(&word, 16, 255, "stripe-key"),
        b"glpat-" => of(&wide, 20, 255, "gitlab-token"),
        b"npm_" => of(&word, 36, 36, "npm-token"),
        b"sk-" => {
            let found = of(&wide, 32, 255, "api-key")?;
            bytes[end..found.1]
                .iter()
                .any(u8::is_ascii_digit)
                .then_some(found)
        }
        b"ya29." => of(&wide, 20, 2048, "google-token"),
        b"hooks.slack.com/services/" => {
            let length = bytes[end..]
                .iter()
                .take_while(|b| wide(**b) || **b == b'/')
                .count();
            (length >= 20).then_some((end, end + length, "slack-token"))
        }
        b"-----begin " => private_key(bytes, start, end),
        _ => None,
    }
}

/// RFC 7519: three base64url parts, of which the first two are JSON objects.
fn jwt(bytes: &[u8], start: usize) -> Option<Found> {
    let part = |from: usize| {
        from + bytes[from..]
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            .count()
    };
    if bytes[start..start + 3] != *b"eyJ" {
        return None;
    }
    let header = part(start);
    if header - start < 10 || bytes.get(header) != Some(&b'.') {
        return None;
    }
    let payload = part(header + 1);
    if payload - header < 5 {
        return None;
    }
    let mut end = payload;
    // A signature, or the further parts of an encrypted one.
    for _ in 0..3 {
        if bytes.get(end) != Some(&b'.') || part(end + 1) == end + 1 {
            break;
        }
        end = part(end + 1);
    }
    Some((start, end, "jwt"))
}

fn scheme(
    bytes: &[u8],
    end: usize,
    min: usize,
    plausible: impl Fn(&[u8]) -> bool,
) -> Option<Found> {
    let from = end + bytes[end..].iter().take_while(|b| **b == b' ').count();
    let length = bytes[from..]
        .iter()
        .take_while(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
        })
        .count();
    let value = &bytes[from..from + length];
    let trimmed = length - value.iter().rev().take_while(|b| **b == b'.').count();
    (trimmed >= min && plausible(&value[..trimmed])).then_some((
        from,
        from + trimmed,
        "authorization",
    ))
}

fn private_key(bytes: &[u8], start: usize, end: usize) -> Option<Found> {
    let label = bytes[end..]
        .iter()
        .take(40)
        .take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || **b == b' ')
        .count();
    if !bytes[end..end + label].ends_with(b"PRIVATE KEY") {
        return None;
    }
    let rest = &bytes[end + label..];
    let stop = memchr::memmem::find(rest, b"-----END ")
        .and_then(|at| {
            let dashes = memchr::memmem::find(&rest[at + 9..], b"-----")?;
            (dashes <= 40).then_some(at + 9 + dashes + 5)
        })
        .or_else(|| memchr::memchr2(b'"', b'\'', rest))
        .unwrap_or(rest.len());
    let mut to = end + label + stop;
    // An escaped quote keeps its backslash.
    while bytes[to - 1] == b'\\' {
        to -= 1;
    }
    Some((start, to, "private-key"))
}

/// A mail address, or the password of a URL's user.
fn around_at(bytes: &[u8], at: usize) -> Option<Found> {
    if let Some(found) = userinfo(bytes, at) {
        return Some(found);
    }
    let mut start = at
        - bytes[..at]
            .iter()
            .rev()
            .take(64)
            .take_while(|b| {
                b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-')
            })
            .count();
    // `\n` before an address in a JSON string is not its first letter.
    if start > 0
        && start < at
        && bytes[start - 1] == b'\\'
        && matches!(bytes[start], b'n' | b'r' | b't')
    {
        start += 1;
    }
    while start < at && matches!(bytes[start], b'.' | b'-' | b'%' | b'+') {
        start += 1;
    }
    let mut end = at
        + 1
        + bytes[at + 1..]
            .iter()
            .take(255)
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
            .count();
    while end > at + 1 && matches!(bytes[end - 1], b'.' | b'-') {
        end -= 1;
    }
    let domain = &bytes[at + 1..end];
    let dot = domain.iter().rposition(|b| *b == b'.')?;
    let top = &domain[dot + 1..];
    // Units of systemd and files such as `logo@2x.png` look like addresses.
    const NO_TOP_LEVEL: [&[u8]; 16] = [
        b"service", b"socket", b"timer", b"target", b"mount", b"slice", b"scope", b"png", b"jpg",
        b"jpeg", b"gif", b"svg", b"webp", b"js", b"css", b"java",
    ];
    let plausible = start < at
        && dot > 0
        && !domain.windows(2).any(|pair| pair == b"..")
        && (2..=24).contains(&top.len())
        && top.iter().all(u8::is_ascii_alphabetic)
        && !NO_TOP_LEVEL.iter().any(|no| no.eq_ignore_ascii_case(top))
        && !matches!(&bytes[start..at], b"git");
    plausible.then_some((start, end, "email"))
}

/// RFC 3986: `scheme://user:password@host`.
fn userinfo(bytes: &[u8], at: usize) -> Option<Found> {
    let stop = |b: u8| {
        b.is_ascii_whitespace()
            || matches!(b, b'/' | b'"' | b'\'' | b'<' | b'>' | b'?' | b'#' | b'\\')
    };
    let start = at
        - bytes[..at]
            .iter()
            .rev()
            .take(256)
            .take_while(|b| !stop(**b))
            .count();
    if !bytes[..start].ends_with(b"://") {
        return None;
    }
    let colon = start + bytes[start..at].iter().position(|b| *b == b':')?;
    let password = &bytes[colon + 1..at];
    (!password.is_empty() && !password.starts_with(b"[REDACTED")).then_some((
        colon + 1,
        at,
        "password",
    ))
}
