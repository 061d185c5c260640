//! Cuts a message into words and variables, in one pass and without memory of other messages.
//!
//! A *chunk* is what stands between hard delimiters (white space, brackets, quotes, `,;:=|`);
//! `classify` says which parts of a chunk are variable. Everything between two tokens is a *gap*
//! and belongs to the layout.

use memchr::memchr;

use super::classify;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) variable: bool,
}

impl Token {
    pub(super) fn text<'m>(&self, message: &'m str) -> &'m str {
        message
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

/// Bytes of the first line that are looked at; what follows is one variable. A longer line is a
/// dump, whose words tell no templates apart.
const LINE_BYTES: usize = 16 * 1024;

const WORD: u8 = 0;
/// A digit.
pub(super) const DIGIT: u8 = 1;
/// `/` or `\`.
pub(super) const SLASH: u8 = 2;
pub(super) const DOT: u8 = 4;
/// `@`, `-`, `_`, `$`, `#`, `+`, `%`, `&`, `*`, `~`, `^`.
pub(super) const MARK: u8 = 8;
/// A lower-case or upper-case letter, or a byte of a character of two bytes.
pub(super) const LETTER: u8 = 16;
const DELIMITER: u8 = 128;

pub(super) const CLASS: [u8; 256] = {
    let mut class = [WORD; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let b = byte as u8;
        class[byte] = match b {
            b'0'..=b'9' => DIGIT,
            b'/' | b'\\' => SLASH,
            b'.' => DOT,
            b'@' | b'-' | b'_' | b'$' | b'#' | b'+' | b'%' | b'&' | b'*' | b'~' | b'^' => MARK,
            // Characters of three and four bytes are punctuation (`：`) or scripts without spaces
            // between words; either way they end an id or a number.
            b'a'..=b'z' | b'A'..=b'Z' | 128..=0xE1 => LETTER,
            _ => DELIMITER,
        };
        byte += 1;
    }
    class
};

/// Fills `tokens` with those of `message`, at most `limit` and one for the tail.
pub(super) fn scan(message: &str, limit: usize, tokens: &mut Vec<Token>) {
    tokens.clear();
    let bytes = message.as_bytes();
    let line_end = memchr(b'\n', &bytes[..bytes.len().min(LINE_BYTES)])
        .unwrap_or_else(|| message.floor_char_boundary(LINE_BYTES));
    let line = &bytes[..line_end];
    let mut at = 0;
    while at < line.len() {
        let start = at;
        let mut seen = 0;
        while at < line.len() {
            let class = CLASS[usize::from(line[at])];
            if class == DELIMITER {
                break;
            }
            seen |= class;
            at += 1;
        }
        if at > start {
            if tokens.len() >= limit {
                push(bytes, tokens, start, message.len(), true);
                return;
            }
            at = chunk(line, start, at, seen, tokens);
        }
        if line.get(at) == Some(&b'"')
            && at > 0
            && line[at - 1] == b'='
            && let Some(end) = classify::quoted_value(line, at + 1, tokens.last())
            && tokens.len() < limit
        {
            push(line, tokens, at + 1, end, true);
            at = end;
        }
        // A wide character is stepped over as a whole: its other bytes look like letters.
        at += match line.get(at) {
            Some(0xF0..) => 4,
            Some(0xE2..) => 3,
            _ => 1,
        };
    }
    if line_end < message.len() {
        push(bytes, tokens, line_end, message.len(), true);
    }
    classify::join_dates(message, tokens);
    classify::look_around(message, tokens);
    classify::fold_lists(message, tokens);
}

/// Adds the tokens of the chunk and returns where it ended, which can be further when it turned
/// out to begin something that holds delimiters (a URL, an address with colons).
fn chunk(line: &[u8], start: usize, end: usize, seen: u8, tokens: &mut Vec<Token>) -> usize {
    if let Some(end) = classify::spans_delimiters(line, start, end, seen) {
        push(line, tokens, start, end, true);
        return end;
    }
    if seen == LETTER {
        let variable = classify::is_literal_value(&line[start..end]);
        push(line, tokens, start, end, variable);
        return end;
    }
    classify::parts(line, start, end, seen, &mut |from, to, variable| {
        push(line, tokens, from, to, variable);
    });
    end
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a message of 4 GiB is refused long before; then ranges would be wrong, not unsafe"
)]
fn push(bytes: &[u8], tokens: &mut Vec<Token>, start: usize, end: usize, variable: bool) {
    if variable
        && let Some(last) = tokens.last_mut()
        && last.variable
        && joins(bytes, last.start as usize, last.end as usize, start, end)
    {
        last.end = end as u32;
        return;
    }
    tokens.push(Token {
        start: start as u32,
        end: end as u32,
        variable,
    });
}

/// Whether two variables with this gap are one: `10.0.0.1:80`, `2026-11-21 10:05:00,123`.
fn joins(bytes: &[u8], first: usize, from: usize, to: usize, end: usize) -> bool {
    match &bytes[from..to] {
        [] => true,
        [b' ' | b'T'] => {
            classify::is_date(&bytes[first..from])
                && to + 2 < bytes.len()
                && (bytes[to..].iter().take(3).any(|b| *b == b':'))
                && end <= to + 2
        }
        gap => is_joint(gap),
    }
}

/// Whether a gap between two variables holds them together.
pub(super) fn is_joint(gap: &[u8]) -> bool {
    gap.len() <= 2
        && gap.iter().all(|b| {
            matches!(
                b,
                b'.' | b':'
                    | b'/'
                    | b','
                    | b'!'
                    | b'-'
                    | b'_'
                    | b'@'
                    | b'+'
                    | b'*'
                    | b'\\'
                    | b'~'
                    | b'^'
            )
        })
}
