//! The level, and everything between the timestamp and it.

use monitor_core::Severity;

use super::{Head, LONGEST};
use crate::formats::level;
use crate::formats::scan::{closing, skip_blanks, word_end};

/// Tokens that may stand between the timestamp and the level.
const BEFORE_LEVEL: usize = 9;

impl<'t> Head<'t> {
    /// A severity at `at` in a form that running text does not have: in capitals, in brackets, or
    /// followed by a colon or a column. `adjacent`: right after a timestamp inside its bracket.
    pub(super) fn level_at(&self, at: usize, adjacent: bool) -> Option<(Severity, usize)> {
        let first = self.byte(at)?;
        let (open, start) = match first {
            b'[' | b'<' | b'(' => (true, at + 1),
            _ => (false, at),
        };
        let start = if open {
            skip_blanks(self.bytes, start)
        } else {
            start
        };
        let length = self
            .bytes
            .get(start..)?
            .iter()
            .take(14)
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let end = start + length;
        let word = &self.bytes[start..end];
        let severity = level::word(word)?;
        let after = self.byte(end);
        if open {
            let close = skip_blanks(self.bytes, end);
            return matches!(self.byte(close), Some(b']' | b'>' | b')'))
                .then_some((severity, close + 1));
        }
        if after == Some(b':') {
            // `INFO: message`, `INFO:root:message`, `info: Category[0]`; `error: …` too.
            return Some((severity, end + 1));
        }
        let capitals = word
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let ended = matches!(
            after,
            None | Some(b' ' | b'\t' | b'|' | b']' | b',' | b'\n' | b'\r')
        );
        let column = matches!(after, Some(b'\t' | b'|'))
            || (after == Some(b' ')
                && matches!(self.byte(end + 1), Some(b' ' | b'-' | b'[' | b'|')));
        let accepted = if capitals {
            ended && !level::is_common_word(word)
        } else {
            column || (adjacent && ended)
        };
        accepted.then_some((severity, end))
    }

    /// `D Tag: …` after process and thread numbers, `I  NETWORK  [conn1] …` after a timestamp.
    pub(super) fn letter_at(&self, at: usize, numbers: usize) -> Option<(Severity, usize)> {
        let severity = level::letter(self.byte(at)?)?;
        let next = skip_blanks(self.bytes, at + 1);
        if next == at + 1 {
            return None;
        }
        let end = word_end(self.bytes, next);
        let word = self.bytes.get(next..end)?;
        let capitals = word.len() > 1
            && word
                .iter()
                .all(|byte| byte.is_ascii_uppercase() || *byte == b'-');
        let tag = word.last() == Some(&b':')
            || self
                .bytes
                .get(end..(end + 24).min(self.bytes.len()))?
                .contains(&b':');
        (capitals || (numbers > 0 && tag)).then_some((severity, at + 1))
    }

    /// Finds the level within the next few tokens, and takes everything before it as header.
    pub(super) fn up_to_level(&mut self) {
        let begin = self.at;
        let Some((severity, level_start, level_end)) = self.find_level() else {
            self.at = begin;
            return;
        };
        self.at = begin;
        self.take_before(level_start);
        self.level_colon = self.byte(level_end - 1) == Some(b':');
        self.bracket_level = self.byte(level_start) == Some(b'[');
        self.severity = Some(severity);
        self.at = level_end;
    }

    pub(super) fn find_level(&mut self) -> Option<(Severity, usize, usize)> {
        // Looking ahead counts no separators.
        let (dashes, triple_dash, pipes) = (self.dashes, self.triple_dash, self.pipes);
        let found = self.look_for_level();
        (self.dashes, self.triple_dash, self.pipes) = (dashes, triple_dash, pipes);
        found
    }

    fn look_for_level(&mut self) -> Option<(Severity, usize, usize)> {
        let mut at = self.at;
        let mut plain_words = 0;
        let mut after_colon = false;
        let mut numbers = 0;
        for _ in 0..BEFORE_LEVEL {
            at = self.skip_separators(at);
            if at > LONGEST {
                break;
            }
            if let Some((severity, end)) = self.level_at(at, false)
                // `rpc error: …` is a sentence.
                && (plain_words == 0 || !self.bytes[at].is_ascii_lowercase())
            {
                return Some((severity, at, end));
            }
            if let Some((severity, end)) = self.letter_at(at, numbers) {
                self.letter = true;
                self.mongo = numbers == 0;
                return Some((severity, at, end));
            }
            if after_colon {
                break;
            }
            let byte = self.byte(at)?;
            match byte {
                b'[' | b'(' | b'{' => {
                    let close = closing(self.bytes, at, 240)?;
                    // Apache: `[core:error]`
                    if byte == b'['
                        && let Some((module, name)) = self.slice(at + 1, close).split_once(':')
                        && !module.is_empty()
                        && let Some(severity) = level::word(name.as_bytes())
                    {
                        self.logger = Some(module);
                        return Some((severity, at, close + 1));
                    }
                    at = close + 1;
                }
                _ => {
                    let end = self.token_end(at);
                    let word = &self.bytes[at..end];
                    let number = word.iter().all(u8::is_ascii_digit);
                    numbers += usize::from(number);
                    let marked = word.iter().any(|byte| {
                        matches!(
                            byte,
                            b'.' | b'#' | b'@' | b'/' | b'$' | b':' | b'=' | b'_' | b'-' | b'0'
                                ..=b'9'
                        )
                    });
                    if !number && !marked {
                        plain_words += 1;
                        let next = skip_blanks(self.bytes, end);
                        let column = matches!(self.byte(next), Some(b'|' | b'['))
                            || (self.byte(next) == Some(b'-') && self.byte(next + 1) == Some(b' '));
                        if plain_words > 1 && !column {
                            break;
                        }
                    }
                    after_colon = word.last() == Some(&b':') && !number;
                    at = end;
                }
            }
        }
        None
    }

    /// The end of a token: white space or a `|`.
    pub(super) fn token_end(&self, at: usize) -> usize {
        let end = self.bytes[at..]
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || *byte == b'|')
            .map_or(self.bytes.len(), |offset| at + offset);
        end.max(at + 1).min(self.bytes.len())
    }

    /// Sorts the tokens between the timestamp and the level at `limit`.
    pub(super) fn take_before(&mut self, limit: usize) {
        let mut at = self.at;
        loop {
            at = self.skip_separators(at);
            if at >= limit {
                return;
            }
            match self.byte(at) {
                Some(b'[' | b'(' | b'{') => {
                    let Some(close) = closing(self.bytes, at, 240) else {
                        return;
                    };
                    let group = self.slice(at + 1, close);
                    self.group(group);
                    at = close + 1;
                }
                Some(_) => {
                    let end = self.token_end(at).min(limit);
                    let word = self.slice(at, end).trim_end_matches(':');
                    if word.bytes().all(|byte| byte.is_ascii_digit()) {
                        if self.pid.is_none() {
                            self.pid = Some(word);
                        } else {
                            self.thread = self.thread.or(Some(word));
                        }
                    } else if self.labelled_id(word) {
                        // Taken.
                    } else if word.contains('@') && !word.contains('.') {
                        // Postgres: `user@database`.
                        self.user = Some(word);
                    } else if self.logger.is_none()
                        && (self.dashes > 0 || word.contains('.') || self.byte(end) != Some(b' '))
                    {
                        self.logger = Some(word);
                    } else if self.host.is_none() {
                        self.host = Some(word);
                    }
                    at = end;
                }
                None => return,
            }
        }
    }
}
