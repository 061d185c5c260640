//! A monitor whose time the test decides, and traffic for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use monitor::config::{MonitorArgs, Values};
use monitor::run::{Running, start};
use monitor_core::{Batch, Item, LogItem, Origin, Payload, Resource, Source, Time, View};
use monitor_serve::{Clock, Intake};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;

/// Stands still until it is set.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn at(time: Time) -> Arc<TestClock> {
        Arc::new(TestClock(AtomicI64::new(time.as_nanos())))
    }

    pub(crate) fn set(&self, time: Time) {
        self.0.store(time.as_nanos(), Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Time {
        Time::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// The real time, for peers that have clocks of their own.
#[expect(
    clippy::disallowed_methods,
    reason = "peers are real processes with real clocks"
)]
pub(crate) fn real_now() -> Time {
    jiff::Timestamp::now().into()
}

pub(crate) struct Site {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) running: Running,
    _folder: TempDir,
}

impl Site {
    pub(crate) async fn start(now: Time, values: Values) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let loopback = Some("127.0.0.1:0".parse().unwrap());
        let values = Values {
            http_listen: loopback,
            otlp_grpc_listen: loopback,
            otlp_http_listen: loopback,
            data_dir: values
                .data_dir
                .clone()
                .or_else(|| Some(folder.path().join("data"))),
            alert_stdout: Some(false),
            min_free_bytes: values.min_free_bytes.or(Some(0)),
            ..values
        };
        let clock = TestClock::at(now);
        let settings = MonitorArgs {
            config: None,
            values,
        }
        .settings()
        .unwrap();
        let shared: Arc<dyn Clock> = clock.clone();
        let running = start(settings, shared).await.unwrap();
        Site {
            clock,
            running,
            _folder: folder,
        }
    }

    pub(crate) fn intake(&self) -> Arc<dyn Intake> {
        self.running.intake()
    }

    /// `seconds` of an Api's calls, `rate` a second, each of `latency` give or take a tenth.
    pub(crate) async fn calls(
        &self,
        from: Time,
        seconds: u64,
        rate: u64,
        latency: Duration,
    ) -> Time {
        let intake = self.intake();
        for second in 0..seconds {
            let at = from + Duration::from_secs(second);
            self.clock.set(at + Duration::from_secs(1));
            intake.submit(batch(at, rate, latency)).await.unwrap();
        }
        from + Duration::from_secs(seconds)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(format!("http://{}{path}", self.running.http))
            .await
            .unwrap()
    }

    /// Lets time pass until what is published shows something.
    pub(crate) async fn until(&self, what: &str, shown: impl Fn(&View) -> bool) -> Arc<View> {
        let mut view = self.running.view.clone();
        for _ in 0..PATIENCE {
            let now = Arc::clone(&view.borrow_and_update());
            if shown(&now) {
                return now;
            }
            self.second_passes(&mut view).await;
        }
        panic!("{what} is not shown: {:#?}", view.borrow());
    }

    /// Lets time pass until a search finds at least `count` records.
    pub(crate) async fn finds(&self, query: &str, count: u64) -> Value {
        let mut view = self.running.view.clone();
        let url = format!("http://{}/api/v1/search", self.running.http);
        let url = reqwest::Url::parse_with_params(&url, [("query", query)]).unwrap();
        for _ in 0..PATIENCE {
            let response = reqwest::get(url.clone()).await.unwrap();
            assert_eq!(response.status(), 200, "searching `{query}`");
            let page: Value = response.json().await.unwrap();
            if page["total"].as_u64().unwrap() >= count {
                return page;
            }
            self.second_passes(&mut view).await;
        }
        panic!("`{query}` finds less than {count} records");
    }

    /// The worker sees that time has passed when it is through with what it has, or wakes by
    /// itself; then it commits and publishes.
    async fn second_passes(&self, view: &mut watch::Receiver<Arc<View>>) {
        self.clock.set(self.clock.now() + Duration::from_secs(1));
        view.changed().await.unwrap();
    }
}

/// Times that the worker may publish before what a test waits for. It publishes after each batch
/// when time passes this quickly, so this is above the batches that can wait for it.
const PATIENCE: usize = 200;

/// One second of a service's request log.
pub(crate) fn batch(at: Time, rate: u64, latency: Duration) -> Batch {
    let items = (0..rate)
        .map(|call| {
            let time = at + Duration::from_millis(call * 1_000 / rate);
            let varied = latency.mul_f64(0.9 + 0.2 * (call as f64 / rate as f64));
            let text = format!(
                "time={time} level=info msg=\"request done\" method=GET path=/orders/{} status=200 duration={:.3}ms",
                call + 100,
                varied.as_secs_f64() * 1e3,
            );
            Item { source: 0, payload: Payload::Log(LogItem { text, ..LogItem::default() }) }
        })
        .collect();
    Batch {
        origin: Origin::JsonLines,
        received: at + Duration::from_secs(1),
        sources: vec![Source {
            resource: Arc::new(Resource::of_service("orders")),
            stream: "stdout".into(),
        }],
        items,
    }
}
