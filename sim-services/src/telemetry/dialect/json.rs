//! JSON objects, member by member, without a tree in between.

use super::{put, quote};

/// An object that is being written; [`end`](Object::end) closes it.
#[derive(Debug)]
pub(super) struct Object<'a> {
    out: &'a mut String,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut String) -> Object<'a> {
        out.push('{');
        Object {
            out,
            is_empty: true,
        }
    }

    pub(super) fn end(self) {
        self.out.push('}');
    }

    /// Then comes the value.
    pub(super) fn key(&mut self, key: &str) -> &mut String {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        quote::json(self.out, key);
        self.out.push(':');
        self.out
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        quote::json(self.key(key), value);
    }

    pub(super) fn maybe(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// A finite number, or a boolean.
    pub(super) fn number(&mut self, key: &str, value: impl std::fmt::Display) {
        put!(self.key(key), "{value}");
    }

    pub(super) fn hex(&mut self, key: &str, bytes: &[u8]) {
        let out = self.key(key);
        out.push('"');
        super::hex(out, bytes);
        out.push('"');
    }

    pub(super) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) {
        let mut inner = Object::begin(self.key(key));
        fill(&mut inner);
        inner.end();
    }
}
