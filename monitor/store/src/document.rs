//! One record as tantivy takes it in.
//!
//! Tantivy's own document copies every value into a tree; this one is a fixed set of buffers that
//! are used again for the next record. The index writer fills it and lends it out.

use std::sync::Arc;

use tantivy::Document;
use tantivy::schema::document::{ReferenceValue, ReferenceValueLeaf};
use tantivy::schema::{Field, Value};

#[derive(Debug, Default)]
pub(crate) struct Buffers {
    pub(crate) time: i64,
    pub(crate) batch: u64,
    pub(crate) item: u64,
    pub(crate) layout: u64,
    pub(crate) context: u64,
    pub(crate) operation: u64,
    pub(crate) duration: Option<u64>,
    /// In the order of their fields, from [`schema::WORDS`] to [`schema::ATTRIBUTES`]; an empty
    /// one is left out.
    pub(crate) texts: [String; 9],
    pub(crate) stored: Vec<u8>,
}

/// Tantivy wants to own its documents; this is how it can without a copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(pub(crate) Arc<Buffers>);

#[derive(Debug)]
pub(crate) struct FieldValues<'a> {
    buffers: &'a Buffers,
    at: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum FieldValue<'a> {
    I64(i64),
    U64(u64),
    Str(&'a str),
    Bytes(&'a [u8]),
}

impl Document for Record {
    type Value<'a> = FieldValue<'a>;
    type FieldsValuesIter<'a> = FieldValues<'a>;

    fn iter_fields_and_values(&self) -> FieldValues<'_> {
        FieldValues {
            buffers: &self.0,
            at: 0,
        }
    }
}

impl<'a> Iterator for FieldValues<'a> {
    type Item = (Field, FieldValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let field = Field::from_field_id(self.at);
            self.at += 1;
            let buffers = self.buffers;
            let value = match self.at - 1 {
                0 => FieldValue::I64(buffers.time),
                1 => FieldValue::U64(buffers.batch),
                2 => FieldValue::U64(buffers.item),
                3 => FieldValue::U64(buffers.layout),
                4 => FieldValue::U64(buffers.context),
                5 => FieldValue::U64(buffers.operation),
                6 => match buffers.duration {
                    Some(duration) => FieldValue::U64(duration),
                    None => continue,
                },
                text @ 7..=15 => match &*buffers.texts[text as usize - 7] {
                    "" => continue,
                    text => FieldValue::Str(text),
                },
                16 => FieldValue::Bytes(&buffers.stored),
                _ => return None,
            };
            return Some((field, value));
        }
    }
}

impl<'a> Value<'a> for FieldValue<'a> {
    type ArrayIter = std::iter::Empty<Self>;
    type ObjectIter = std::iter::Empty<(&'a str, Self)>;

    fn as_value(&self) -> ReferenceValue<'a, Self> {
        ReferenceValue::Leaf(match *self {
            FieldValue::I64(value) => ReferenceValueLeaf::I64(value),
            FieldValue::U64(value) => ReferenceValueLeaf::U64(value),
            FieldValue::Str(value) => ReferenceValueLeaf::Str(value),
            FieldValue::Bytes(value) => ReferenceValueLeaf::Bytes(value),
        })
    }
}
