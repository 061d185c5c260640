//! What was said since the last delivery, by replica.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::Export;
use super::{Item, What};

#[derive(Debug, Default)]
pub(super) struct Batch {
    exports: Vec<Export>,
    /// Where the export of an identity (by its address) and a clock's offset is. Only looked up in,
    /// so that the order of addresses is never seen.
    places: BTreeMap<(usize, i64), usize>,
    len: usize,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn extend(&mut self, items: impl Iterator<Item = Item>) {
        for item in items {
            self.push(item);
        }
    }

    fn push(&mut self, item: Item) {
        // The export keeps the identity alive, so that no other can have its address.
        let key = (Arc::as_ptr(&item.identity).addr(), item.clock_offset);
        let exports = &mut self.exports;
        let place = *self.places.entry(key).or_insert_with(|| {
            exports.push(Export {
                identity: item.identity,
                clock_offset: item.clock_offset,
                lines: Vec::new(),
                spans: Vec::new(),
                gauges: Vec::new(),
            });
            exports.len() - 1
        });
        match item.what {
            What::Line(line) => exports[place].lines.push(line),
            What::Span(span) => exports[place].spans.push(span),
            What::Gauge(gauge) => exports[place].gauges.push(gauge),
        }
        self.len += 1;
    }

    /// By service, replica and instance; a replica's lines in the order in which it said them, also
    /// when its clock changed in between and it has two exports.
    pub(super) fn take(&mut self) -> Vec<Export> {
        self.places.clear();
        self.len = 0;
        let mut exports = std::mem::take(&mut self.exports);
        exports.sort_by(|a, b| {
            let (a, b) = (&a.identity, &b.identity);
            (&a.service, a.replica, &a.instance).cmp(&(&b.service, b.replica, &b.instance))
        });
        exports
    }
}
