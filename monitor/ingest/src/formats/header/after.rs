//! What still belongs to the header after the level: threads, components, source positions and
//! ids, each known by its form, so that the first words of a message are not taken for one.

use super::{Head, is_position};
use crate::formats::scan::{closing, digits, is_digits, skip_blanks, word_end};

impl<'t> Head<'t> {
    /// Takes what still belongs to the header after the level; `at` ends at the message.
    pub(super) fn after_level(&mut self) {
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
    pub(super) fn separator_at(&self, at: usize) -> bool {
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

    pub(super) fn bracket_after(&mut self, at: usize) -> Option<usize> {
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

    pub(super) fn past_colon(&self, at: usize) -> usize {
        at + usize::from(self.byte(at) == Some(b':'))
    }

    /// A process number: `12345 --- [`, `12 [`; or a column between pipes.
    pub(super) fn number_after(&mut self, at: usize) -> Option<usize> {
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
    pub(super) fn component_at(&self, at: usize) -> Option<usize> {
        let end = self.name_end(at);
        (end > at && (self.byte(end) == Some(b':') || self.separator_at(end))).then_some(end)
    }

    /// The end of what may be a component: `org.shop.Cart$1`, `sshd(pam_unix)[19939]`,
    /// `module:function:12`, `Cart.java:120`, `crate::module`.
    pub(super) fn name_end(&self, at: usize) -> usize {
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

    pub(super) fn word_after(&mut self, at: usize, done: &mut bool) -> Option<usize> {
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
    pub(super) fn spring_logger(&mut self, at: usize) -> Option<usize> {
        let end = word_end(self.bytes, at);
        let colon = skip_blanks(self.bytes, end);
        if colon == end || self.byte(colon) != Some(b':') {
            return None;
        }
        self.logger = Some(self.slice(at, end));
        Some(colon + 1)
    }

    pub(super) fn component(&mut self, name: &'t str) {
        if is_position(name) {
            self.source = Some(name);
            return;
        }
        if let Some((module, line)) = name.rsplit_once(':')
            && is_digits(line)
        {
            self.source = Some(name);
            self.logger = self.logger.or(module.split(':').next());
            return;
        }
        let (name, pid) = match name
            .strip_suffix(']')
            .and_then(|name| name.rsplit_once('['))
        {
            Some((name, pid)) if is_digits(pid) => (name, Some(pid)),
            _ => (name, None),
        };
        self.pid = self.pid.or(pid);
        if self.logger.is_none() {
            self.logger = Some(name);
        }
    }

    /// A labelled id of two words, or of one (`traceId=…`).
    pub(super) fn spoken_id(&mut self, at: usize) -> Option<usize> {
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
        .is_some_and(|(file, line)| file.contains('.') && is_digits(line));
    let lower = first.starts_with(|c: char| c.is_ascii_lowercase());
    source || (count >= 2 && lower && (class || (count >= 3 && next == Some(b'['))))
}
