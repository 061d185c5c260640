//! The platform as processes of their own, here as tasks that share nothing but the machine.

use std::net::SocketAddr;
use std::sync::Mutex;

use axum::Router;
use expect_test::expect;
use serde_json::{Value, json};
use sim_services::mesh::pods::{self, Control, ControlConfig, Exit, Health, Out, ReplicaConfig};
use sim_services::mesh::{MeshState, Phase};
use tokio::net::TcpListener;
use tokio::sync::watch;
use url::Url;

use super::*;

/// Every protocol, TLS, a queue with its consumer, two environments with a wire between them.
const SMALL: &str = include_str!("small.yaml");

/// A control that is served at an address of its own.
struct Tower {
    control: Control,
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Tower {
    async fn at(listener: TcpListener, entry: Option<SocketAddr>) -> Tower {
        let control = Control::start(ControlConfig {
            topology: topology(),
            clock: Clock::wall().await,
            seed: 1,
            entry: entry.map(|address| peer("front", address)),
            rate: None,
            constant: true,
            tell: Arc::new(|_| {}),
        });
        let address = listener.local_addr().unwrap();
        let (stop, router) = (CancellationToken::new(), control.router());
        let serving = tokio::spawn(serve(listener, router, stop.clone()));
        Tower {
            control,
            address,
            stop,
            serving,
        }
    }

    async fn stop(self) {
        self.control.stop().await;
        self.stop.cancel();
        self.serving.await.unwrap();
    }

    /// The platform, as soon as it is so.
    async fn when(&self, so: impl Fn(&MeshState) -> bool) -> MeshState {
        let (stage, mut news) = (self.control.stage(), self.control.news());
        loop {
            let state = stage.state();
            if so(&state) {
                return state;
            }
            news.changed().await.unwrap();
        }
    }

    /// An experiment, as soon as it is so.
    async fn follow(&self, number: &Value, so: impl Fn(&Value) -> bool) -> Value {
        let mut news = self.control.news();
        loop {
            let standing = self
                .ask("GET", &format!("experiments/{number}"), "")
                .await
                .1;
            if so(&standing) {
                return standing;
            }
            news.changed().await.unwrap();
        }
    }

    /// Not one client was failed so far.
    fn is_well(&self) {
        let load = self.control.stage().load().summary();
        assert!(
            load.all.requests > 0 && load.all.failed_ratio <= 0.0,
            "{load}"
        );
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let url = format!("http://{}/{path}", self.address);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.request(method.parse().unwrap(), url);
        let answer = request.body(body.to_owned()).send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        let value = serde_json::from_str(&text);
        (status, value.unwrap_or(Value::String(text)))
    }

    async fn begin(&self, kind: &str, target: Value, parameters: Value, duration: &str) -> Value {
        let body = json!({
            "apiVersion": "crosswatch.dev/v1alpha1",
            "kind": "ChaosExperiment",
            "metadata": { "name": "it-is-a-test" },
            "spec": {
                "duration": duration,
                "faults": [{ "kind": kind, "target": target, "parameters": parameters }],
            },
        });
        let (status, answer) = self.ask("POST", "experiments", &body.to_string()).await;
        assert_eq!(status, 201, "{answer}");
        answer["number"].clone()
    }
}

async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    serving.await.unwrap();
}

fn topology() -> Arc<Topology> {
    Arc::new(Topology::parse(SMALL).unwrap())
}

fn peer(service: &str, address: SocketAddr) -> pods::Peer {
    format!("{service}=http://{address}").parse().unwrap()
}

/// What a process writes.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// One replica's process.
struct Pod {
    address: SocketAddr,
    health: watch::Receiver<Health>,
    stop: CancellationToken,
    process: JoinHandle<Exit>,
    written: Written,
}

impl Pod {
    /// Returns when it serves.
    async fn start(service: &str, pod: &str, control: SocketAddr, callees: &[(&str, &Pod)]) -> Pod {
        // Free at this moment; a port that is given back is not given again soon.
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let (health, seen) = watch::channel(Health::default());
        let written = Written::default();
        let (out, spans) = Out::new(written.clone(), None);
        let config = ReplicaConfig {
            topology: topology(),
            service: service.to_owned(),
            pod: pod.to_owned(),
            listen: address,
            peers: (callees.iter())
                .map(|(service, pod)| peer(service, pod.address))
                .collect(),
            control: Some(Url::parse(&format!("http://{control}")).unwrap()),
            clock: Clock::wall().await,
            seed: 1,
            sink: Arc::new(out),
            patience: SECOND,
            forget: SECOND,
            linger: Duration::ZERO,
            health,
        };
        let stop = CancellationToken::new();
        let told = stop.clone();
        let process = tokio::spawn(async move {
            let (exit, ()) = tokio::join!(pods::run(config, told), spans);
            exit.unwrap()
        });
        let mut pod = Pod {
            address,
            health: seen,
            stop,
            process,
            written,
        };
        pod.is(Health::Serving).await;
        pod
    }

    async fn is(&mut self, health: Health) {
        self.health.wait_for(|now| *now == health).await.unwrap();
    }

    async fn stop(self) -> String {
        self.stop.cancel();
        assert_eq!(self.process.await.unwrap(), Exit::Stopped);
        self.written.text()
    }
}

/// The small platform: one process each, two of `books`.
struct Small {
    tower: Tower,
    front: Pod,
    books: [Pod; 2],
    events: Pod,
    mailer: Pod,
}

impl Small {
    async fn start() -> Small {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let control = listener.local_addr().unwrap();
        // The control needs the entry's address and the entry the control's.
        let first = Tower::at(listener, None).await;
        let books = [
            Pod::start("books", "books-a", control, &[]).await,
            Pod::start("books", "books-b", control, &[]).await,
        ];
        let events = Pod::start("events", "events-a", control, &[]).await;
        let callees = [
            ("books", &books[0]),
            ("books", &books[1]),
            ("events", &events),
        ];
        let front = Pod::start("front", "front-a", control, &callees).await;
        let mailer = Pod::start("mailer", "mailer-a", control, &[("events", &events)]).await;
        first.stop().await;
        let listener = TcpListener::bind(control).await.unwrap();
        let tower = Tower::at(listener, Some(front.address)).await;
        tower.when(|state| following(state) == 5).await;
        Small {
            tower,
            front,
            books,
            events,
            mailer,
        }
    }

    /// What `front`, one of `books`, `mailer` and `events` have said.
    async fn stop(self) -> [String; 4] {
        self.tower.stop().await;
        let [first, second] = self.books;
        let (front, books, mailer, events, _) = tokio::join!(
            self.front.stop(),
            first.stop(),
            self.mailer.stop(),
            self.events.stop(),
            second.stop(),
        );
        [front, books, mailer, events]
    }
}

fn following(state: &MeshState) -> usize {
    let services = state.services.values();
    services.map(|service| service.replicas.len()).sum()
}

fn is(phase: &str) -> impl Fn(&Value) -> bool {
    move |standing: &Value| standing["phase"] == phase
}

#[tokio::test]
async fn processes_that_share_nothing_are_one_platform() {
    let small = Small::start().await;
    let state = small
        .tower
        .when(|state| state.queues["sold"].taken > 20)
        .await;
    let replicas = &state.services["books"].replicas;
    let numbers: Vec<_> = replicas
        .iter()
        .map(|replica| (replica.replica, replica.phase, replica.version.as_str()))
        .collect();
    assert_eq!(
        numbers,
        [(0, Phase::Running, "2.0.0"), (1, Phase::Running, "2.0.0")]
    );
    small.tower.is_well();
    let [front, books, mailer, events] = small.stop().await;
    for (said, what) in [
        (&front, "GET /things/"),
        (&books, "grpc.service=things.Books"),
        (&books, "2.0.0 started"),
        (&books, "shutting down"),
        (&mailer, "sold"),
        (&events, "sold"),
    ] {
        assert!(said.contains(what), "nothing of {what:?} in\n{said}");
    }
}

#[tokio::test]
async fn an_experiment_is_followed_to_its_end_and_after() {
    let small = Small::start().await;
    let target = json!({ "service": "books", "replica": 1 });
    let tower = &small.tower;
    tower.when(|state| state.queues["sold"].taken > 20).await;
    let number = tower
        .begin("error-burst", target, json!({ "ratio": 1.0 }), "2s")
        .await;
    let acts = |standing: &Value| standing["affected"].as_u64() > Some(5);
    let running = tower.follow(&number, acts).await;
    assert_eq!(running["phase"], "running");
    let over = tower.follow(&number, is("over")).await;
    assert_eq!(over["acted"]["yes"], true, "{over}");
    assert_eq!(over["truth"]["cause"]["service"], "books", "{over}");
    assert!(over["ended"].as_str() > over["started"].as_str(), "{over}");
    // All others were answered.
    let load = tower.control.stage().load().summary();
    assert!((0.05..0.9).contains(&load.all.failed_ratio), "{load}");
    let (status, again) = tower
        .ask("DELETE", &format!("experiments/{number}"), "")
        .await;
    assert_eq!(status, 404, "{again}");
    small.stop().await;
}

#[tokio::test]
async fn what_would_act_on_nobody_is_refused_with_the_reason() {
    let small = Small::start().await;
    let mut said = String::new();
    let replica = "{service: books, replica: 5}";
    for target in [replica, "{service: mailer}", "{service: maler}"] {
        let body = format!(
            "kind: ChaosExperiment\nmetadata: {{name: x}}\nspec: {{faults: [{{kind: log-flood, target: {target}}}]}}"
        );
        if target == "{service: mailer}" {
            small.mailer.stop.cancel();
            (small.tower)
                .when(|state| state.services["mailer"].replicas.is_empty())
                .await;
        }
        let (status, why) = small.tower.ask("POST", "experiments", &body).await;
        said += &format!("{status} {}\n", why.as_str().unwrap_or_default());
    }
    expect![[r#"
        422 `log-flood` on replica 5 of `books` would do nothing: its pods are numbered from 0 and there are 2

        422 `log-flood` on `mailer` would do nothing: no pod of it follows this control. `kubectl get pods -n back -l app.kubernetes.io/name=mailer` tells whether any runs

        400 x cannot be used:
          spec.faults[0].target.service: there is no service `maler`; there are books, events, front, mailer

    "#]].assert_eq(&said);
    small.stop().await;
}

#[tokio::test]
async fn a_replica_taken_down_refuses_and_comes_back_at_its_address() {
    let mut small = Small::start().await;
    let target = json!({ "service": "books" });
    let number = (small.tower)
        .begin("dependency-down", target, json!({}), "1h")
        .await;
    for books in &mut small.books {
        books.is(Health::Down).await;
        let refused = tokio::net::TcpStream::connect(books.address).await;
        assert!(refused.is_err());
    }
    let touched = |standing: &Value| standing["affected"].as_u64() > Some(60);
    small.tower.follow(&number, touched).await;
    let path = format!("experiments/{number}");
    let (_, truth) = small.tower.ask("DELETE", &path, "").await;
    assert_eq!(truth["acted"]["yes"], true, "{truth}");
    for books in &mut small.books {
        books.is(Health::Serving).await;
        tokio::net::TcpStream::connect(books.address).await.unwrap();
    }
    small.stop().await;
}

#[tokio::test]
async fn a_version_takes_over_without_a_request_lost() {
    let small = Small::start().await;
    let tower = &small.tower;
    tower.when(|state| state.queues["sold"].taken > 20).await;
    let (target, version) = (json!({ "service": "front" }), json!({ "version": "1.1.0" }));
    let number = tower
        .begin("benign-deployment", target, version, "1h")
        .await;
    let runs = |version: &'static str| {
        move |state: &MeshState| state.services["front"].replicas[0].version == version
    };
    tower.when(runs("1.1.0")).await;
    let over = tower
        .ask("DELETE", &format!("experiments/{number}"), "")
        .await
        .1;
    assert_eq!(over["acted"]["yes"], true, "{over}");
    tower.when(runs("1.0.0")).await;
    tower.is_well();
    let [front, ..] = small.stop().await;
    assert!(front.contains("1.1.0 started"), "{front}");
}

#[tokio::test]
async fn a_process_whose_memory_is_full_ends_and_its_end_is_known() {
    let mut small = Small::start().await;
    let tower = &small.tower;
    let target = json!({ "service": "books", "replica": 1 });
    let leak = json!({ "mbPerSecond": 2000.0 });
    let number = tower.begin("memory-leak", target, leak, "1h").await;
    let [first, second] = small.books;
    assert_eq!(second.process.await.unwrap(), Exit::OutOfMemory);
    let (_, over) = tower
        .ask("DELETE", &format!("experiments/{number}"), "")
        .await;
    assert_eq!(over["acted"]["yes"], true, "{over}");
    // Whoever looks after processes starts it again, as the same pod.
    let second = Pod::start("books", "books-b", tower.address, &[]).await;
    let both_run = |state: &MeshState| {
        let replicas = &state.services["books"].replicas;
        replicas.len() == 2
            && replicas
                .iter()
                .all(|replica| replica.phase == Phase::Running)
    };
    tower.when(both_run).await;
    small.books = [first, second];
    small.stop().await;
}

#[tokio::test]
async fn without_its_control_a_platform_is_as_on_any_day() {
    let mut small = Small::start().await;
    let target = json!({ "service": "books" });
    small
        .tower
        .begin("dependency-down", target, json!({}), "1h")
        .await;
    for books in &mut small.books {
        books.is(Health::Down).await;
    }
    let control = small.tower.address;
    small.tower.stop().await;
    for books in &mut small.books {
        // Nobody is left who could end it.
        books.is(Health::Serving).await;
    }
    let alone = Pod::start("events", "events-b", control, &[]).await;
    let said = alone.stop().await;
    assert!(said.contains("no configuration service answers"), "{said}");
    let listener = TcpListener::bind(control).await.unwrap();
    small.tower = Tower::at(listener, Some(small.front.address)).await;
    // They follow again.
    let target = json!({ "service": "books", "replica": 1 });
    small.tower.when(|state| following(state) == 5).await;
    small
        .tower
        .begin("dependency-down", target, json!({}), "1h")
        .await;
    let [one, other] = &mut small.books;
    tokio::select! {
        () = one.is(Health::Down) => {}
        () = other.is(Health::Down) => {}
    }
    small.tower.stop().await;
    one.is(Health::Serving).await;
    other.is(Health::Serving).await;
    let listener = TcpListener::bind(control).await.unwrap();
    small.tower = Tower::at(listener, None).await;
    small.stop().await;
}
