//! What one path segment is by its looks alone.

/// The placeholder for a segment that cannot be a fixed word of a route, `None` for a word.
pub(super) fn placeholder(segment: &str) -> Option<&'static str> {
    let bytes = segment.as_bytes();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return if is_mail(bytes) {
            Some("{email}")
        } else if is_opaque_letters(bytes) {
            Some("{token}")
        } else {
            None
        };
    }
    if digits == bytes.len() {
        return Some(if is_compact_date(bytes) {
            "{date}"
        } else {
            "{id}"
        });
    }
    if is_version(bytes) {
        return None;
    }
    if is_date(bytes) {
        return Some("{date}");
    }
    if is_uuid(bytes) || is_hex(bytes) || is_signed_number(bytes) {
        return Some("{id}");
    }
    if is_mail(bytes) {
        return Some("{email}");
    }
    if is_address(bytes) {
        return Some("{ip}");
    }
    if is_token(bytes, digits) {
        return Some("{token}");
    }
    if is_key(bytes, digits) {
        return Some("{id}");
    }
    None
}

/// A file that a browser fetches beside a page: `app.3f2a.js`, `logo.png`.
pub(super) fn is_asset(segment: &str) -> bool {
    const EXTENSIONS: [&str; 27] = [
        "avif",
        "bmp",
        "css",
        "cur",
        "eot",
        "gif",
        "ico",
        "jpeg",
        "jpg",
        "js",
        "map",
        "mjs",
        "mp3",
        "mp4",
        "ogg",
        "otf",
        "png",
        "scss",
        "svg",
        "ttf",
        "wasm",
        "wav",
        "webm",
        "webmanifest",
        "webp",
        "woff",
        "woff2",
    ];
    segment.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty()
            && EXTENSIONS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(extension))
    })
}

/// Words joined by three or more dashes, or by two and long: the title of something.
pub(super) fn is_slug(segment: &str) -> bool {
    let dashes = segment.bytes().filter(|b| *b == b'-').count();
    dashes >= 3 || dashes == 2 && segment.len() >= 24
}

/// `v1`, `v2.1`, `2.0`, `v1beta1`, `2024-01` is a date and not meant here.
fn is_version(bytes: &[u8]) -> bool {
    let (marked, rest) = match bytes
        .strip_prefix(b"v")
        .or_else(|| bytes.strip_prefix(b"V"))
    {
        Some(rest) => (true, rest),
        None => (false, bytes),
    };
    if rest.len() > 12 || !rest.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let major = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let tail = &rest[major..];
    if major > 3 {
        return false;
    }
    if marked {
        return tail.iter().all(|b| b.is_ascii_digit() || *b == b'.')
            || [&b"alpha"[..], b"beta", b"rc"].iter().any(|stage| {
                tail.strip_prefix(*stage)
                    .is_some_and(|number| number.iter().all(u8::is_ascii_digit))
            });
    }
    major <= 2
        && tail.len() <= 3
        && tail.starts_with(b".")
        && tail[1..].iter().all(u8::is_ascii_digit)
}

/// `20261121`, years 1970 to 2099.
fn is_compact_date(bytes: &[u8]) -> bool {
    bytes.len() == 8
        && matches!(&bytes[..2], b"19" | b"20")
        && is_month_day(&bytes[4..6], &bytes[6..])
}

/// `2026-11-21`, optionally followed by a time; `2026-11`.
fn is_date(bytes: &[u8]) -> bool {
    let digits = |range: std::ops::Range<usize>| {
        bytes
            .get(range)
            .is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let year = digits(0..4) && matches!(&bytes[..2], b"19" | b"20");
    if !year || !matches!(bytes.get(4), Some(b'-' | b'_')) || !digits(5..7) {
        return false;
    }
    match bytes.len() {
        7 => is_month_day(&bytes[5..7], b"01"),
        _ => {
            bytes.len() >= 10
                && matches!(bytes[7], b'-' | b'_')
                && digits(8..10)
                && is_month_day(&bytes[5..7], &bytes[8..10])
                && (bytes.len() == 10 || matches!(bytes[10], b'T' | b' ' | b'_' | b't'))
        }
    }
}

fn is_month_day(month: &[u8], day: &[u8]) -> bool {
    let between = |text: &[u8], last: &[u8]| text >= b"01".as_slice() && text <= last;
    between(month, b"12") && between(day, b"31")
}

fn is_uuid(bytes: &[u8]) -> bool {
    let inner = bytes
        .strip_prefix(b"{")
        .and_then(|b| b.strip_suffix(b"}"))
        .unwrap_or(bytes);
    inner.len() == 36
        && inner.iter().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// At least eight hex digits of one case, or `0x…`.
fn is_hex(bytes: &[u8]) -> bool {
    if let Some(digits) = bytes.strip_prefix(b"0x") {
        return !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    }
    bytes.len() >= 8
        && bytes.iter().all(u8::is_ascii_hexdigit)
        && !(bytes.iter().any(u8::is_ascii_uppercase) && bytes.iter().any(u8::is_ascii_lowercase))
}

/// `-7`, `12.50`, `3,4`, `12-34`, `12:30`: digits with marks.
fn is_signed_number(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.' | b',' | b':' | b'_' | b'+' | b'~'))
        && !is_address(bytes)
}

fn is_mail(bytes: &[u8]) -> bool {
    let Some(at) = bytes.iter().position(|b| *b == b'@') else {
        return false;
    };
    at > 0
        && bytes[at + 1..].contains(&b'.')
        && bytes[at + 1..]
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}

fn is_address(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<std::net::IpAddr>().is_ok())
}

/// A long run of mixed characters: base64, a signed token, a content hash with a name.
fn is_token(bytes: &[u8], digits: usize) -> bool {
    let plain = bytes.iter().all(|b| {
        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'=' | b'.' | b'+' | b'~' | b'!')
    });
    let upper = bytes.iter().any(u8::is_ascii_uppercase);
    let lower = bytes.iter().any(u8::is_ascii_lowercase);
    plain && bytes.len() >= 20 && (upper && lower && digits >= 2 || digits * 4 >= bytes.len())
}

/// Long letters without a vowel-like rhythm: a token that happens to hold no digit.
fn is_opaque_letters(bytes: &[u8]) -> bool {
    if bytes.len() < 24
        || bytes
            .iter()
            .any(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'=' | b'+'))
    {
        return false;
    }
    let turns = bytes
        .windows(2)
        .filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase())
        .count();
    // `DirectTicketAllocationProportion` turns every seventh letter, random ones every fourth.
    turns * 5 > bytes.len()
}

/// An order number, a product code, a flight: `ORD-8812`, `OLJCESPC7Z`, `G1234`, `user_42`.
fn is_key(bytes: &[u8], digits: usize) -> bool {
    if bytes
        .iter()
        .any(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'-' | b'_' | b':' | b'.' | b'~'))
    {
        return false;
    }
    let upper = bytes.iter().filter(|b| b.is_ascii_uppercase()).count();
    let lower = bytes.iter().filter(|b| b.is_ascii_lowercase()).count();
    let number = bytes
        .split(|b| !b.is_ascii_digit())
        .map(<[u8]>::len)
        .max()
        .unwrap_or(0);
    number >= 4
        || digits * 2 > bytes.len()
        || lower == 0 && upper >= 2 && bytes.len() >= 6
        || lower == 0 && number >= 2
        || number >= 2 && bytes.iter().any(|b| matches!(b, b'-' | b'_' | b':'))
        || digits >= 2 && upper >= 2 && lower >= 2
}
