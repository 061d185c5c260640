//! The API server's worst days, and the operator's own end at any point.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crds::{AlertPolicy, MaintenanceWindow, MonitoredApi};
use k8s_openapi::api::events::v1::Event;
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use serde_json::json;
use sim_cluster::faults::{Effect, Rule};
use tower::{BoxError, Layer, Service};

use crate::monitor::view;
use crate::onboarding::holds;
use crate::world::{World, eventually};

/// Lets so many writes through, and none after them: as if the operator died there.
#[derive(Clone)]
struct Dying {
    left: Arc<AtomicI64>,
    /// The last one reaches the API server, but its answer is not heard any more.
    after: bool,
}

#[derive(Clone)]
struct Mortal<S> {
    inner: S,
    dying: Dying,
}

impl<S> Layer<S> for Dying {
    type Service = Mortal<S>;

    fn layer(&self, inner: S) -> Mortal<S> {
        Mortal {
            inner,
            dying: self.clone(),
        }
    }
}

impl<S> Service<axum::http::Request<Body>> for Mortal<S>
where
    S: Service<axum::http::Request<Body>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: axum::http::Request<Body>) -> Self::Future {
        let is_write = request.method() != axum::http::Method::GET;
        let is_lease = request.uri().path().contains("/leases");
        let counts = is_write && !is_lease;
        let left = match counts {
            true => self.dying.left.fetch_sub(1, Ordering::SeqCst),
            false => self.dying.left.load(Ordering::SeqCst),
        };
        let after = self.dying.after;
        let dead = || BoxError::from("the operator is dead");
        if (counts && left <= 0 && !(after && left == 0)) || (!counts && left < 0) {
            return Box::pin(std::future::ready(Err(dead())));
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await.map_err(Into::into)?;
            if counts && left == 0 {
                Err(dead())
            } else {
                Ok(answer)
            }
        })
    }
}

fn mortal(config: Config, left: i64, after: bool) -> (Client, Arc<AtomicI64>) {
    let left = Arc::new(AtomicI64::new(left));
    let dying = Dying {
        left: Arc::clone(&left),
        after,
    };
    let client = ClientBuilder::try_from(config)
        .unwrap()
        .with_layer(&dying)
        .build();
    (client, left)
}

/// Everything that there is in a small cluster.
async fn populate(world: &World) {
    world.deployment("cart", 1).await;
    world.pod("alone", json!({}), None, json!({})).await;
    world.monitor.see(view(&world.namespace, "cart"));
    let _: AlertPolicy = world
        .create(
            json!({ "metadata": { "name": "hook" }, "spec": { "receivers": [
            { "name": "hook", "url": "http://hook.example" },
        ] } }),
        )
        .await;
    let times = json!({ "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z" });
    let _: MaintenanceWindow = world
        .create(json!({ "metadata": { "name": "now" }, "spec": { "schedule": times } }))
        .await;
}

async fn converged(world: &World) {
    let _: MonitoredApi = world
        .until("cart", |api| {
            holds(api, "Ready") && holds(api, "LogsFlowing")
        })
        .await;
    let _: MonitoredApi = world.until("alone", |api| holds(api, "Ready")).await;
    let _: AlertPolicy = world
        .until("hook", |it: &AlertPolicy| {
            it.status
                .as_ref()
                .is_some_and(|it| it.conditions.iter().any(|it| it.status == "True"))
        })
        .await;
    let _: MaintenanceWindow = world
        .until("now", |it: &MaintenanceWindow| {
            it.status
                .as_ref()
                .is_some_and(|it| it.active && it.conditions[0].status == "True")
        })
        .await;
    world
        .monitor
        .told(|it| it.routing.len() == 1 && it.maintenance.len() == 1)
        .await;
    let all = eventually(world.api::<MonitoredApi>(), |all: &[MonitoredApi]| {
        all.len() == 2
    })
    .await;
    assert_eq!(all.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_that_dies_at_any_write_is_replaced_by_one_that_finishes() {
    for after in [false, true] {
        let mut last = 0;
        for survives in 0..64 {
            let world = World::new().await;
            populate(&world).await;
            let config = world.operators_config("mortal").await;
            let (client, left) = mortal(config, survives, after);
            let dies = world.operator_of("mortal", client).await;
            let done = async {
                converged(&world).await;
            };
            // It dies, or it needed fewer writes than it had.
            let died = tokio::select! {
                () = dead(&left) => true,
                () = done => false,
            };
            dies.abort();
            if !died {
                last = survives;
                break;
            }
            // Its container is started anew: the lease is its own still.
            let operator = world.operator_with("mortal", |_| ()).await;
            converged(&world).await;
            let twice = |all: &[Event]| {
                let told = all
                    .iter()
                    .filter(|it| it.reason.as_deref() == Some("ApiDiscovered"));
                told.count()
            };
            let events = eventually(world.api::<Event>(), |_| true).await;
            assert!(twice(&events) <= 1, "{events:#?}");
            operator.stop().await;
        }
        assert!((6..64).contains(&last), "it took {last} writes");
    }
}

async fn dead(left: &AtomicI64) {
    let mut every = tokio::time::interval(std::time::Duration::from_millis(5));
    while left.load(Ordering::SeqCst) >= 0 {
        every.tick().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_of_the_api_server_passes() {
    let world = World::new().await;
    let Some(cluster) = world.simulated_only("trouble on request") else {
        return;
    };
    let operator = world.operator().await;
    world.deployment("first", 1).await;
    let _: MonitoredApi = world.until("first", |api| holds(api, "Ready")).await;

    let mine = |effect, share| {
        let mut rule = Rule::new(effect).for_user("operator-1");
        rule.share = share;
        rule
    };
    let writes = |effect, share| {
        let mut rule = mine(effect, share);
        rule.verbs = vec!["create".into(), "patch".into(), "delete".into()];
        rule
    };
    let troubles = [
        vec![writes(Effect::InternalError, 0.7)],
        vec![writes(
            Effect::TooManyRequests {
                retry_after_seconds: 1,
            },
            0.5,
        )],
        vec![
            mine(Effect::DropWatches, 1.0),
            mine(Effect::StaleReads, 1.0),
        ],
        vec![
            mine(Effect::ExpireWatches, 1.0),
            mine(Effect::Slow { milliseconds: 50 }, 1.0),
        ],
    ];
    for (number, rules) in troubles.into_iter().enumerate() {
        let name = format!("w{number}");
        let passing = rules.iter().any(|it| it.effect == Effect::StaleReads);
        let before = world.requests("operator-1").unwrap();
        cluster.put_faults(rules);
        world.deployment(&name, 1).await;
        if passing {
            // What is stale stays so until the trouble is over.
            cluster.put_faults(Vec::new());
        }
        let _: MonitoredApi = world.until(&name, |api| holds(api, "Ready")).await;
        let asked = world.requests("operator-1").unwrap() - before;
        assert!(asked < 150, "{asked} requests in trouble {number}");
        cluster.put_faults(Vec::new());
    }
    let all = eventually(world.api::<MonitoredApi>(), |all: &[MonitoredApi]| {
        all.len() == 5
    })
    .await;
    assert_eq!(all.len(), 5);
    operator.stop().await;
}
