//! The tantivy fields of a partition.
//!
//! Few on purpose: what has few distinct values (who spoke, what kind of request) is interned in
//! the partition's [dictionary](crate::dictionary), and a record carries three numbers for it.

use tantivy::schema::{
    BytesOptions, FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{RAW_TOKENIZER_NAME, TextAnalyzer, Token, TokenStream, Tokenizer};

/// Event time in nanoseconds since the epoch.
pub(crate) const TIME: Field = Field::from_field_id(0);
// 1 and 2 are the record's place in the write-ahead log: sequence number of its batch, and item.
/// Numbers of dictionary entries.
pub(crate) const LAYOUT: Field = Field::from_field_id(3);
pub(crate) const CONTEXT: Field = Field::from_field_id(4);
pub(crate) const OPERATION: Field = Field::from_field_id(5);
/// Nanoseconds; absent where the record has none.
pub(crate) const DURATION: Field = Field::from_field_id(6);
/// Words of the text that are not the layout's.
pub(crate) const WORDS: Field = Field::from_field_id(7);
/// Hexadecimal.
pub(crate) const TRACE: Field = Field::from_field_id(8);
pub(crate) const SPAN: Field = Field::from_field_id(9);
pub(crate) const PARENT: Field = Field::from_field_id(10);
/// Whole values in lower case.
pub(crate) const REQUEST: Field = Field::from_field_id(11);
pub(crate) const CORRELATION: Field = Field::from_field_id(12);
pub(crate) const PATH: Field = Field::from_field_id(13);
pub(crate) const CLIENT: Field = Field::from_field_id(14);
/// `key`, [`KEY_END`], and a word of the value; once with no word, to say that the key is there.
pub(crate) const ATTRIBUTES: Field = Field::from_field_id(15);
/// What is needed to show the record, see [`crate::stored`].
pub(crate) const STORED: Field = Field::from_field_id(16);

pub(crate) const KEY_END: char = '\u{1f}';
/// Between the terms of a field; never part of a word or a key.
pub(crate) const TERM_END: char = '\u{1e}';

pub(crate) const TIME_NAME: &str = "time";
pub(crate) const BATCH_NAME: &str = "batch";
pub(crate) const ITEM_NAME: &str = "item";
pub(crate) const LAYOUT_NAME: &str = "layout";
pub(crate) const CONTEXT_NAME: &str = "context";
pub(crate) const OPERATION_NAME: &str = "operation";
pub(crate) const DURATION_NAME: &str = "duration";

const TERMS_TOKENIZER: &str = "terms";

pub(crate) fn schema() -> Schema {
    let text = |tokenizer| {
        TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer(tokenizer)
                .set_index_option(IndexRecordOption::Basic)
                .set_fieldnorms(false),
        )
    };
    let mut builder = Schema::builder();
    builder.add_i64_field(TIME_NAME, FAST);
    builder.add_u64_field(BATCH_NAME, FAST);
    builder.add_u64_field(ITEM_NAME, FAST);
    builder.add_u64_field(LAYOUT_NAME, FAST | INDEXED);
    builder.add_u64_field(CONTEXT_NAME, FAST | INDEXED);
    builder.add_u64_field(OPERATION_NAME, FAST | INDEXED);
    builder.add_u64_field(DURATION_NAME, FAST);
    builder.add_text_field("words", text(TERMS_TOKENIZER));
    for name in [
        "trace",
        "span",
        "parent",
        "request",
        "correlation",
        "path",
        "client",
    ] {
        builder.add_text_field(name, text(RAW_TOKENIZER_NAME));
    }
    builder.add_text_field("attributes", text(TERMS_TOKENIZER));
    builder.add_bytes_field("stored", BytesOptions::default().set_stored());
    builder.build()
}

/// Every index has to be told what our tokenizer is, each time it is opened.
pub(crate) fn register_tokenizers(index: &tantivy::Index) {
    index
        .tokenizers()
        .register(TERMS_TOKENIZER, TextAnalyzer::from(Terms::default()));
}

/// Splits what was already taken apart, at [`TERM_END`].
#[derive(Clone, Default)]
struct Terms {
    token: Token,
}

struct TermStream<'a> {
    rest: &'a str,
    token: &'a mut Token,
}

impl Tokenizer for Terms {
    type TokenStream<'a> = TermStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> TermStream<'a> {
        self.token.reset();
        TermStream {
            rest: text,
            token: &mut self.token,
        }
    }
}

impl TokenStream for TermStream<'_> {
    fn advance(&mut self) -> bool {
        if self.rest.is_empty() {
            return false;
        }
        let end = self
            .rest
            .bytes()
            .position(|byte| byte == TERM_END as u8)
            .unwrap_or(self.rest.len());
        self.token.text.clear();
        self.token.text.push_str(&self.rest[..end]);
        self.token.position = self.token.position.wrapping_add(1);
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_constants_are_the_schema() {
        let schema = schema();
        let names = [
            (TIME, TIME_NAME),
            (Field::from_field_id(1), BATCH_NAME),
            (Field::from_field_id(2), ITEM_NAME),
            (LAYOUT, LAYOUT_NAME),
            (CONTEXT, CONTEXT_NAME),
            (OPERATION, OPERATION_NAME),
            (DURATION, DURATION_NAME),
            (WORDS, "words"),
            (TRACE, "trace"),
            (SPAN, "span"),
            (PARENT, "parent"),
            (REQUEST, "request"),
            (CORRELATION, "correlation"),
            (PATH, "path"),
            (CLIENT, "client"),
            (ATTRIBUTES, "attributes"),
            (STORED, "stored"),
        ];
        assert_eq!(schema.fields().count(), names.len());
        for (field, name) in names {
            assert_eq!(schema.get_field(name).unwrap(), field);
        }
    }
}
