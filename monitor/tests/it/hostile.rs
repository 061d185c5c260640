//! What no sender should send, through the doors that senders use.
//!
//! Each time: the answer that the protocol has for it, what was refused is counted, memory stays
//! bounded, and an ordinary record afterwards is taken and found.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use monitor::config::Values;
use monitor_core::{
    ApiState, Batch, Item, LogItem, Measure, Origin, Payload, Resource, Source, Time,
};
use monitor_serve::Clock as _;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::support::Site;

const START: Time = Time::from_secs(1_772_359_200);
const MIB: usize = 1 << 20;
/// Random bytes sent, half of them as bodies and half as lines of logs.
const RANDOM_BYTES: usize = 100 * MIB;

const JSONLINE: &str = "/insert/jsonline";
const LOGS: &str = "/v1/logs";
const TRACES: &str = "/v1/traces";
const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";

/// A monitor under attack, alone in this process with it as far as these tests are concerned, so
/// that memory can be told.
struct Attacked {
    site: Site,
    http: reqwest::Client,
    resident_before: u64,
    _alone: MutexGuard<'static, ()>,
}

struct Answer {
    status: u16,
    /// `Null` when it is not JSON.
    body: Value,
}

impl Attacked {
    async fn start() -> Attacked {
        static ALONE: Mutex<()> = Mutex::const_new(());
        let alone = ALONE.lock().await;
        let site = Site::start(START, Values::default()).await;
        // Makes the highest resident size (VmHWM) begin anew; see proc_pid_clear_refs(5).
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        Attacked {
            site,
            http: reqwest::Client::new(),
            resident_before: resident("VmRSS:"),
            _alone: alone,
        }
    }

    async fn post(&self, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.send(path, kind, "identity", body.into()).await
    }

    async fn send(&self, path: &str, kind: &str, packing: &str, body: reqwest::Body) -> Answer {
        let response = self
            .http
            .post(format!("http://{}{path}", self.site.running.otlp_http))
            .header("content-type", kind)
            .header("content-encoding", packing)
            .body(body)
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        let body = response.bytes().await.unwrap();
        Answer {
            status,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    /// Lines of one service that logs plain text, by the way that followed files take.
    async fn lines(&self, texts: Vec<String>) {
        let items = texts.into_iter().map(|text| Item {
            source: 0,
            payload: Payload::Log(LogItem {
                text,
                ..LogItem::default()
            }),
        });
        let batch = Batch {
            origin: Origin::JsonLines,
            received: self.site.clock.now(),
            sources: vec![Source {
                resource: Arc::new(Resource::of_service("garbage")),
                stream: "stdout".into(),
            }],
            items: items.collect(),
        };
        self.site.intake().submit(batch).await.unwrap();
    }

    /// A counter of `/metrics`; 0 while it is not there.
    async fn counted(&self, series: &str) -> u64 {
        let text = self.site.get("/metrics").await.text().await.unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
            .unwrap_or(0)
    }

    async fn refused_lines(&self, reason: &str) -> u64 {
        self.counted(&format!(
            "crosswatch_ingest_rejected_total{{protocol=\"json-lines\",reason=\"{reason}\"}}"
        ))
        .await
    }

    async fn answered(&self, protocol: &str, code: u16) -> u64 {
        self.counted(&format!(
            "crosswatch_ingest_requests_total{{code=\"{code}\",protocol=\"{protocol}\"}}"
        ))
        .await
    }

    /// An ordinary record is taken and found; memory has grown by at most `mib` at its highest.
    async fn lives_on(self, mib: u64) {
        let body = "{\"service\":\"sober\",\"message\":\"all is well\"}\n";
        let answer = self.post(JSONLINE, JSON, body).await;
        assert_eq!((answer.status, &answer.body["accepted"]), (200, &json!(1)));
        let page = self.site.finds("service:sober", 1).await;
        assert_eq!(page["records"][0]["text"], body.trim(), "{page:#}");
        let ready = self.site.get("/readyz").await.status();
        assert_eq!(ready, 200);
        let grown = resident("VmHWM:").saturating_sub(self.resident_before);
        eprintln!("memory grew by {} MiB at most", grown >> 10);
        self.site.running.stop().await.unwrap();
        assert!(grown >> 10 <= mib, "grew by {} MiB", grown >> 10);
    }
}

/// In KiB.
fn resident(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse().unwrap()
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same bytes in every run and on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count / 8)
            .flat_map(|_| self.next().to_le_bytes())
            .collect()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A protobuf message in a message in a message: `tags` are of the fields, from the outside.
fn nested(tags: &[u8], innermost: &[u8]) -> Vec<u8> {
    let mut lengths = Vec::with_capacity(tags.len());
    let mut length = innermost.len();
    for _ in tags {
        lengths.push(length);
        length += 1 + prost::length_delimiter_len(length);
    }
    let mut message = Vec::with_capacity(length);
    for (tag, length) in tags.iter().zip(lengths.into_iter().rev()) {
        message.push(*tag);
        prost::encode_length_delimiter(length, &mut message).unwrap();
    }
    message.extend_from_slice(innermost);
    message
}

/// From `ExportLogsServiceRequest` down to the body of its only log record.
const TO_BODY: [u8; 4] = [0x0a, 0x12, 0x12, 0x2a];
const STRING_VALUE: u8 = 0x0a;
/// A value that is a list, and its first value.
const LIST: [u8; 2] = [0x2a, 0x0a];

fn otlp_log(text: &str) -> String {
    json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "garbage"}}]},
        "scopeLogs": [{"logRecords": [{"body": {"stringValue": text}}]}],
    }]})
    .to_string()
}

#[tokio::test]
async fn random_bytes() {
    let attacked = Attacked::start().await;
    let mut random = Random(7);
    let mut refused = 0;
    for _ in 0..RANDOM_BYTES / 2 / MIB {
        let body = random.bytes(MIB);
        let lines = body.split(|byte| *byte == b'\n');
        refused += lines.filter(|line| !line.trim_ascii().is_empty()).count() as u64;
        let answer = attacked.post(JSONLINE, JSON, body).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.body["accepted"], 0, "{}", answer.body);
    }
    assert_eq!(attacked.refused_lines("malformed").await, refused);

    let mut taken = 0;
    for chunk in 0..RANDOM_BYTES / 2 / MIB {
        let mut bytes = random.bytes(MIB);
        if chunk % 2 == 0 {
            // ASCII has the digits and the punctuation that formats are recognised by.
            bytes.iter_mut().for_each(|byte| *byte &= 0x7f);
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        taken += lines.len() as u64;
        attacked.lines(lines).await;
    }
    attacked.site.finds("service:garbage", taken).await;
    attacked.lives_on(600).await;
}

#[tokio::test]
async fn random_bytes_are_no_otlp() {
    let attacked = Attacked::start().await;
    let mut random = Random(11);
    for size in (0..200).map(|it| it * 80 + 8) {
        for kind in [JSON, PROTOBUF] {
            let mut bytes = random.bytes(size);
            // Zero is no tag, so that no prefix of this is a message.
            bytes[0] = 0;
            for path in [LOGS, TRACES] {
                let answer = attacked.post(path, kind, bytes.clone()).await;
                assert_eq!(answer.status, 400, "{path} {kind} {bytes:?}");
            }
        }
    }
    assert_eq!(attacked.answered("otlp-http", 400).await, 800);
    attacked.lives_on(200).await;
}

#[tokio::test]
async fn lines_of_ten_megabytes() {
    let attacked = Attacked::start().await;
    let long: String = "GET /a?b=17 ".chars().cycle().take(10_000_000).collect();
    let body = format!(
        "{{\"service\":\"short\",\"message\":\"before\"}}\n{{\"message\":\"{long}\"}}\n\
         {{\"service\":\"short\",\"message\":\"after\"}}\n"
    );
    let answer = attacked.post(JSONLINE, JSON, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["accepted"], 2, "{}", answer.body);
    assert_eq!(answer.body["errors"][0]["line"], 2, "{}", answer.body);
    assert_eq!(attacked.refused_lines("too_long").await, 1);

    let answer = attacked.post(LOGS, JSON, otlp_log(&long)).await;
    assert_eq!((answer.status, answer.body), (200, json!({})));
    let cut = "crosswatch_ingest_repaired_total{protocol=\"otlp-http\",reason=\"text_cut\"}";
    assert_eq!(attacked.counted(cut).await, 1);
    attacked.lines(vec![long]).await;
    attacked.site.finds("service:short", 2).await;
    attacked.site.finds("service:garbage", 2).await;

    let over = vec![b'x'; 21 * MIB];
    assert_eq!(
        attacked.post(JSONLINE, JSON, over.clone()).await.status,
        413
    );
    assert_eq!(attacked.post(LOGS, JSON, over).await.status, 413);
    assert_eq!(attacked.answered("json-lines", 413).await, 1);
    attacked.lives_on(400).await;
}

#[tokio::test]
async fn json_of_a_hundred_thousand_levels() {
    const LEVELS: usize = 100_000;
    let attacked = Attacked::start().await;
    let lists = format!("{}{}", "[".repeat(LEVELS), "]".repeat(LEVELS));
    let objects = format!("{}1{}", "{\"a\":".repeat(LEVELS), "}".repeat(LEVELS));
    let never_closed = "{\"a\":[".repeat(LEVELS);
    let body = format!(
        "{lists}\n{objects}\n{never_closed}\n{{\"service\":\"deep\",\"message\":{lists}}}\n\
         {{\"service\":\"deep\",\"message\":\"shallow\"}}\n"
    );
    let answer = attacked.post(JSONLINE, JSON, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["accepted"], 1, "{}", answer.body);
    assert_eq!(attacked.refused_lines("malformed").await, 4);

    // As the text of records it is only text, for whoever looks at it.
    for text in [&lists, &objects, &never_closed] {
        let answer = attacked.post(LOGS, JSON, otlp_log(text)).await;
        assert_eq!((answer.status, answer.body), (200, json!({})));
        let prefixed = format!("2026-03-01T10:00:00Z INFO done {text}");
        attacked.lines(vec![text.clone(), prefixed]).await;
    }
    attacked.site.finds("service:garbage", 9).await;

    // As the structure of the request it is no request, or costs the record. Fields that are not
    // known are passed over, however deep: so the specification wants it.
    for (body, status) in [(&lists, 400), (&objects, 200), (&never_closed, 400)] {
        let answer = attacked.post(LOGS, JSON, body.clone()).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    let value = "{\"arrayValue\":{\"values\":[".repeat(LEVELS);
    let end = "]}}".repeat(LEVELS);
    let body = format!(
        "{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{\"body\":{value}{end}}}]}}]}}]}}"
    );
    let answer = attacked.post(LOGS, JSON, body).await;
    let lost = answer.body["partialSuccess"]["rejectedLogRecords"] == "1";
    assert!(answer.status == 400 || lost, "{}", answer.body);
    let body = nested(&[&TO_BODY[..], &LIST.repeat(LEVELS)].concat(), b"");
    assert_eq!(attacked.post(LOGS, PROTOBUF, body).await.status, 400);
    attacked.lives_on(200).await;
}

#[tokio::test]
async fn bytes_that_are_no_utf_8() {
    let attacked = Attacked::start().await;
    let mut body =
        b"{\"service\":\"text\",\"message\":\"first\"}\n{\"message\":\"\xff\xfe\"}\n".to_vec();
    // Overlong, a surrogate, cut short: the forms that careless decoders let through.
    body.extend_from_slice(b"{\"message\":\"\xc0\xaf\"}\n{\"message\":\"\xed\xa0\x80\"}\n");
    body.extend_from_slice(b"{\"service\":\"text\",\"message\":\"last\"}\n{\"message\":\"\xe2\x82");
    let answer = attacked.post(JSONLINE, JSON, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["accepted"], 2, "{}", answer.body);
    assert_eq!(attacked.refused_lines("malformed").await, 4);
    attacked.site.finds("service:text", 2).await;

    // In a protobuf string, bytes that are no text make the whole message no message.
    let tags = [&TO_BODY[..], &[STRING_VALUE]].concat();
    let good = attacked.post(LOGS, PROTOBUF, nested(&tags, b"text")).await;
    assert_eq!(good.status, 200);
    let bad = attacked
        .post(LOGS, PROTOBUF, nested(&tags, b"\xff\xfe"))
        .await;
    assert_eq!(bad.status, 400);
    let json = otlp_log("X").into_bytes();
    let json = json
        .into_iter()
        .map(|byte| if byte == b'X' { 0xff } else { byte });
    let bad = attacked.post(LOGS, JSON, json.collect::<Vec<u8>>()).await;
    assert_eq!(bad.status, 400);
    assert_eq!(attacked.answered("otlp-http", 400).await, 2);
    attacked.lives_on(200).await;
}

#[tokio::test]
async fn bodies_that_are_empty() {
    let attacked = Attacked::start().await;
    for body in ["", "\n", "\r\n \n\n", "\u{feff}"] {
        let answer = attacked.post(JSONLINE, JSON, body).await;
        assert_eq!(answer.status, 200, "{body:?}: {}", answer.body);
        assert_eq!(answer.body["accepted"], 0, "{}", answer.body);
    }
    // Nothing is a whole protobuf message, and no JSON value.
    for path in [LOGS, TRACES] {
        assert_eq!(attacked.post(path, PROTOBUF, "").await.status, 200);
        assert_eq!(attacked.post(path, JSON, "").await.status, 400);
        assert_eq!(attacked.post(path, JSON, "{}").await.status, 200);
        let packed = attacked.send(path, PROTOBUF, "gzip", gzip(b"").into());
        assert_eq!(packed.await.status, 200);
        let cut = gzip(otlp_log("never seen").as_bytes());
        let cut = attacked.send(path, JSON, "gzip", cut[..cut.len() / 2].to_vec().into());
        assert_eq!(cut.await.status, 400);
    }
    assert_eq!(attacked.answered("otlp-http", 400).await, 4);
    attacked.lives_on(200).await;
}

#[tokio::test]
async fn bombs_of_gzip() {
    const SENDERS: u64 = 2;
    let attacked = Attacked::start().await;
    // 15 GB in 15 MB: members one after the other are one stream (RFC 1952, 2.2).
    let bomb = Bytes::from(gzip(&vec![0; MIB]).repeat(15_000));
    assert!(bomb.len() < 20 * MIB, "{} bytes", bomb.len());
    let again = || bomb.clone().into();
    let mut senders = Vec::new();
    for _ in 0..SENDERS {
        senders.push(attacked.send(JSONLINE, JSON, "gzip", again()));
        senders.push(attacked.send(LOGS, PROTOBUF, "gzip", again()));
        senders.push(attacked.send(TRACES, JSON, "gzip", again()));
    }
    for answer in futures::future::join_all(senders).await {
        assert_eq!(answer.status, 413, "{}", answer.body);
    }
    assert_eq!(attacked.answered("json-lines", 413).await, SENDERS);
    assert_eq!(attacked.answered("otlp-http", 413).await, 2 * SENDERS);
    attacked.lives_on(600).await;
}

/// No id tells a repetition from an equal record, and a sender that repeats has heard no answer:
/// each is taken, each is answered.
#[tokio::test]
async fn a_batch_that_comes_again() {
    let attacked = Attacked::start().await;
    let lines =
        "{\"service\":\"echo\",\"message\":\"one\"}\n{\"service\":\"echo\",\"message\":\"two\"}\n";
    let span = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "GET /echo",
        "kind": 2,
        "startTimeUnixNano": START.as_nanos().to_string(),
        "endTimeUnixNano": START.as_nanos().to_string(),
    }]}]}]})
    .to_string();
    for _ in 0..50 {
        let answer = attacked.post(JSONLINE, JSON, lines).await;
        assert_eq!((answer.status, &answer.body["accepted"]), (200, &json!(2)));
        let answer = attacked.post(TRACES, JSON, span.clone()).await;
        assert_eq!((answer.status, answer.body), (200, json!({})));
    }
    let page = attacked.site.finds("service:echo", 100).await;
    assert_eq!(page["total"], 100);
    let trace = "trace_id:5b8efff798038103d269b633813fc60c";
    assert_eq!(attacked.site.finds(trace, 50).await["total"], 50);
    attacked.lives_on(200).await;
}

/// Of the first and of the last second that a careless clock shows.
const CARELESS: [(&str, &str); 2] = [
    ("1970-01-01T00:00:00Z", "1"),
    ("2200-01-01T00:00:00Z", "7258118400000000000"),
];

/// A second of calls, the first two of them with times that cannot be.
fn calls(at: Time, rate: u64, latency_ms: u64) -> String {
    let records: Vec<Value> = (0..rate)
        .map(|call| {
            let time = at + Duration::from_millis(call * 1_000 / rate);
            let honest = (time.to_string(), time.as_nanos().to_string());
            let careless = usize::try_from(call).ok().and_then(|it| CARELESS.get(it));
            let (written, carried) = careless.map_or(honest, |(written, carried)| {
                (written.to_string(), carried.to_string())
            });
            let user = if careless.is_some() {
                "careless"
            } else {
                "honest"
            };
            let text = format!(
                "time={written} level=info msg=\"request done\" user={user} method=GET \
                 path=/parcels/{} status=200 duration={}ms",
                call + 100,
                latency_ms + call,
            );
            json!({"timeUnixNano": carried, "body": {"stringValue": text}})
        })
        .collect();
    json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "parcels"}}]},
        "scopeLogs": [{"logRecords": records}],
    }]})
    .to_string()
}

#[tokio::test]
async fn times_of_1970_and_2200() {
    const RATE: u64 = 20;
    let attacked = Attacked::start().await;
    let pass = async |seconds: u64, latency_ms: u64| {
        let start = attacked.site.clock.now();
        for second in 0..seconds {
            let at = start + Duration::from_secs(second);
            let body = calls(at, RATE, latency_ms);
            attacked.site.clock.set(at + Duration::from_secs(1));
            let answer = attacked.post(LOGS, JSON, body).await;
            assert_eq!((answer.status, answer.body), (200, json!({})));
        }
    };
    pass(90, 40).await;
    // The careless are counted as of when they arrived, so none is late and none lost.
    let site = &attacked.site;
    let view = site
        .until("every call", |view| {
            view.apis.iter().map(|api| api.calls_total).sum::<u64>() == 90 * RATE
        })
        .await;
    assert_eq!(view.apis.len(), 1, "{:#?}", view.apis);
    assert_eq!(view.apis[0].state, ApiState::Ok, "{:#?}", view.apis);
    assert_eq!((view.counts.late, view.counts.future), (0, 0));
    assert_eq!(view.counts.anomalies_opened, 0, "{:#?}", view.anomalies);
    let ignored =
        "crosswatch_ingest_repaired_total{protocol=\"otlp-http\",reason=\"time_ignored\"}";
    assert_eq!(attacked.counted(ignored).await, 2 * 90);
    let page = site.finds("careless", 2 * 90).await;
    assert_eq!(page["total"], 2 * 90, "{page:#}");
    for record in page["records"].as_array().unwrap() {
        assert!(
            record["time"]
                .as_str()
                .unwrap()
                .starts_with("2026-03-01T10:"),
            "{record:#}"
        );
    }

    // A span cannot do without its times.
    for (_, nanos) in CARELESS {
        let span = json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
            "traceId": "5b8efff798038103d269b633813fc60c",
            "spanId": "eee19b7ec3c1b174",
            "name": "GET /parcels/{id}",
            "kind": 2,
            "startTimeUnixNano": nanos,
            "endTimeUnixNano": nanos,
        }]}]}]});
        let answer = attacked.post(TRACES, JSON, span.to_string()).await;
        assert_eq!(answer.status, 200);
        let rejected = &answer.body["partialSuccess"]["rejectedSpans"];
        assert_eq!(rejected, "1", "{}", answer.body);
    }
    let rejected =
        "crosswatch_ingest_rejected_total{protocol=\"otlp-http\",reason=\"impossible_time\"}";
    assert_eq!(attacked.counted(rejected).await, 2);

    // Still judged.
    pass(40, 900).await;
    site.until("the slowness", |view| {
        view.anomalies
            .iter()
            .any(|anomaly| anomaly.signal.measure == Measure::Latency)
    })
    .await;
    attacked.lives_on(200).await;
}

#[tokio::test]
async fn a_clock_that_is_set_back() {
    let attacked = Attacked::start().await;
    attacked.post(LOGS, JSON, otlp_log("before")).await;
    attacked.site.finds("service:garbage", 1).await;
    attacked.site.clock.set(START - Duration::from_secs(3_600));
    attacked.post(LOGS, JSON, otlp_log("again")).await;
    attacked.site.finds("service:garbage", 2).await;
    attacked.lives_on(200).await;
}
