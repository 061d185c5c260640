//! Sorts the named fields of one record: time, severity, message, service, facts, ids, and the
//! rest as attributes. Shared by every format that has named fields.

use monitor_core::{Message, Name, Severity, Time, Value};

use super::aliases::Field;
use super::duration::Unit;
use super::facts::{Gather, Scalar};
use super::time::{self, Clock};
use super::{Parsed, Stream, level, text, within};

#[derive(Debug)]
pub(super) struct Collect<'r> {
    whole: &'r str,
    clock: Clock,
    time: &'r mut Option<Time>,
    severity: &'r mut Option<Severity>,
    service: &'r mut Option<Name>,
    attributes: &'r mut Vec<(Name, Value)>,
    gather: Gather<'r>,
    /// Its rank, the name of its field, and it.
    message: Option<(u8, Name, Message)>,
    time_rank: u8,
}

impl<'r> Collect<'r> {
    /// `whole` is the text of the record, of which messages are ranges when they can be.
    pub(super) fn new(
        whole: &'r str,
        stream: &'r mut Stream<'_>,
        parsed: &'r mut Parsed,
        unit: Option<Unit>,
    ) -> Collect<'r> {
        let mut gather = Gather::new(&mut parsed.facts, &mut parsed.ids, stream.durations);
        gather.duration_unit = unit;
        Collect {
            whole,
            clock: stream.clock,
            time: &mut parsed.time,
            severity: &mut parsed.severity,
            service: &mut parsed.service,
            attributes: &mut parsed.attributes,
            gather,
            message: None,
            time_rank: u8::MAX,
        }
    }

    pub(super) fn put(&mut self, name: &str, field: Field, value: Scalar<'_>) {
        // A dash or nothing is how most loggers write that there is no value.
        if matches!(value, Scalar::Str("" | "-")) {
            return;
        }
        if !self.take(name, field, value) {
            self.attributes.push((Name::from(name), value.to_value()));
        }
    }

    fn take(&mut self, name: &str, field: Field, value: Scalar<'_>) -> bool {
        match (field, value) {
            (Field::Message(rank), Scalar::Str(text)) => {
                if self
                    .message
                    .as_ref()
                    .is_some_and(|(other, ..)| rank >= *other)
                {
                    return false;
                }
                let message = located(self.whole, text);
                let kept = (rank, Name::from(name), message);
                if let Some((_, name, weaker)) = self.message.replace(kept) {
                    let text = text_of(self.whole, &weaker).to_owned();
                    self.attributes.push((name, Value::Str(text)));
                }
                true
            }
            (Field::Time(rank), value) => {
                let found = match value {
                    Scalar::Str(text) => time::parse(text, self.clock),
                    Scalar::Int(number) => time::from_epoch(number),
                    Scalar::Float(number) => time::from_epoch_float(number),
                    Scalar::Bool(_) => None,
                };
                if found.is_some() && rank < self.time_rank {
                    self.time_rank = rank;
                    *self.time = found;
                }
                found.is_some()
            }
            (Field::Level, value) => {
                let found = match value {
                    Scalar::Str(text) => level::named(text),
                    Scalar::Int(number) => level::number(number),
                    _ => None,
                };
                if self.severity.is_none() {
                    *self.severity = found;
                }
                found.is_some()
            }
            (Field::SeverityNumber, value) => {
                let found = value
                    .as_int()
                    .and_then(|number| i32::try_from(number).ok())
                    .and_then(Severity::from_number);
                if found.is_some() {
                    *self.severity = found;
                }
                found.is_some()
            }
            (Field::Service, Scalar::Str(text)) if !text.is_empty() && text != "-" => {
                self.service.get_or_insert_with(|| Name::from(text));
                true
            }
            _ => self.gather.apply(field, value),
        }
    }

    /// Ends the sorting; the message, if a field held one.
    pub(super) fn finish(self) -> Option<Message> {
        self.gather.finish();
        self.message.map(|(.., message)| message)
    }
}

/// Completes a record of named fields: its message, with the facts that are in its words, or what
/// can be said in place of one.
pub(super) fn tell(
    whole: &str,
    message: Option<Message>,
    stream: &mut Stream<'_>,
    parsed: &mut Parsed,
) {
    let Some(message) = message else {
        parsed.message = in_place_of_message(whole, parsed);
        return;
    };
    let said = text_of(whole, &message);
    text::facts(said, parsed, stream.durations);
    let start = text::after_ids(said);
    parsed.message = match message {
        Message::Within(range) => within(range.start as usize + start..range.end as usize),
        Message::Decoded(text) if start == 0 => Message::Decoded(text),
        Message::Decoded(text) => Message::Decoded(text[start..].into()),
    };
}

fn text_of<'m>(whole: &'m str, message: &'m Message) -> &'m str {
    match message {
        Message::Within(range) => whole
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default(),
        Message::Decoded(text) => text,
    }
}

/// A decoded string as a range of the whole text when it is one, byte for byte.
pub(super) fn located(whole: &str, part: &str) -> Message {
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    match start.checked_add(part.len()) {
        Some(end) if start <= whole.len() && whole.get(start..end) == Some(part) => {
            within(start..end)
        }
        _ => Message::Decoded(part.into()),
    }
}

/// The request that the record tells of, or its error, or all of its text.
fn in_place_of_message(whole: &str, parsed: &Parsed) -> Message {
    use monitor_core::CallStatus;
    let facts = &parsed.facts;
    let subject = match facts.status {
        Some(CallStatus::Grpc(_)) => facts.route.as_deref().or(facts.path.as_deref()),
        _ => facts.path.as_deref().or(facts.route.as_deref()),
    };
    if let (Some(method), Some(subject)) = (&facts.method, subject) {
        let status = match facts.status {
            Some(CallStatus::Http(code)) => format!(" {code}"),
            Some(CallStatus::Grpc(code)) => format!(" {code}"),
            _ => String::new(),
        };
        return Message::Decoded(format!("{method} {subject}{status}").into());
    }
    if let (None, Some(subject), Some(CallStatus::Http(code))) =
        (&facts.method, subject, facts.status)
    {
        return Message::Decoded(format!("{subject} {code}").into());
    }
    if let Some(error) = &facts.error_message {
        return Message::Decoded(error.as_str().into());
    }
    within(super::trimmed(whole))
}

/// A field's text as the number that it is, if it is one.
pub(super) fn scalar(text: &str) -> Scalar<'_> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty()
        && digits.len() <= 18
        && !(digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0."));
    if plain && digits.as_bytes()[0].is_ascii_digit() {
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map_or(Scalar::Str(text), Scalar::Int);
        }
        if digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
            && digits.bytes().filter(|byte| *byte == b'.').count() == 1
        {
            return text.parse().map_or(Scalar::Str(text), Scalar::Float);
        }
    }
    match text {
        "true" => Scalar::Bool(true),
        "false" => Scalar::Bool(false),
        _ => Scalar::Str(text),
    }
}
