//! From a record to the document that is indexed for it.
//!
//! Called once per record by the writing partition; the hottest code of the store.

use std::io;

use monitor_core::{Message, Record};

use crate::document::Buffers;
use crate::intern::Interner;
use crate::layout::Split;
use crate::schema::{KEY_END, TERM_END};
use crate::stored::{self, HexIds, Shown};
use crate::wal::Seq;
use crate::words::for_each_word;

/// Whole values (paths, clients, request ids) are compared by their first bytes only.
pub(crate) const MAX_VALUE: usize = 512;
/// Of an attribute's key.
pub(crate) const MAX_KEY: usize = 128;

pub(crate) fn fill(
    seq: Seq,
    item: u32,
    record: &Record,
    interner: &mut Interner,
    split: &mut Split,
    buffers: &mut Buffers,
) -> io::Result<()> {
    let (layout, regions) = interner.layout(record, split)?;
    buffers.time = record.time.as_nanos();
    buffers.batch = seq;
    buffers.item = u64::from(item);
    buffers.layout = u64::from(layout);
    buffers.context = u64::from(interner.context(record)?);
    buffers.operation = u64::from(interner.operation(record)?);
    buffers.duration = duration_nanos(record);

    let hex = HexIds::of(&record.ids);
    let [
        words,
        trace,
        span,
        parent,
        request,
        correlation,
        path,
        client,
        attributes,
    ] = &mut buffers.texts;
    words.clear();
    let scratch = &mut split.scratch;
    let mut add = |word: &str| {
        // The record's own ids are words of it through their fields.
        if hex.position(word).is_none() {
            words.push_str(word);
            words.push(TERM_END);
        }
    };
    for region in &*regions {
        for_each_word(
            &record.text[region.range(&split.variables)],
            scratch,
            &mut add,
        );
    }
    if let Message::Decoded(message) = &record.message {
        for_each_word(message, scratch, &mut add);
    }
    words.pop();

    put_hex(hex.trace.as_ref(), trace);
    put_hex(hex.span.as_ref(), span);
    put_hex(hex.parent.as_ref(), parent);
    put_value(record.ids.request_id.as_deref(), request);
    put_value(record.ids.correlation_id.as_deref(), correlation);
    put_value(record.facts.path.as_deref(), path);
    put_value(record.facts.client.as_deref(), client);
    put_attributes(record, attributes, scratch);
    stored::encode(record, &hex, &split.variables, &mut buffers.stored);
    Ok(())
}

pub(crate) fn duration_nanos(record: &Record) -> Option<u64> {
    record
        .facts
        .duration
        .map(|(duration, _)| duration)
        .or(record.span.map(|(_, duration)| duration))
        .map(|duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

fn put_hex<const DIGITS: usize>(id: Option<&[u8; DIGITS]>, out: &mut String) {
    out.clear();
    if let Some(id) = id {
        out.extend(id.iter().map(|digit| char::from(*digit)));
    }
}

fn put_value(value: Option<&str>, out: &mut String) {
    out.clear();
    if let Some(value) = value {
        lower_value(value, out);
    }
}

/// Appends `value` as it is compared: in lower case, its beginning.
pub(crate) fn lower_value(value: &str, out: &mut String) {
    let end = value.floor_char_boundary(MAX_VALUE);
    if value.is_ascii() {
        let start = out.len();
        out.push_str(&value[..end]);
        out[start..].make_ascii_lowercase();
    } else {
        out.extend(value[..end].chars().flat_map(char::to_lowercase));
    }
}

fn put_attributes(record: &Record, out: &mut String, scratch: &mut String) {
    out.clear();
    stored::for_each_attribute(record, |key, value| {
        let start = out.len();
        put_key(key, out);
        let end = out.len();
        out.push(TERM_END);
        let mut term = |word: &str| {
            // The key before each of its words.
            out.extend_from_within(start..end);
            out.push_str(word);
            out.push(TERM_END);
        };
        match value {
            Shown::Str(text) => for_each_word(text, scratch, &mut term),
            Shown::Int(number) => for_each_word(&number.to_string(), scratch, &mut term),
            Shown::Float(number) => for_each_word(&number.to_string(), scratch, &mut term),
            Shown::Bool(truth) => term(if truth { "true" } else { "false" }),
        }
    });
    out.pop();
}

/// Appends an attribute's key as its terms begin: in lower case, [`KEY_END`] last.
pub(crate) fn put_key(key: &str, out: &mut String) {
    let end = key.floor_char_boundary(MAX_KEY);
    out.extend(
        key[..end]
            .chars()
            .flat_map(char::to_lowercase)
            .filter(|character| !matches!(*character, KEY_END | TERM_END)),
    );
    out.push(KEY_END);
}
