//! The bytes kept per record so that it can be shown exactly as it arrived.
//!
//! Not the text: the text's variables, to be put back into the layout, and what no column holds.
//! Variables that repeat an id of the record (a trace id in the header of its line) are stored as
//! a reference to it.

use std::ops::Range;

use monitor_core::{Correlation, Message, Name, Record, SpanId, TraceId, Value};

const TRACE: u64 = 1;
const SPAN: u64 = 1 << 1;
const PARENT: u64 = 1 << 2;
const REQUEST: u64 = 1 << 3;
const CORRELATION: u64 = 1 << 4;
const PATH: u64 = 1 << 5;
const CLIENT: u64 = 1 << 6;
const DECODED: u64 = 1 << 7;
const ATTRIBUTES: u64 = 1 << 8;

/// The record's ids as hexadecimal text, as they occur in lines and as they are indexed.
#[derive(Clone, Debug, Default)]
pub(crate) struct HexIds {
    pub(crate) trace: Option<[u8; 32]>,
    pub(crate) span: Option<[u8; 16]>,
    pub(crate) parent: Option<[u8; 16]>,
}

impl HexIds {
    pub(crate) fn of(ids: &Correlation) -> HexIds {
        HexIds {
            trace: ids.trace_id.map(|id| hex(id.as_bytes())),
            span: ids.span_id.map(|id| hex(id.as_bytes())),
            parent: ids.parent_span_id.map(|id| hex(id.as_bytes())),
        }
    }

    /// Whether the text is one of them: 0 trace, 1 span, 2 parent.
    pub(crate) fn position(&self, text: &str) -> Option<u64> {
        let text = text.as_bytes();
        match text.len() {
            32 if self.trace.as_ref().is_some_and(|id| id == text) => Some(0),
            16 if self.span.as_ref().is_some_and(|id| id == text) => Some(1),
            16 if self.parent.as_ref().is_some_and(|id| id == text) => Some(2),
            _ => None,
        }
    }
}

fn hex<const BYTES: usize, const DIGITS: usize>(bytes: &[u8; BYTES]) -> [u8; DIGITS] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'0'; DIGITS];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
    text
}

/// What [`encode`] kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stored {
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) span_id: Option<SpanId>,
    pub(crate) parent_span_id: Option<SpanId>,
    pub(crate) request_id: Option<Name>,
    pub(crate) correlation_id: Option<Name>,
    pub(crate) path: Option<String>,
    pub(crate) client: Option<Name>,
    /// The message, where it is not a slice of the text.
    pub(crate) decoded: Option<String>,
    pub(crate) attributes: Vec<(Name, Value)>,
    pub(crate) variables: Vec<String>,
}

/// Facts without a field of their own: stored and searched as attributes.
pub(crate) fn for_each_attribute<'a>(
    record: &'a Record,
    mut found: impl FnMut(&'a str, Shown<'a>),
) {
    for (key, value) in &record.attributes {
        found(key, Shown::of(value));
    }
    let facts = &record.facts;
    let texts = [
        ("user_agent", facts.user_agent.as_deref()),
        ("error.message", facts.error_message.as_deref()),
        ("span.kind", record.span.map(|(kind, _)| kind.as_str())),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            found(key, Shown::Str(text));
        }
    }
    let sizes = [
        ("request_bytes", facts.request_bytes),
        ("response_bytes", facts.response_bytes),
    ];
    for (key, size) in sizes {
        if let Some(size) = size {
            found(key, Shown::Int(i64::try_from(size).unwrap_or(i64::MAX)));
        }
    }
}

/// An attribute's value, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shown<'a> {
    Str(&'a str),
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl<'a> Shown<'a> {
    fn of(value: &'a Value) -> Shown<'a> {
        match value {
            Value::Str(text) => Shown::Str(text),
            Value::Int(number) => Shown::Int(*number),
            Value::Float(number) => Shown::Float(*number),
            Value::Bool(truth) => Shown::Bool(*truth),
        }
    }
}

/// Writes the record to `out`, which is cleared first.
pub(crate) fn encode(record: &Record, hex: &HexIds, variables: &[Range<u32>], out: &mut Vec<u8>) {
    out.clear();
    let (ids, facts) = (&record.ids, &record.facts);
    let decoded = match &record.message {
        Message::Decoded(text) => Some(&**text),
        Message::Within(_) => None,
    };
    let attributes = !record.attributes.is_empty()
        || record.span.is_some()
        || facts.user_agent.is_some()
        || facts.error_message.is_some()
        || facts.request_bytes.is_some()
        || facts.response_bytes.is_some();
    let flags = [
        (TRACE, ids.trace_id.is_some()),
        (SPAN, ids.span_id.is_some()),
        (PARENT, ids.parent_span_id.is_some()),
        (REQUEST, ids.request_id.is_some()),
        (CORRELATION, ids.correlation_id.is_some()),
        (PATH, facts.path.is_some()),
        (CLIENT, facts.client.is_some()),
        (DECODED, decoded.is_some()),
        (ATTRIBUTES, attributes),
    ];
    put_number(
        flags
            .iter()
            .filter(|(_, present)| *present)
            .fold(0, |flags, (flag, _)| flags | flag),
        out,
    );
    if let Some(id) = ids.trace_id {
        out.extend_from_slice(id.as_bytes());
    }
    for id in [ids.span_id, ids.parent_span_id].into_iter().flatten() {
        out.extend_from_slice(id.as_bytes());
    }
    let texts = [
        ids.request_id.as_deref(),
        ids.correlation_id.as_deref(),
        facts.path.as_deref(),
        facts.client.as_deref(),
        decoded,
    ];
    for text in texts.into_iter().flatten() {
        put_text(text, out);
    }
    if attributes {
        let mut count = 0;
        for_each_attribute(record, |_, _| count += 1);
        put_number(count, out);
        for_each_attribute(record, |key, value| {
            put_text(key, out);
            put_value(value, out);
        });
    }
    put_number(variables.len() as u64, out);
    for range in variables {
        let text = &record.text[range.start as usize..range.end as usize];
        match hex.position(text) {
            Some(id) => put_number(id << 1 | 1, out),
            None => {
                put_number((text.len() as u64) << 1, out);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// `None` when the bytes are not what [`encode`] writes.
pub(crate) fn decode(mut bytes: &[u8]) -> Option<Stored> {
    let input = &mut bytes;
    let flags = take_number(input)?;
    let has = |flag: u64| flags & flag != 0;
    let mut stored = Stored::default();
    if has(TRACE) {
        stored.trace_id = Some(TraceId::from_slice(take(input, 16)?)?);
    }
    if has(SPAN) {
        stored.span_id = Some(SpanId::from_slice(take(input, 8)?)?);
    }
    if has(PARENT) {
        stored.parent_span_id = Some(SpanId::from_slice(take(input, 8)?)?);
    }
    if has(REQUEST) {
        stored.request_id = Some(take_text(input)?.into());
    }
    if has(CORRELATION) {
        stored.correlation_id = Some(take_text(input)?.into());
    }
    if has(PATH) {
        stored.path = Some(take_text(input)?.to_owned());
    }
    if has(CLIENT) {
        stored.client = Some(take_text(input)?.into());
    }
    if has(DECODED) {
        stored.decoded = Some(take_text(input)?.to_owned());
    }
    if has(ATTRIBUTES) {
        for _ in 0..take_number(input)? {
            let key = Name::from(take_text(input)?);
            stored.attributes.push((key, take_value(input)?));
        }
    }
    let hex = HexIds::of(&Correlation {
        trace_id: stored.trace_id,
        span_id: stored.span_id,
        parent_span_id: stored.parent_span_id,
        ..Correlation::default()
    });
    for _ in 0..take_number(input)? {
        let number = take_number(input)?;
        let text = if number & 1 == 0 {
            std::str::from_utf8(take(input, usize::try_from(number >> 1).ok()?)?).ok()?
        } else {
            let digits = match number >> 1 {
                0 => hex.trace.as_ref()?.as_slice(),
                1 => hex.span.as_ref()?.as_slice(),
                _ => hex.parent.as_ref()?.as_slice(),
            };
            std::str::from_utf8(digits).ok()?
        };
        stored.variables.push(text.to_owned());
    }
    Some(stored)
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put_number(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn put_value(value: Shown<'_>, out: &mut Vec<u8>) {
    match value {
        Shown::Str(text) => {
            out.push(0);
            put_text(text, out);
        }
        Shown::Int(number) => {
            out.push(1);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Shown::Float(number) => {
            out.push(2);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Shown::Bool(truth) => out.push(3 + u8::from(truth)),
    }
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(taken)
}

fn take_number(input: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(input, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn take_text<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take_number(input)?).ok()?;
    std::str::from_utf8(take(input, length)?).ok()
}

fn take_value(input: &mut &[u8]) -> Option<Value> {
    Some(match take(input, 1)?[0] {
        0 => Value::Str(take_text(input)?.to_owned()),
        1 => Value::Int(i64::from_le_bytes(take(input, 8)?.try_into().ok()?)),
        2 => Value::Float(f64::from_le_bytes(take(input, 8)?.try_into().ok()?)),
        3 => Value::Bool(false),
        4 => Value::Bool(true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_can_be_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            // Damaged stores are reported, not panicked about; and never more is allocated than
            // there is.
            if let Some(stored) = decode(&bytes) {
                prop_assert!(stored.attributes.len() <= bytes.len());
            }
        }
    }

    #[test]
    fn ids_in_the_text_are_not_stored_twice() {
        let id: TraceId = "0af7651916cd43dd8448eb211c80319c".parse().unwrap();
        let ids = Correlation {
            trace_id: Some(id),
            ..Correlation::default()
        };
        let hex = HexIds::of(&ids);
        assert_eq!(hex.position(&id.to_string()), Some(0));
        assert_eq!(hex.position("0AF7651916CD43DD8448EB211C80319C"), None);
    }
}
