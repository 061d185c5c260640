//! The end of a header: the record's fields, its message, and the name of the layout.

use std::ops::Range;

use monitor_core::{FormatName, Name, Value};

use super::Head;
use crate::formats::attribute::{self, Key};
use crate::formats::scan::{digits, skip_blanks};
use crate::formats::{Parsed, Stream, facts, shift, text, within};

impl Head<'_> {
    pub(super) fn finish(mut self, stream: &mut Stream<'_>, parsed: &mut Parsed) {
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
        parsed.timed(self.stamp, stream.clock);
        parsed.severity = self.severity;
        parsed.ids = self.ids;
        if let Some(service) = self.service.map(Name::from).or(self.named_service) {
            parsed.service = Some(service);
        }
        if let Some(client) = self.client {
            parsed.facts.client = facts::client_address(client);
        }
        for (key, value) in [
            (Key::Host, self.host),
            (Key::Pid, self.pid),
            (Key::Thread, self.thread),
            (Key::Logger, self.logger),
            (Key::Prefix, self.prefix),
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
            shift(&mut parsed.message, message.start);
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

    pub(super) fn name(&self, message: Range<usize>) -> FormatName {
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
        } else if self.bracket_stamp
            && self.bracket_level
            && self.byte(1).is_some_and(|byte| byte.is_ascii_alphabetic())
        {
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
        } else if self.source.is_some_and(|source| source.contains(".py:"))
            || (self.dashes >= 2 && self.logger.is_some() && self.thread.is_none())
        {
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
