//! Records and batches for tests, as ingest would make them: messages with digits masked.

use std::sync::Arc;

use monitor_core::{
    Batch, Correlation, Item, Kind, LogItem, Message, Origin, Payload, Record, Resource, Shape,
    ShapeId, Source, TemplateId, TemplateMatch, Time, TimeOrigin,
};

/// A record of service `cart` whose message is the part of `text` after the first `| `, or all of
/// it. The message is matched with a template when `shaped`.
pub(crate) fn record(time: Time, text: &str, shaped: bool) -> Record {
    let start = text.find("| ").map_or(0, |at| at + 2);
    Record {
        kind: Kind::Log,
        time,
        time_origin: TimeOrigin::Record,
        written_ahead: None,
        observed: time,
        resource: resource("cart"),
        stream: "stdout".into(),
        severity: None,
        format: Some("plain"),
        text: text.to_owned(),
        message: Message::Within(start as u32..text.len() as u32),
        template: shaped.then(|| mine(&text[start..])),
        ids: Correlation::default(),
        facts: monitor_core::CallFacts::default(),
        span: None,
        attributes: Vec::new(),
    }
}

pub(crate) fn resource(service: &str) -> Arc<Resource> {
    Arc::new(Resource::of_service(service))
}

/// Masks each run of digits. Borders fall into the middle of words, which is what is to be tried.
pub(crate) fn mine(message: &str) -> TemplateMatch {
    let mut pieces = Vec::new();
    let mut variables = smallvec::SmallVec::new();
    let mut piece = 0;
    let mut at = 0;
    let bytes = message.as_bytes();
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        pieces.push(message[piece..start].into());
        variables.push(start as u32..at as u32);
        piece = at;
    }
    pieces.push(message[piece..].into());
    let text: String = pieces.join("<*>");
    // FNV-1a; any stable hash would do.
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    TemplateMatch {
        shape: Arc::new(Shape {
            id: ShapeId(hash),
            template: TemplateId(hash),
            pieces,
        }),
        variables,
    }
}

pub(crate) fn batch(texts: &[&str]) -> Batch {
    Batch {
        origin: Origin::JsonLines,
        received: Time::from_secs(1_700_000_000),
        sources: vec![Source {
            resource: resource("cart"),
            stream: "stdout".into(),
        }],
        items: texts
            .iter()
            .map(|text| Item {
                source: 0,
                payload: Payload::Log(LogItem {
                    text: (*text).to_owned(),
                    ..LogItem::default()
                }),
            })
            .collect(),
    }
}

pub(crate) const DAY: i64 = 86_400;

pub(crate) fn at(seconds: i64) -> Time {
    Time::from_secs(1_700_006_400 + seconds)
}
