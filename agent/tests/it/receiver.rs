//! A receiver of OTLP logs that answers as a test wishes.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Takes,
    /// 503: as good as being away.
    Away,
    /// 400.
    Refuses,
    /// Takes all but one record of each request.
    RefusesOne,
}

/// One record as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) text: String,
    pub(crate) nanos: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) resource: Arc<BTreeMap<String, String>>,
}

#[derive(Debug)]
struct Shared {
    mood: Mutex<Mood>,
    records: Mutex<Vec<Record>>,
    authorizations: Mutex<Vec<String>>,
    /// Records taken, and requests turned away.
    progress: watch::Sender<(usize, usize)>,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start(mood: Mood) -> Receiver {
        let shared = Arc::new(Shared {
            mood: Mutex::new(mood),
            records: Mutex::default(),
            authorizations: Mutex::default(),
            progress: watch::channel((0, 0)).0,
        });
        let router = Router::new()
            .route("/v1/logs", post(logs))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Receiver {
            address,
            shared,
            serving,
        }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.shared.mood.lock().expect("no panic") = mood;
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.shared.records.lock().expect("no panic").clone()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.records().into_iter().map(|it| it.text).collect()
    }

    pub(crate) fn authorizations(&self) -> Vec<String> {
        self.shared.authorizations.lock().expect("no panic").clone()
    }

    pub(crate) async fn taken(&self, records: usize) {
        self.until(|(taken, _)| taken >= records).await;
    }

    pub(crate) async fn turned_away(&self, requests: usize) {
        self.until(|(_, turned_away)| turned_away >= requests).await;
    }

    async fn until(&self, enough: impl Fn((usize, usize)) -> bool) {
        let mut progress = self.shared.progress.subscribe();
        let waited = progress.wait_for(|progress| enough(*progress));
        let waited = tokio::time::timeout(Duration::from_secs(30), waited).await;
        assert!(waited.is_ok(), "only {:?}", self.texts());
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn logs(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let mood = *shared.mood.lock().expect("no panic");
    if let Some(value) = headers.get("authorization") {
        let value = value.to_str().expect("text").to_owned();
        shared.authorizations.lock().expect("no panic").push(value);
    }
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert_eq!(headers["content-encoding"], "gzip");
    if matches!(mood, Mood::Away | Mood::Refuses) {
        shared.progress.send_modify(|progress| progress.1 += 1);
        return match mood {
            Mood::Away => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            _ => (StatusCode::BAD_REQUEST, "not like this").into_response(),
        };
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&body[..])
        .read_to_end(&mut plain)
        .expect("gzip");
    let request = ExportLogsServiceRequest::decode(&plain[..]).expect("protobuf");
    let found = records(request);
    let taken = found.len();
    shared.records.lock().expect("no panic").extend(found);
    shared.progress.send_modify(|progress| progress.0 += taken);
    let answer = ExportLogsServiceResponse {
        partial_success: (mood == Mood::RefusesOne).then(|| ExportLogsPartialSuccess {
            rejected_log_records: 1,
            error_message: "one too many".to_owned(),
        }),
    };
    answer.encode_to_vec().into_response()
}

pub(crate) fn records(request: ExportLogsServiceRequest) -> Vec<Record> {
    let mut found = Vec::new();
    for resource in request.resource_logs {
        let attributes = resource.resource.unwrap_or_default().attributes;
        let of_resource = Arc::new(map(attributes));
        for record in resource
            .scope_logs
            .into_iter()
            .flat_map(|it| it.log_records)
        {
            let Some(Value::StringValue(text)) = record.body.and_then(|it| it.value) else {
                panic!("a body is text");
            };
            found.push(Record {
                text,
                nanos: record.time_unix_nano,
                attributes: map(record.attributes),
                resource: Arc::clone(&of_resource),
            });
        }
    }
    found
}

fn map(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Value| match value {
        Value::StringValue(text) => text,
        other => panic!("attributes are text, not {other:?}"),
    };
    attributes
        .into_iter()
        .map(|it| {
            let value = it.value.and_then(|it| it.value).expect("a value");
            (it.key, text(value))
        })
        .collect()
}
