//! Small scanners over bytes, shared by all formats.
//!
//! Positions are byte offsets. Everything cuts at ASCII delimiters only, so that an offset that a
//! scanner returns is always a character boundary of the text it was given.

/// The offset of the first byte at or after `at` that is neither space nor tab.
#[inline]
pub(super) fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The offset of the first white space at or after `at`, or the end.
#[inline]
pub(super) fn word_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        if byte.is_ascii_whitespace() {
            break;
        }
        at += 1;
    }
    at
}

/// Reads at most `most` decimal digits; their value and how many there were. The value is
/// meaningless above 19 digits, which no caller asks for.
#[inline]
pub(super) fn digits(bytes: &[u8], at: usize, most: usize) -> (u64, usize) {
    let mut value = 0u64;
    let mut count = 0;
    while count < most {
        match bytes.get(at + count) {
            Some(byte @ b'0'..=b'9') => {
                value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            }
            _ => break,
        }
        count += 1;
    }
    (value, count)
}

/// The offset of the bracket that closes the one at `at`, counting nested pairs of the same kind.
/// Looks at most `within` bytes ahead, so that a long line of opening brackets stays linear.
#[inline]
pub(super) fn closing(bytes: &[u8], at: usize, within: usize) -> Option<usize> {
    let open = *bytes.get(at)?;
    let close = match open {
        b'[' => b']',
        b'(' => b')',
        b'{' => b'}',
        b'<' => b'>',
        _ => return None,
    };
    let mut depth = 0usize;
    for (offset, &byte) in bytes[at..].iter().take(within).enumerate() {
        if byte == open {
            depth += 1;
        } else if byte == close {
            depth -= 1;
            if depth == 0 {
                return Some(at + offset);
            }
        } else if byte == b'\n' {
            return None;
        }
    }
    None
}

/// The offset of the quote that closes the one at `at`; a backslash escapes.
#[inline]
pub(super) fn closing_quote(bytes: &[u8], at: usize) -> Option<usize> {
    let quote = *bytes.get(at)?;
    let mut from = at + 1;
    loop {
        let found = from + memchr::memchr2(quote, b'\\', bytes.get(from..)?)?;
        if bytes[found] == quote {
            return Some(found);
        }
        from = found + 2;
    }
}

pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Cuts a line into fields separated by blanks, where `"…"` and `[…]` are one field each and come
/// without their quotes. The access-log family.
#[derive(Clone, Debug)]
pub(super) struct Fields<'t> {
    text: &'t str,
    at: usize,
}

/// One field: its text, whether it was quoted, and where it lies, quotes included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'t> {
    pub(super) text: &'t str,
    pub(super) quoted: bool,
    pub(super) bracketed: bool,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl<'t> Fields<'t> {
    pub(super) fn new(text: &'t str) -> Fields<'t> {
        Fields { text, at: 0 }
    }
}

impl<'t> Iterator for Fields<'t> {
    type Item = Field<'t>;

    fn next(&mut self) -> Option<Field<'t>> {
        let bytes = self.text.as_bytes();
        let start = skip_blanks(bytes, self.at);
        let first = *bytes.get(start)?;
        let close = match first {
            b'"' => closing_quote(bytes, start),
            b'[' => memchr::memchr(b']', &bytes[start..]).map(|offset| start + offset),
            _ => None,
        };
        // A quote that is never closed is an ordinary character.
        let (text, end) = match close {
            Some(close) => (self.text.get(start + 1..close)?, close + 1),
            None => {
                let end = word_end(bytes, start).max(start + 1);
                (self.text.get(start..end)?, end)
            }
        };
        self.at = end;
        Some(Field {
            text,
            quoted: first == b'"' && close.is_some(),
            bracketed: first == b'[' && close.is_some(),
            start,
            end,
        })
    }
}
