//! Redaction of everything textual in a batch.

use std::borrow::Cow;
use std::sync::Arc;

use monitor_core::{Batch, Name, Payload, Value};

use super::{RedactionCounts, Redactor, keyed};

impl Redactor {
    /// Redacts every string of the batch: texts, attributes, span names and status messages, and
    /// the attributes of its resources.
    pub fn redact_batch(&self, batch: &mut Batch, counts: &mut RedactionCounts) {
        if !self.enabled {
            return;
        }
        for source in &mut batch.sources {
            if source
                .resource
                .attributes
                .iter()
                .any(|(key, value)| self.attribute(key, value).is_some())
            {
                let resource = Arc::make_mut(&mut source.resource);
                self.attributes(&mut resource.attributes, counts);
            }
        }
        for item in &mut batch.items {
            match &mut item.payload {
                Payload::Log(log) => {
                    self.string(&mut log.text, counts);
                    self.attributes(&mut log.attributes, counts);
                }
                Payload::Span(span) => {
                    if let Cow::Owned(name) = self.redact_text(&span.name, counts) {
                        span.name = name.into();
                    }
                    self.string(&mut span.status_message, counts);
                    self.attributes(&mut span.attributes, counts);
                }
                Payload::Histogram(point) => self.attributes(&mut point.attributes, counts),
                Payload::Level(point) => self.attributes(&mut point.attributes, counts),
            }
        }
    }

    fn string(&self, text: &mut String, counts: &mut RedactionCounts) {
        if let Cow::Owned(redacted) = self.redact_text(text, counts) {
            *text = redacted;
        }
    }

    fn attributes(&self, attributes: &mut [(Name, Value)], counts: &mut RedactionCounts) {
        for (key, value) in attributes {
            if let Some((redacted, made)) = self.attribute(key, value) {
                *value = Value::Str(redacted);
                counts.merge(&made);
            }
        }
    }

    /// What an attribute's value becomes, `None` when it stays.
    fn attribute(&self, key: &str, value: &Value) -> Option<(String, RedactionCounts)> {
        let mut counts = RedactionCounts::default();
        if let Some(kind) = keyed::kind_of_key(key, self.extra.keys())
            && !self.extra.skips(kind)
            && is_secret(value)
        {
            counts.add(kind, 1);
            return Some((format!("[REDACTED:{kind}]"), counts));
        }
        let number = match value {
            Value::Str(text) => text.bytes().all(|b| b.is_ascii_digit()),
            _ => true,
        };
        if number && keyed::names_an_id(key.as_bytes()) {
            return None;
        }
        let redacted = match value {
            Value::Str(text) => match self.redact_text(text, &mut counts) {
                Cow::Owned(redacted) => redacted,
                Cow::Borrowed(_) => return None,
            },
            // A card number can come as a number.
            Value::Int(number) if number.unsigned_abs() >= 1_000_000_000_000 => {
                match self.redact_text(&number.to_string(), &mut counts) {
                    Cow::Owned(redacted) => redacted,
                    Cow::Borrowed(_) => return None,
                }
            }
            _ => return None,
        };
        Some((redacted, counts))
    }
}

fn is_secret(value: &Value) -> bool {
    match value {
        Value::Str(text) => !text.is_empty() && !keyed::is_no_secret(text),
        Value::Int(_) | Value::Float(_) => true,
        Value::Bool(_) => false,
    }
}
