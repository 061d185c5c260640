//! The header grammar: timestamp, level, process, thread, component and ids in any order and with
//! any of the usual separators, then the message.
//!
//! One grammar instead of a pattern for each product. Before the level (which most headers have)
//! everything short belongs to the header; after it only what has the form of a thread, a
//! component or an id does, so that the first words of a message are not mistaken for one.

use monitor_core::{FormatName, Name, Severity, Value};

use super::attribute::{self, Key};
use super::ids;
use super::scan::{closing, digits, skip_blanks, word_end};
use super::time::{self, Stamp};
use super::{Parsed, Stream, level, text, within};

/// No header is longer.
const LONGEST: usize = 600;
/// Tokens that may stand between the timestamp and the level.
const BEFORE_LEVEL: usize = 9;

pub(super) fn parse(whole: &str, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    let mut head = Head::new(whole);
    if !head.open() {
        return false;
    }
    if head.severity.is_none() {
        head.up_to_level();
    }
    head.after_level();
    head.finish(stream, parsed);
    true
}

#[derive(Debug)]
struct Head<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    stamp: Option<Stamp>,
    severity: Option<Severity>,
    level_first: bool,
    /// ` - ` seen before the level.
    dashes: usize,
    triple_dash: bool,
    pipes: usize,
    comma_millis: bool,
    pid: Option<&'t str>,
    thread: Option<&'t str>,
    logger: Option<&'t str>,
    source: Option<&'t str>,
    host: Option<&'t str>,
    user: Option<&'t str>,
    client: Option<&'t str>,
    service: Option<&'t str>,
    code: Option<&'t str>,
    named_service: Option<Name>,
    ids: monitor_core::Correlation,
    has_ids: bool,
    letter: bool,
    mongo: bool,
    openstack: bool,
    span_context: std::ops::Range<usize>,
    applications: usize,
    hash_pid: bool,
    level_colon: bool,
    bracket_stamp: bool,
    bracket_level: bool,
    slashes: bool,
}

impl<'t> Head<'t> {
    fn new(text: &'t str) -> Head<'t> {
        Head {
            text,
            bytes: text.as_bytes(),
            at: 0,
            stamp: None,
            severity: None,
            level_first: false,
            dashes: 0,
            triple_dash: false,
            pipes: 0,
            comma_millis: false,
            pid: None,
            thread: None,
            logger: None,
            source: None,
            host: None,
            user: None,
            client: None,
            service: None,
            code: None,
            named_service: None,
            ids: monitor_core::Correlation::default(),
            has_ids: false,
            letter: false,
            mongo: false,
            openstack: false,
            span_context: 0..0,
            applications: 0,
            hash_pid: false,
            level_colon: false,
            bracket_stamp: false,
            bracket_level: false,
            slashes: false,
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// A text's slice; offsets come from ASCII delimiters, so it exists.
    fn slice(&self, start: usize, end: usize) -> &'t str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// What makes a line a record with a header: a timestamp or a level in front, perhaps after
    /// one word (the name of a file or a container).
    fn open(&mut self) -> bool {
        self.at = skip_blanks(self.bytes, 0);
        if self.stamp_here() {
            return true;
        }
        if self.byte(self.at) == Some(b'[') && self.open_bracket() {
            return true;
        }
        if let Some((severity, end)) = self.level_at(self.at, false) {
            self.severity = Some(severity);
            self.level_first = true;
            self.at = end;
            self.at = self.skip_separators(self.at);
            // `INFO 2026-11-21 10:00:00 …`, `[INFO] 2026-…`
            if !self.stamp_here() && self.byte(self.at) == Some(b'[') {
                self.open_bracket();
            }
            return true;
        }
        // `nova-api.log.1 2026-…`, `web_1  | 2026-…`, `[main] INFO …`
        let start = self.at;
        let end = match self.byte(start) {
            Some(b'[') => closing(self.bytes, start, 80).map(|close| close + 1),
            Some(byte) if byte.is_ascii_alphanumeric() || byte == b'/' => {
                Some(word_end(self.bytes, start)).filter(|end| end - start <= 100)
            }
            _ => None,
        };
        let Some(end) = end else { return false };
        let mut next = skip_blanks(self.bytes, end);
        if self.byte(next) == Some(b'|') {
            next = skip_blanks(self.bytes, next + 1);
        }
        if next == end {
            return false;
        }
        let bracketed = self.byte(start) == Some(b'[');
        self.at = next;
        if self.stamp_here() {
            if bracketed {
                self.logger = Some(self.slice(start + 1, end - 1));
            } else {
                self.source = Some(self.slice(start, end));
            }
            return true;
        }
        if bracketed && let Some((severity, level_end)) = self.level_at(next, false) {
            self.thread = Some(self.slice(start + 1, end - 1));
            self.severity = Some(severity);
            self.at = self.skip_separators(level_end);
            return true;
        }
        false
    }

    fn stamp_here(&mut self) -> bool {
        let Some((stamp, length)) = self.bytes.get(self.at..).and_then(time::scan) else {
            return false;
        };
        let end = self.at + length;
        // A word that goes on is no timestamp.
        if self
            .byte(end)
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return false;
        }
        let fraction = length.checked_sub(4).map(|back| self.at + back);
        self.comma_millis = fraction.and_then(|at| self.byte(at)) == Some(b',');
        self.slashes = self.byte(self.at + 4) == Some(b'/');
        self.stamp = Some(stamp);
        self.at = end;
        true
    }

    /// `[2026-11-21 10:00:00]`, `[10:00:00 INF]`, `[2026-11-21T10:00:00Z INFO module]`.
    fn open_bracket(&mut self) -> bool {
        let start = self.at;
        let Some(close) = closing(self.bytes, start, 200) else {
            return false;
        };
        self.at = start + 1;
        if !self.stamp_here() {
            self.at = start;
            return false;
        }
        if self.at > close {
            self.at = start;
            self.stamp = None;
            return false;
        }
        let mut inner = self.skip_separators(self.at);
        if inner < close
            && let Some((severity, end)) = self.level_at(inner, true)
        {
            self.severity = Some(severity);
            inner = self.skip_separators(end.min(close));
        }
        let rest = self.slice(inner.min(close), close).trim();
        if let Some(pid) = rest.strip_prefix('#') {
            self.pid = Some(pid);
        } else if !rest.is_empty() && !rest.contains(' ') {
            self.logger = Some(rest);
        }
        self.at = close + 1;
        self.bracket_stamp = true;
        true
    }

    /// Skips blanks and free-standing separators.
    fn skip_separators(&mut self, mut at: usize) -> usize {
        loop {
            at = skip_blanks(self.bytes, at);
            match self.byte(at) {
                Some(b'|') => {
                    self.pipes += 1;
                    at += 1;
                }
                Some(b',' | b';') => at += 1,
                Some(b'-') => {
                    let end = at
                        + self.bytes[at..]
                            .iter()
                            .take_while(|byte| **byte == b'-')
                            .count();
                    if !matches!(self.byte(end), None | Some(b' ' | b'\t')) || end - at > 3 {
                        return at;
                    }
                    self.triple_dash |= end - at == 3;
                    self.dashes += 1;
                    at = end;
                }
                Some(b':') if matches!(self.byte(at + 1), None | Some(b' ' | b'\t')) => at += 1,
                Some(b'\n' | b'\r') if at < 80 && self.severity.is_none() => at += 1,
                _ => return at,
            }
        }
    }

    /// A severity at `at` in a form that running text does not have: in capitals, in brackets, or
    /// followed by a colon or a column. `adjacent`: right after a timestamp inside its bracket.
    fn level_at(&self, at: usize, adjacent: bool) -> Option<(Severity, usize)> {
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
    fn letter_at(&self, at: usize, numbers: usize) -> Option<(Severity, usize)> {
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
    fn up_to_level(&mut self) {
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

    fn find_level(&mut self) -> Option<(Severity, usize, usize)> {
        let dashes = self.dashes;
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
                self.dashes = dashes;
                return Some((severity, at, end));
            }
            if let Some((severity, end)) = self.letter_at(at, numbers) {
                self.dashes = dashes;
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
        self.dashes = dashes;
        None
    }

    /// The end of a token: white space or a `|`.
    fn token_end(&self, at: usize) -> usize {
        let end = self.bytes[at..]
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || *byte == b'|')
            .map_or(self.bytes.len(), |offset| at + offset);
        end.max(at + 1).min(self.bytes.len())
    }

    /// Sorts the tokens between the timestamp and the level at `limit`.
    fn take_before(&mut self, limit: usize) {
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

    /// `request_id=…`, `traceId=…` as one word.
    fn labelled_id(&mut self, word: &str) -> bool {
        let Some((name, value)) = word.split_once(['=', ':']) else {
            return false;
        };
        self.id_pair(name, value)
    }

    fn id_pair(&mut self, name: &str, value: &str) -> bool {
        use super::aliases::{Field, meaning_in_text};
        let value = value.trim_matches(['"', ' ', ',', ']']);
        let taken = match meaning_in_text(name.as_bytes()) {
            Field::Trace => match ids::trace_id(value) {
                Some(trace) => ids::set(&mut self.ids, Some(trace), None, None),
                None => value.is_empty() || value == "-",
            },
            Field::Span => match ids::span_id(value) {
                Some(span) => ids::set(&mut self.ids, None, Some(span), None),
                None => value.is_empty() || value == "-",
            },
            Field::Parent => {
                self.ids.parent_span_id = ids::span_id(value);
                true
            }
            Field::Request if !value.is_empty() => {
                self.ids.request_id.get_or_insert_with(|| value.into());
                true
            }
            Field::Correlation if !value.is_empty() => {
                self.ids.correlation_id.get_or_insert_with(|| value.into());
                true
            }
            Field::Service if !value.is_empty() => {
                self.named_service = Some(Name::from(value));
                true
            }
            _ => false,
        };
        self.has_ids |= taken;
        taken
    }

    /// What a bracketed group holds: ids, a process, a client, a thread.
    fn group(&mut self, group: &'t str) -> bool {
        let trimmed = group.trim();
        if trimmed.is_empty()
            || trimmed
                .bytes()
                .all(|byte| matches!(byte, b'-' | b' ' | b','))
        {
            return true;
        }
        if self.id_group(trimmed) {
            return true;
        }
        if self.triple_dash {
            // Spring Boot 3.2: `[application] [thread]`; before it, the thread alone.
            if self.applications == 1 {
                self.service = self.service.or(self.thread.take());
            }
            self.applications += 1;
            self.thread = Some(trimmed);
        } else if let Some(client) = trimmed.strip_prefix("client ") {
            self.client = Some(client);
        } else if let Some(pid) = trimmed.strip_prefix("pid ") {
            self.pid = Some(pid.split(':').next().unwrap_or(pid));
        } else if trimmed.bytes().all(|byte| byte.is_ascii_digit()) && self.pid.is_none() {
            self.pid = Some(trimmed);
        } else if trimmed.starts_with("MY-") {
            self.code = Some(trimmed);
        } else if is_position(trimmed) {
            self.source = Some(trimmed);
        } else if self.logger.is_none()
            && trimmed.contains('.')
            && !trimmed.contains([' ', '/'])
            && !trimmed.bytes().any(|byte| byte.is_ascii_digit())
        {
            self.logger = Some(trimmed);
        } else if self.thread.is_none() {
            self.thread = Some(trimmed);
        } else if self.logger.is_none() {
            self.logger = Some(trimmed);
        }
        false
    }

    /// `[orders,0af7651916cd43dd8448eb211c80319c,b7ad6b7169203331]`, `[<trace>-<span>]`,
    /// `[traceId=…, spanId=…]`, `[req-… …]`.
    fn id_group(&mut self, group: &'t str) -> bool {
        if group.contains(['=', ':']) && group.len() < 240 {
            let mut any = false;
            for part in group.split([',', ' ', ';']) {
                any |= self.labelled_id(part);
            }
            if any {
                return true;
            }
        }
        if group.starts_with("req-") {
            let id = group.split(' ').next().unwrap_or(group);
            self.ids.request_id = Some(Name::from(id));
            self.has_ids = true;
            self.openstack = true;
            return true;
        }
        if group.contains(',') {
            let mut parts = group.split(',').map(str::trim);
            let (first, second, third) = (parts.next(), parts.next(), parts.next());
            if let (Some(service), Some(trace), Some(span)) = (first, second, third) {
                let ids_or_empty = (trace.is_empty() && span.is_empty())
                    || ids::set(
                        &mut self.ids,
                        ids::trace_id(trace),
                        ids::span_id(span),
                        None,
                    );
                if ids_or_empty {
                    if !service.is_empty() {
                        self.service = Some(service);
                    }
                    self.has_ids = true;
                    return true;
                }
            }
            if let (Some(trace), Some(span), None) = (first, second, third) {
                let trace = ids::trace_id(trace);
                if trace.is_some() {
                    self.has_ids |= ids::set(&mut self.ids, trace, ids::span_id(span), None);
                    return true;
                }
            }
            return false;
        }
        if group.len() >= 16 && group.is_ascii() {
            if let Some((trace, span)) = group.split_once('-')
                && trace.len() == 32
                && let Ok(trace) = trace.parse()
            {
                self.has_ids |= ids::set(&mut self.ids, Some(trace), ids::span_id(span), None);
                return true;
            }
            if matches!(group.len(), 16 | 32)
                && let Some(trace) = ids::trace_id(group)
            {
                self.has_ids |= ids::set(&mut self.ids, Some(trace), None, None);
                return true;
            }
            if group.len() == 36 && group.as_bytes()[8] == b'-' && group.as_bytes()[13] == b'-' {
                self.ids.request_id.get_or_insert_with(|| group.into());
                self.has_ids = true;
                return true;
            }
        }
        false
    }

    /// Takes what still belongs to the header after the level; `at` ends at the message.
    fn after_level(&mut self) {
        // `LOG:  duration: 12 ms`: a level with a colon ends the header.
        let mut done = self.level_colon && self.stamp.is_some();
        for _ in 0..10 {
            let dashes = self.dashes;
            let pipes = self.pipes;
            let at = self.skip_separators(self.at);
            self.at = at;
            let separated = self.dashes > dashes || self.pipes > pipes;
            let Some(byte) = self.byte(at) else { return };
            if done && !(separated && pipes > 0) && !matches!(byte, b'[' | b'(') {
                return;
            }
            if self.letter && self.logger.is_none() && byte.is_ascii_uppercase() && self.mongo {
                // MongoDB before 4.4: the component in capitals, then the context in brackets.
                let end = word_end(self.bytes, at);
                self.logger = Some(self.slice(at, end));
                self.at = end;
                continue;
            }
            let next = match byte {
                b'[' => self.bracket_after(at),
                b'0'..=b'9' => self.number_after(at),
                _ if done => None,
                _ if byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'/' | b'<' | b'*') => {
                    self.word_after(at, &mut done)
                }
                _ => None,
            };
            let Some(next) = next else { return };
            self.at = next;
        }
    }

    /// Whether a separator or a component with a separator comes at `at`.
    fn separator_at(&self, at: usize) -> bool {
        let next = skip_blanks(self.bytes, at);
        match self.byte(next) {
            Some(b'-') => {
                let end = next
                    + self.bytes[next..]
                        .iter()
                        .take_while(|byte| **byte == b'-')
                        .count();
                next > at && self.byte(end) == Some(b' ')
            }
            Some(b':') => matches!(self.byte(next + 1), Some(b' ')),
            Some(b'|') => true,
            _ => false,
        }
    }

    fn bracket_after(&mut self, at: usize) -> Option<usize> {
        let close = closing(self.bytes, at, 240)?;
        let group = self.slice(at + 1, close);
        let chained = matches!(self.byte(close + 1), Some(b'[' | b'('));
        if self.id_group(group.trim()) {
            return Some(self.past_colon(close + 1));
        }
        let blank = group.bytes().all(|byte| matches!(byte, b'-' | b' '));
        let named = group.starts_with("pid ") || group.starts_with("client ") || is_position(group);
        if blank || named || self.separator_at(close + 1) {
            self.group(group);
            return Some(self.past_colon(close + 1));
        }
        if self.byte(close + 1) == Some(b':') {
            self.group(group);
            return Some(close + 2);
        }
        let next = skip_blanks(self.bytes, close + 1);
        let component_follows = self.component_at(next).is_some() || self.byte(next) == Some(b'[');
        let one_word = !group.contains(' ');
        let expected =
            self.logger.is_none() && !chained && one_word && self.byte(close + 1) == Some(b' ');
        let context = self.mongo && one_word && self.thread.is_none();
        if self.triple_dash
            || expected
            || context
            || (self.logger.is_none() && component_follows && !chained)
        {
            self.group(group);
            return Some(close + 1);
        }
        None
    }

    fn past_colon(&self, at: usize) -> usize {
        at + usize::from(self.byte(at) == Some(b':'))
    }

    /// A process number: `12345 --- [`, `12 [`; or a column between pipes.
    fn number_after(&mut self, at: usize) -> Option<usize> {
        let (_, count) = digits(self.bytes, at, 10);
        let end = at + count;
        let next = skip_blanks(self.bytes, end);
        let rest = self.bytes.get(next..)?;
        if self.pipes > 0 && rest.first() == Some(&b'|') {
            self.pid = self.pid.or(Some(self.slice(at, end)));
            return Some(end);
        }
        // nginx: `29#29: *1 message`
        if self.byte(end) == Some(b'#') {
            let stop = word_end(self.bytes, end);
            if self.byte(stop - 1) == Some(b':') {
                self.pid = Some(self.slice(at, end));
                self.hash_pid = true;
                return Some(stop);
            }
            return None;
        }
        if next == end || self.pid.is_some() {
            return None;
        }
        if rest.starts_with(b"--- ") || rest.starts_with(b"[") {
            self.pid = Some(self.slice(at, end));
            return Some(end);
        }
        None
    }

    /// The end of a component's name at `at` that is followed by a separator.
    fn component_at(&self, at: usize) -> Option<usize> {
        let end = self.name_end(at);
        (end > at && (self.byte(end) == Some(b':') || self.separator_at(end))).then_some(end)
    }

    /// The end of what may be a component: `org.shop.Cart$1`, `sshd(pam_unix)[19939]`,
    /// `module:function:12`, `Cart.java:120`, `crate::module`.
    fn name_end(&self, at: usize) -> usize {
        let mut end = at;
        while let Some(byte) = self.byte(end) {
            match byte {
                b'A'..=b'Z'
                | b'a'..=b'z'
                | b'0'..=b'9'
                | b'_'
                | b'.'
                | b'-'
                | b'$'
                | b'/'
                | b'#'
                | b'@'
                | b'*'
                | b'+'
                | b'~' => {
                    end += 1;
                }
                b'[' | b'(' | b'<' if end > at => match closing(self.bytes, end, 80) {
                    Some(close) if !self.slice(end, close).contains(' ') => end = close + 1,
                    _ => return end,
                },
                // Inside a name when something follows directly.
                b':' if self.byte(end + 1).is_some_and(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'<' | b'_')
                }) =>
                {
                    end += 1;
                    if self.byte(end) == Some(b':') {
                        end += 1;
                    }
                }
                _ => return end,
            }
            if end - at > 200 {
                return end;
            }
        }
        end
    }

    fn word_after(&mut self, at: usize, done: &mut bool) -> Option<usize> {
        // `TraceID: 0af7… SpanID: b7ad…`
        if let Some(next) = self.spoken_id(at) {
            return Some(next);
        }
        if self.has_ids && self.logger.is_some() {
            return None;
        }
        if self.triple_dash
            && let Some(end) = self.spring_logger(at)
        {
            *done = true;
            return Some(end);
        }
        let end = self.name_end(at);
        if end == at {
            return None;
        }
        if self.bytes[at..end].ends_with(b".") && self.byte(end) == Some(b'[') {
            // Catalina's containers, abbreviated: `o.a.c.c.C.[.[.[/].[dispatcherServlet]`.
            let end = word_end(self.bytes, end);
            let name = self.slice(at, end);
            self.component(name.trim_end_matches(':'));
            *done = name.ends_with(':');
            return Some(end);
        }
        let name = self.slice(at, end);
        let after = self.byte(end);
        if after == Some(b'{')
            && let Some(close) = closing(self.bytes, end, 400)
            && self.byte(close + 1) == Some(b':')
        {
            // The spans that Rust's `tracing` puts before the target: `request{method=GET}: …`.
            self.span_context = if self.span_context.is_empty() {
                at..close
            } else {
                self.span_context.start..close
            };
            return Some(close + 2);
        }
        if after == Some(b':') && matches!(self.byte(end + 1), None | Some(b' ' | b'\t' | b'\n')) {
            let thrown = name.ends_with("Exception") || name.ends_with("Error");
            if name.contains("//") || self.logger.is_some() || thrown {
                return None;
            }
            self.component(name);
            *done = true;
            return Some(end + 1);
        }
        if self.level_first
            && self.stamp.is_none()
            && after == Some(b':')
            && self.byte(at - 1) == Some(b':')
        {
            // `INFO:root:message`
            self.component(name);
            *done = true;
            return Some(end + 1);
        }
        // `INFO:root:message text` is one name up to the blank.
        if self.level_first
            && at > 0
            && self.byte(at - 1) == Some(b':')
            && let Some((logger, _)) = name.split_once(':')
        {
            self.component(logger);
            *done = true;
            return Some(at + logger.len() + 1);
        }
        // Proxifier marks 64-bit programs: `chrome.exe *64 - …`.
        if self.logger.is_none()
            && self.bytes[end..].starts_with(b" *64")
            && self.separator_at(end + 4)
        {
            self.component(name);
            *done = true;
            return Some(end + 4);
        }
        if self.separator_at(end) {
            self.component(name);
            // A dash ends the header; a pipe only a column.
            let next = skip_blanks(self.bytes, end);
            *done = self.byte(next) != Some(b'|');
            return Some(end);
        }
        if after == Some(b'\t') && self.byte(end + 1) != Some(b'{')
            || (after == Some(b' ')
                && self.byte(end + 1) == Some(b' ')
                && self.severity.is_some()
                && self.logger.is_none())
        {
            self.component(name);
            return Some(end);
        }
        if after == Some(b' ')
            && self.logger.is_none()
            && self.severity.is_some()
            && is_qualified(name, self.byte(skip_blanks(self.bytes, end)))
        {
            self.component(name);
            return Some(end);
        }
        None
    }

    /// Spring Boot's logger is cut to 40 characters and followed by blanks and a colon; it may
    /// hold brackets that never close (`o.a.c.c.C.[.[.[/].[dispatcherServlet]`).
    fn spring_logger(&mut self, at: usize) -> Option<usize> {
        let end = word_end(self.bytes, at);
        let colon = skip_blanks(self.bytes, end);
        if colon == end || self.byte(colon) != Some(b':') {
            return None;
        }
        self.logger = Some(self.slice(at, end));
        Some(colon + 1)
    }

    fn component(&mut self, name: &'t str) {
        if is_position(name) {
            self.source = Some(name);
            return;
        }
        if let Some((module, line)) = name.rsplit_once(':')
            && super::scan::is_digits(line)
        {
            self.source = Some(name);
            self.logger = self.logger.or(module.split(':').next());
            return;
        }
        let (name, pid) = match name
            .strip_suffix(']')
            .and_then(|name| name.rsplit_once('['))
        {
            Some((name, pid)) if super::scan::is_digits(pid) => (name, Some(pid)),
            _ => (name, None),
        };
        self.pid = self.pid.or(pid);
        if self.logger.is_none() {
            self.logger = Some(name);
        }
    }

    /// A labelled id of two words, or of one (`traceId=…`).
    fn spoken_id(&mut self, at: usize) -> Option<usize> {
        let end = self.bytes[at..]
            .iter()
            .take(32)
            .position(|byte| matches!(byte, b':' | b'=' | b' ' | b'['))
            .map(|offset| at + offset)?;
        if !matches!(self.byte(end), Some(b':' | b'=')) {
            return None;
        }
        let start = skip_blanks(self.bytes, end + 1);
        let stop = self.bytes[start..]
            .iter()
            .position(|byte| {
                byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b';' | b'|')
            })
            .map_or(self.bytes.len(), |offset| start + offset);
        let stop_after = stop + usize::from(matches!(self.byte(stop), Some(b',' | b';')));
        let (name, value) = (self.slice(at, end), self.slice(start, stop));
        self.id_pair(name, value).then_some(stop_after)
    }

    fn finish(mut self, stream: &mut Stream<'_>, parsed: &mut Parsed) {
        self.at = skip_blanks(self.bytes, self.at);
        let end = self
            .text
            .trim_ascii_end()
            .len()
            .max(self.at.min(self.text.len()));
        let mut message = self.at.min(end)..end;
        let name = self.name(message.clone());
        if name == "nginx-error" && self.byte(message.start) == Some(b'*') {
            // The number of the connection.
            let (_, count) = digits(self.bytes, message.start + 1, 12);
            message.start = skip_blanks(self.bytes, message.start + 1 + count).min(message.end);
        }
        if name == "kafka"
            && let Some(open) = self.slice(message.start, message.end).rfind(" (")
        {
            self.logger = Some(self.slice(message.start + open + 2, message.end - 1));
            message.end = message.start + open;
        }
        parsed.format = Some(name);
        parsed.time = self.stamp.and_then(|stamp| stamp.resolve(stream.clock));
        parsed.severity = self.severity;
        parsed.ids = self.ids;
        if let Some(service) = self.service.map(Name::from).or(self.named_service) {
            parsed.service = Some(service);
        }
        if let Some(client) = self.client {
            parsed.facts.client = super::facts::client_address(client);
        }
        for (key, value) in [
            (Key::Host, self.host),
            (Key::Pid, self.pid),
            (Key::Thread, self.thread),
            (Key::Logger, self.logger),
            (Key::Source, self.source),
            (Key::Code, self.code),
            (Key::User, self.user),
        ] {
            if let Some(value) = value {
                parsed
                    .attributes
                    .push((attribute::name(key), Value::Str(value.to_owned())));
            }
        }
        let line = self.text.get(message.clone()).unwrap_or_default();
        if line.starts_with('{') && stream.nested(line, parsed) {
            // The header was read first, but the record inside says more of itself.
            parsed.format = Some(name);
            parsed.severity = parsed.severity.or(self.severity);
            super::shift(&mut parsed.message, message.start);
            return;
        }
        parsed.unrecognised = None;
        // zap's console encoder: the message, a tab, the fields as JSON.
        if line.ends_with('}')
            && let Some(tab) = line.find("\t{")
            && stream.nested(&line[tab + 1..], parsed)
        {
            parsed.format = Some("zap-console");
            parsed.severity = parsed.severity.or(self.severity);
            message.end = message.start + tab;
            parsed.message = within(message);
            return;
        }
        parsed.unrecognised = None;
        parsed.message = within(message);
        text::facts(line, parsed, stream.durations);
        if let Some(spans) = self.text.get(self.span_context)
            && !spans.is_empty()
        {
            text::facts(spans, parsed, stream.durations);
        }
    }

    fn name(&self, message: std::ops::Range<usize>) -> FormatName {
        let Some(_) = self.stamp else {
            let said = self.slice(message.start, message.end);
            if self.level_first && said.contains(" - \"") && said.contains(" HTTP/") {
                return "uvicorn";
            }
            return if self.level_first
                && self.byte(self.at.saturating_sub(1)) == Some(b':')
                && self.logger.is_some()
            {
                "python-logging"
            } else {
                "level-text"
            };
        };
        let message = self.slice(message.start, message.end);
        if self.triple_dash {
            "spring-boot"
        } else if self.code.is_some() {
            "mysql-error"
        } else if self.openstack {
            "openstack"
        } else if self.hash_pid && self.slashes {
            "nginx-error"
        } else if self.bracket_stamp && self.bracket_level {
            "apache-error"
        } else if self.letter {
            if self.mongo {
                "mongodb"
            } else {
                "android-logcat"
            }
        } else if self.level_colon
            && self.pid.is_some()
            && !self.bracket_stamp
            && self.logger.is_none()
        {
            "postgresql"
        } else if self.bracket_level && self.pid.is_some() && self.thread.is_none() {
            "mysql-error"
        } else if self.slashes && self.severity.is_none() && self.pipes == 0 {
            "go-log"
        } else if self.severity.is_none() {
            if self.pipes > 1 {
                "pipe-separated"
            } else {
                "timestamp-text"
            }
        } else if message.ends_with(')')
            && message.rfind(" (").is_some_and(|open| {
                let inner = &message[open + 2..message.len() - 1];
                inner.contains('.') && !inner.contains(' ')
            })
            && self.bytes.first() == Some(&b'[')
        {
            "kafka"
        } else if self.logger.is_some_and(|logger| logger.contains("::"))
            || !self.span_context.is_empty()
        {
            "rust-tracing"
        } else if self.pipes >= 2 && self.source.is_some() {
            "loguru"
        } else if self.source.is_some_and(|source| source.contains(".py:")) {
            "python-logging"
        } else if self.dashes >= 2 && self.logger.is_some() && self.thread.is_none() {
            "python-logging"
        } else if self.logger.is_some() && self.has_ids {
            "logback"
        } else if (self.logger.is_some() || self.thread.is_some()) && self.comma_millis {
            "log4j"
        } else if self.logger.is_some() && self.thread.is_some() {
            "logback"
        } else {
            "timestamp-level"
        }
    }
}

/// Whether a name that no separator follows can only be a component: a class or a method with its
/// package (`org.shop.Cart`, `t.s.TravelImpl#532`), a source position, or a dotted module before a
/// bracket.
fn is_qualified(name: &str, next: Option<u8>) -> bool {
    if name.contains('#') || name.contains("::") {
        return true;
    }
    let mut segments = name.split('.');
    let first = segments.next().unwrap_or_default();
    let mut count = 1;
    let mut class = false;
    for segment in segments {
        count += 1;
        class |= segment.starts_with(|c: char| c.is_ascii_uppercase());
        if segment.is_empty() {
            return false;
        }
    }
    let source = name
        .rsplit_once(':')
        .is_some_and(|(file, line)| file.contains('.') && super::scan::is_digits(line));
    let lower = first.starts_with(|c: char| c.is_ascii_lowercase());
    source || (count >= 2 && lower && (class || (count >= 3 && next == Some(b'['))))
}

/// Whether a text is a position in a source file: `server.go:42`, `orders/db.py:7`.
fn is_position(text: &str) -> bool {
    let Some((file, line)) = text.rsplit_once(':') else {
        return false;
    };
    let extension = file.rsplit_once('.').map(|(_, extension)| extension);
    super::scan::is_digits(line)
        && extension.is_some_and(|extension| {
            (1..=4).contains(&extension.len())
                && extension.bytes().all(|byte| byte.is_ascii_lowercase())
        })
}
