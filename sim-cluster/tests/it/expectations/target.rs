//! To whom the stories are told, and the telling.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::header::{ACCEPT, CONTENT_TYPE, WARNING};
use hyper::{HeaderMap, Request};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use sim_cluster::access::User;
use sim_cluster::http::{ApiServer, HttpConfig};
use sim_cluster::{Cluster, ClusterConfig};
use tokio_util::sync::CancellationToken;

use super::matching::differences;
use super::real::Processes;
use super::story::{Memory, Step, Story, filled, filled_value};

/// As long as no answer may take, and as long as a real cluster may take to settle.
const PATIENCE: Duration = Duration::from_secs(60);

/// Changes that the simulation can go back, so that a story can outrun it.
const WINDOW: usize = 8;

pub(super) enum Target {
    /// Anew for every story.
    Simulation,
    Real {
        client: kube::Client,
        /// None where somebody else runs it.
        processes: Option<Box<Processes>>,
    },
}

#[derive(Default)]
pub(super) struct Outcome {
    pub(super) asked: usize,
    pub(super) mismatches: Vec<Mismatch>,
}

/// An answer that is not as expected.
pub(super) struct Mismatch {
    story: String,
    step: String,
    request: String,
    differences: Vec<String>,
    answer: Answer,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} / {}\n  {}", self.story, self.step, self.request)?;
        for difference in &self.differences {
            writeln!(f, "  {difference}")?;
        }
        writeln!(f, "  the answer: {} {}", self.answer.code, self.answer.body)
    }
}

#[derive(Default)]
struct Answer {
    code: u16,
    warnings: Vec<String>,
    body: Value,
    events: Vec<Value>,
}

impl Target {
    /// As the environment says.
    pub(super) async fn chosen() -> Target {
        if let Some(path) = std::env::var_os("KUBECONFIG_E2E") {
            let client = connect(Kubeconfig::read_from(path).unwrap()).await;
            return Target::Real {
                client,
                processes: None,
            };
        }
        let Some(assets) = std::env::var_os("KUBEBUILDER_ASSETS") else {
            return Target::Simulation;
        };
        let processes = Processes::start(assets.as_ref());
        let client = connect(processes.kubeconfig()).await;
        processes.ready(&client).await;
        Target::Real {
            client,
            processes: Some(Box::new(processes)),
        }
    }

    pub(super) async fn tell(&mut self, story: &Story) -> Outcome {
        if let Target::Real { client, .. } = self {
            return tell(client, story, true).await;
        }
        let start = "2026-11-21T18:00:00Z".parse().unwrap();
        let mut config = ClusterConfig::new(Arc::new(move || start), 7);
        config.window = WINDOW;
        let cluster = Cluster::new(config);
        let token = cluster.issue_token(User::admin());
        let stop = CancellationToken::new();
        let http = HttpConfig {
            tls: false,
            ..HttpConfig::default()
        };
        let server = ApiServer::start(cluster, http, stop.clone()).await.unwrap();
        let client = connect(Kubeconfig::from_yaml(&server.kubeconfig(&token)).unwrap()).await;
        let outcome = tell(&client, story, false).await;
        drop(client);
        stop.cancel();
        server.stopped().await;
        outcome
    }

    pub(super) async fn stop(self) {
        if let Target::Real {
            processes: Some(processes),
            ..
        } = self
        {
            processes.stop().await;
        }
    }
}

async fn connect(config: Kubeconfig) -> kube::Client {
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(config, &options)
        .await
        .unwrap();
    kube::Client::try_from(config).unwrap()
}

async fn tell(client: &kube::Client, story: &Story, is_real: bool) -> Outcome {
    let made = ask(
        client,
        &Step {
            body: Some(json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": { "generateName": "expectation-" },
            })),
            ..plain("POST /api/v1/namespaces")
        },
        &Memory::new(),
    )
    .await;
    let namespace = made.body["metadata"]["name"].as_str();
    let namespace = namespace.unwrap_or_else(|| panic!("no namespace: {}", made.body));
    let mut memory = Memory::from([("namespace".to_owned(), namespace.to_owned())]);
    let mut outcome = Outcome::default();
    for step in &story.steps {
        let (answer, differences) = settled(client, step, &memory, is_real).await;
        outcome.asked += 1;
        for (name, pointer) in &step.remember {
            let found = answer.body.pointer(pointer);
            let text = match found {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            };
            memory.insert(name.clone(), text);
        }
        if !differences.is_empty() {
            outcome.mismatches.push(Mismatch {
                story: story.story.clone(),
                step: step.name.clone(),
                request: filled(&step.request, &memory),
                differences,
                answer,
            });
        }
    }
    for path in &story.cleanup {
        ask(client, &plain(&format!("DELETE {path}")), &memory).await;
    }
    let path = format!("DELETE /api/v1/namespaces/{namespace}");
    ask(client, &plain(&path), &memory).await;
    outcome
}

fn plain(request: &str) -> Step {
    serde_json::from_value(json!({ "name": "", "request": request, "code": 0 })).unwrap()
}

/// The simulation is asked once. A real cluster is asked again where it may take a moment.
async fn settled(
    client: &kube::Client,
    step: &Step,
    memory: &Memory,
    is_real: bool,
) -> (Answer, Vec<String>) {
    let asking = async {
        let mut every = tokio::time::interval(Duration::from_millis(200));
        loop {
            every.tick().await;
            let answer = ask(client, step, memory).await;
            let differences = check(step, &answer, memory);
            if differences.is_empty() || !step.settles || !is_real {
                return (answer, differences);
            }
        }
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(settled) => settled,
        Err(_) => (
            Answer::default(),
            vec!["nothing that fits within a minute".to_owned()],
        ),
    }
}

async fn ask(client: &kube::Client, step: &Step, memory: &Memory) -> Answer {
    let request = filled(&step.request, memory);
    let (method, path) = request.split_once(' ').expect("a method and a path");
    let body = match (&step.body, &step.raw) {
        (Some(body), _) => filled_value(body, memory).to_string().into_bytes(),
        (None, Some(raw)) => filled(raw, memory).into_bytes(),
        (None, None) => Vec::new(),
    };
    let content_type = step.content_type.as_deref().unwrap_or("application/json");
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, content_type)
        .header(ACCEPT, step.accept.as_deref().unwrap_or("application/json"))
        .body(Body::from(body))
        .unwrap();
    let response = client.send(request).await.unwrap();
    let mut answer = Answer {
        code: response.status().as_u16(),
        warnings: warnings(response.headers()),
        ..Answer::default()
    };
    let body = response.into_body();
    match &step.events {
        Some(events) if answer.code == 200 => answer.events = first(body, events.len()).await,
        _ => {
            let bytes = body.collect().await.unwrap().to_bytes();
            let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
            answer.body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        }
    }
    answer
}

/// The first events of a watch; fewer when it ends before.
async fn first(mut body: Body, count: usize) -> Vec<Value> {
    let mut events = Vec::new();
    let mut buffer: Vec<u8> = Vec::new();
    while events.len() < count {
        let Some(frame) = body.frame().await else {
            break;
        };
        if let Ok(data) = frame.unwrap().into_data() {
            buffer.extend(data);
        }
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n')
            && events.len() < count
        {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            events.push(serde_json::from_slice(&line).unwrap());
        }
    }
    events
}

/// The texts of RFC 7234's warnings: `299 - "text"`.
fn warnings(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(WARNING)
        .iter()
        .map(|value| {
            let text = value.to_str().unwrap();
            let text = text
                .strip_prefix("299 - \"")
                .and_then(|text| text.strip_suffix('"'))
                .unwrap_or_else(|| panic!("no warning: {text}"));
            text.replace("\\\"", "\"")
        })
        .collect()
}

fn check(step: &Step, answer: &Answer, memory: &Memory) -> Vec<String> {
    let mut found = Vec::new();
    if answer.code != step.code {
        found.push(format!("expected code {}, got {}", step.code, answer.code));
    }
    if let Some(expected) = &step.answer {
        found.extend(differences(&filled_value(expected, memory), &answer.body));
    }
    for pointer in &step.absent {
        if let Some(there) = answer.body.pointer(pointer) {
            found.push(format!("{pointer}: expected nothing, got {there}"));
        }
    }
    if let Some(events) = &step.events {
        let expected: Value = events.iter().map(|it| filled_value(it, memory)).collect();
        let got = Value::Array(answer.events.clone());
        found.extend(differences(&expected, &got));
    }
    if answer.warnings != step.warnings {
        let (expected, got) = (&step.warnings, &answer.warnings);
        found.push(format!("expected warnings {expected:?}, got {got:?}"));
    }
    found
}
