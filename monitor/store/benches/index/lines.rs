//! Log lines to index: invented ones, or those of a directory, with templates mined simply.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    CallFacts, CallStatus, Correlation, DurationOrigin, Kind, Message, Name, Record, Resource,
    Severity, Shape, ShapeId, TemplateId, TemplateMatch, Time, TimeOrigin,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const SERVICES: [&str; 8] = [
    "basket", "pricing", "stock", "checkout", "parcel", "voucher", "gateway", "profile",
];
const START: i64 = 1_780_000_000_000;

/// `count` lines of a shop: half application logs with ids in a header, a quarter access logs, a
/// quarter JSON.
pub(crate) fn generated(count: usize) -> Vec<Record> {
    let mut random = StdRng::seed_from_u64(7);
    let mut maker = Maker::default();
    let (mut trace, mut span, mut order) = (0u128, 0u64, 0u32);
    (0..count)
        .map(|index| {
            let time = Time::from_millis(START + index as i64 * 3);
            let service = SERVICES[random.random_range(0..SERVICES.len())];
            // A request leaves a dozen lines, in a few spans, about one order.
            if index % 12 == 0 {
                trace = random.random();
                order = random.random_range(10_000..200_000);
            }
            if index % 3 == 0 {
                span = random.random();
            }
            let micros: u32 = random.random_range(300..900_000);
            let status = [200, 200, 200, 200, 201, 404, 500][random.random_range(0..7)];
            let clock = format!("{}.{:03}", &time.to_string()[11..19], index % 1000);
            let (text, format) = match random.random_range(0..4) {
                0 => (
                    format!(
                        "10.{}.{}.{} - - [28/May/2026:{clock} +0000] \"GET /api/{service}/orders/{order}/items HTTP/1.1\" {status} {} \"-\" \"{}\" {:.3}",
                        order % 4, order % 200, order % 251, micros % 20_000,
                        ["okhttp/4.12", "curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"][index % 3],
                        f64::from(micros) / 1e6,
                    ),
                    "nginx-combined",
                ),
                1 => (
                    format!(
                        "{{\"time\":\"{time}\",\"level\":\"info\",\"service\":\"{service}\",\"trace_id\":\"{trace:032x}\",\"span_id\":\"{span:016x}\",\"msg\":\"request handled: order {order} status {status} took {micros}us\",\"user\":\"u{}\"}}",
                        order % 5000,
                    ),
                    "json",
                ),
                _ => (
                    format!(
                        "{clock} INFO  shop.{service}.Handler#{} TraceID: {trace:032x} SpanID: {span:016x} {}",
                        [48, 112, 457, 558][index % 4],
                        match index % 5 {
                            0 => format!("[findOrder][Order found][OrderId: {:08x}-71cb-4cf1-b5bb-{:012x}]", order, span & 0xffff_ffff_ffff),
                            1 => format!("[reserve][Stock request][request: Line(date=2026-05-{:02}, article=A{order}, site=north, size={}, total={micros})]", order % 28 + 1, order % 5),
                            2 => format!("[price][Price computed][net: {}.{:02} gross: {}.{:02} rules: {}]", order % 900, order % 100, order % 950, micros % 100, order % 7),
                            3 => format!("[call][Answer of upstream][<{status},Response(status=1, msg=Success, data={order}),[content-type:\"application/json\", x-envoy-upstream-service-time:\"{}\", server:\"envoy\"]>]", micros / 1000),
                            _ => "[notify][Nothing to send]".to_owned(),
                        },
                    ),
                    "spring-boot",
                ),
            };
            let mut record = maker.record(time, service, format, text);
            record.facts.duration =
                (index % 2 == 0).then_some((Duration::from_micros(micros.into()), DurationOrigin::Written));
            record.facts.status = (index % 2 == 0).then_some(CallStatus::Http(status));
            record
        })
        .collect()
}

/// Every line of every file under `dir`.
pub(crate) fn recorded(dir: &Path) -> Vec<Record> {
    let mut files = Vec::new();
    list(dir, &mut files);
    files.sort();
    let mut maker = Maker::default();
    let mut records = Vec::new();
    for file in files {
        let service = file.file_stem().unwrap_or_default().to_string_lossy();
        let text = std::fs::read(&file).expect("a readable file");
        for line in String::from_utf8_lossy(&text).lines() {
            let time = Time::from_millis(START + records.len() as i64);
            records.push(maker.record(time, &service, "plain", line.to_owned()));
        }
    }
    records
}

fn list(dir: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            list(&path, files);
        } else {
            files.push(path);
        }
    }
}

#[derive(Default)]
struct Maker {
    shapes: HashMap<String, Arc<Shape>>,
    resources: HashMap<String, Arc<Resource>>,
    names: HashMap<&'static str, Name>,
}

impl Maker {
    fn record(&mut self, time: Time, service: &str, format: &'static str, text: String) -> Record {
        let resource = Arc::clone(
            self.resources
                .entry(service.to_owned())
                .or_insert_with(|| Arc::new(Resource::of_service(service))),
        );
        let trace = hex_after(&text, &["TraceID: ", "\"trace_id\":\""], 32);
        let span = hex_after(&text, &["SpanID: ", "\"span_id\":\""], 16);
        let (start, end) = message(&text);
        let template = self.shape(&text[start..end]);
        Record {
            kind: Kind::Log,
            time,
            time_origin: TimeOrigin::Record,
            written_ahead: None,
            observed: time,
            resource,
            stream: Arc::clone(self.names.entry("stdout").or_insert("stdout".into())),
            severity: Some(Severity::Info),
            format: Some(format),
            message: Message::Within(start as u32..end as u32),
            template: Some(template),
            ids: Correlation {
                trace_id: trace.and_then(|id| id.parse().ok()),
                span_id: span.and_then(|id| id.parse().ok()),
                ..Correlation::default()
            },
            facts: CallFacts::default(),
            span: None,
            attributes: Vec::new(),
            text,
        }
    }

    /// Masks words, and what is joined to them, that have a digit.
    fn shape(&mut self, message: &str) -> TemplateMatch {
        let is_joined = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | ':' | '_' | '/');
        let mut variables = smallvec::SmallVec::new();
        let mut pieces: Vec<&str> = Vec::new();
        let (mut piece, mut at) = (0, 0);
        while at < message.len() {
            let rest = &message[at..];
            let run = rest.find(|c| !is_joined(c)).unwrap_or(rest.len());
            if rest[..run].bytes().any(|byte| byte.is_ascii_digit()) {
                pieces.push(&message[piece..at]);
                variables.push(at as u32..(at + run) as u32);
                piece = at + run;
            }
            at += run;
            at += message[at..].find(is_joined).unwrap_or(message.len() - at);
        }
        pieces.push(&message[piece..]);
        let key = pieces.join("\u{0}");
        let next = self.shapes.len() as u64 + 1;
        let shape = self.shapes.entry(key).or_insert_with(|| {
            Arc::new(Shape {
                id: ShapeId(next),
                template: TemplateId(next),
                pieces: pieces.iter().map(|piece| Box::from(*piece)).collect(),
            })
        });
        TemplateMatch {
            shape: Arc::clone(shape),
            variables,
        }
    }
}

/// What a format would take for the message: behind the header's ids, the value of `msg`, or all.
fn message(text: &str) -> (usize, usize) {
    if let Some(at) = text.find("SpanID: ") {
        let start = (at + 25).min(text.len());
        if text.is_char_boundary(start) {
            return (start, text.len());
        }
    }
    if let Some(at) = text.find("\"msg\":\"") {
        let start = at + 7;
        if let Some(length) = text[start..].find('"') {
            return (start, start + length);
        }
    }
    (0, text.len())
}

fn hex_after<'a>(text: &'a str, keys: &[&str], digits: usize) -> Option<&'a str> {
    keys.iter().find_map(|key| {
        let start = text.find(key)? + key.len();
        text.get(start..start + digits)
    })
}
