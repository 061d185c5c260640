//! Tells people: Alertmanager, webhooks, standard output.
//!
//! When something is to be told, and told again, is the engine's decision; here it is sent. Each
//! destination has its own task and queue, so that a slow one keeps no other waiting.

mod alertmanager;
mod routing;
mod stdout;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use monitor_core::{Alert, Name, Receiver, ReceiverKind, Settings};
use monitor_serve::Clock;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use url::Url;

use crate::metrics::Metrics;

/// Alerts that may wait for one destination; each stands for a cause, so more is a flood.
const QUEUE: usize = 256;
/// Alerts sent in one request.
const AT_ONCE: usize = 64;
/// A destination that does not answer by then has failed.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Tries in a row; after that the regular re-sending of firing alerts takes over.
const TRIES: u32 = 3;

/// Where alerts go.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    /// Base addresses of Alertmanagers: every replica, not a load balancer before them.
    pub alertmanagers: Vec<Url>,
    pub webhooks: Vec<Url>,
    pub stdout: bool,
    /// Where a person can look: the monitor's own address.
    pub external_url: String,
}

/// Where to post, and with what in hand.
#[derive(Debug)]
struct Address {
    url: Url,
    /// A bearer token.
    token: Option<Name>,
    /// For people: an address that may hold a secret is called by its receiver's name.
    shown: String,
}

impl Address {
    fn open(url: Url) -> Address {
        Address {
            shown: url.to_string(),
            url,
            token: None,
        }
    }
}

#[derive(Debug)]
enum Destination {
    Alertmanager(Address),
    Webhook(Address),
    Stdout(stdout::Announcer),
}

impl Destination {
    /// `None` when its address is none, which was refused before.
    fn of(receiver: &Receiver) -> Option<Destination> {
        let address = Address {
            url: Url::parse(&receiver.url).ok()?,
            token: receiver.token.clone(),
            shown: format!("receiver `{}`", receiver.name),
        };
        Some(match receiver.kind {
            ReceiverKind::Alertmanager => Destination::Alertmanager(address),
            ReceiverKind::Webhook => Destination::Webhook(address),
        })
    }

    fn channel(&self) -> &'static str {
        match self {
            Destination::Alertmanager(_) => "alertmanager",
            Destination::Webhook(_) => "webhook",
            Destination::Stdout(_) => "stdout",
        }
    }
}

/// Sends alerts until the sender is gone and all queues are empty. Firing ones come again every
/// `resend_every`.
pub(crate) async fn run(
    destinations: Destinations,
    mut settings: watch::Receiver<Arc<Settings>>,
    mut alerts: mpsc::Receiver<Alert>,
    resend_every: Duration,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
) {
    let client = match reqwest::Client::builder().timeout(TIMEOUT).build() {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "no alerts can be sent"
            );
            return;
        }
    };
    // As Prometheus does: three may be lost before a receiver believes that all is well.
    let keep = resend_every * 4;
    let external_url: Name = destinations.external_url.as_str().into();
    let mut all: Vec<Destination> = Vec::new();
    all.extend(
        destinations
            .alertmanagers
            .into_iter()
            .map(|url| Destination::Alertmanager(Address::open(url))),
    );
    all.extend(
        destinations
            .webhooks
            .into_iter()
            .map(|url| Destination::Webhook(Address::open(url))),
    );
    if destinations.stdout {
        all.push(Destination::Stdout(stdout::Announcer::default()));
    }
    let mut tasks = JoinSet::new();
    let begin = |destination: Destination, tasks: &mut JoinSet<()>| {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let task = Sender {
            destination,
            client: client.clone(),
            clock: Arc::clone(&clock),
            metrics: metrics.clone(),
            external_url: Arc::clone(&external_url),
            keep,
        };
        tasks.spawn(task.run(receiver));
        sender
    };
    let own: Vec<_> = all
        .into_iter()
        .map(|destination| begin(destination, &mut tasks))
        .collect();
    // Receivers of others' routes, each from its first alert until no route names it any more.
    let mut routed: BTreeMap<Receiver, mpsc::Sender<Arc<Alert>>> = BTreeMap::new();
    let push = |queue: &mpsc::Sender<Arc<Alert>>, alert: Arc<Alert>| {
        if queue.try_send(alert).is_err() {
            metrics
                .alerts_dropped
                .with_label_values(&["destination_behind"])
                .inc();
        }
    };
    while let Some(alert) = alerts.recv().await {
        let wanted = Arc::clone(&settings.borrow_and_update());
        routed.retain(|receiver, _| {
            let mut named = wanted.routes.iter().flat_map(|route| &route.receivers);
            named.any(|known| known == receiver)
        });
        while tasks.try_join_next().is_some() {}
        let told = routing::route(Arc::new(alert), &wanted.routes);
        for queue in &own {
            push(queue, Arc::clone(&told.own));
        }
        for (receiver, alert) in told.routed {
            if !routed.contains_key(receiver) {
                let Some(destination) = Destination::of(receiver) else {
                    continue;
                };
                routed.insert(receiver.clone(), begin(destination, &mut tasks));
            }
            if let Some(queue) = routed.get(receiver) {
                push(queue, alert);
            }
        }
    }
    drop((own, routed));
    while tasks.join_next().await.is_some() {}
}

struct Sender {
    destination: Destination,
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    external_url: Name,
    keep: Duration,
}

impl Sender {
    async fn run(mut self, mut queue: mpsc::Receiver<Arc<Alert>>) {
        let mut waiting = Vec::with_capacity(AT_ONCE);
        while queue.recv_many(&mut waiting, AT_ONCE).await > 0 {
            let outcome = match self.send(&waiting).await {
                Ok(()) => "sent",
                Err(error) => {
                    tracing::error!(
                        channel = self.destination.channel(),
                        error = format!("{error:#}"),
                        alerts = waiting.len(),
                        "alerts could not be sent; those that go on firing are sent again"
                    );
                    "failed"
                }
            };
            self.metrics
                .notifications
                .with_label_values(&[self.destination.channel(), outcome])
                .inc_by(waiting.len() as u64);
            waiting.clear();
        }
    }

    async fn send(&mut self, alerts: &[Arc<Alert>]) -> anyhow::Result<()> {
        let now = self.clock.now();
        match &mut self.destination {
            Destination::Stdout(announcer) => announcer.print(alerts),
            Destination::Alertmanager(address) => {
                let url = alertmanager::endpoint(&address.url)
                    .with_context(|| format!("{} cannot be posted to", address.shown))?;
                let body = alertmanager::body(alerts, now, self.keep, &self.external_url);
                post(&self.client, &url, address, &body).await
            }
            Destination::Webhook(address) => {
                let body = webhook::body(alerts, &self.external_url);
                post(&self.client, &address.url, address, &body).await
            }
        }
    }
}

/// Posts JSON, trying again while that can help.
async fn post(
    client: &reqwest::Client,
    url: &Url,
    address: &Address,
    body: &serde_json::Value,
) -> anyhow::Result<()> {
    let mut pause = Duration::from_millis(250);
    for attempt in 1.. {
        let mut request = client.post(url.clone()).json(body);
        if let Some(token) = &address.token {
            request = request.bearer_auth(token);
        }
        let outcome = request.send().await;
        match outcome {
            Ok(response) if response.status().is_success() => return Ok(()),
            Ok(response) => {
                let status = response.status();
                let worth_trying = status.is_server_error() || status.as_u16() == 429;
                if !worth_trying || attempt >= TRIES {
                    let text = response.text().await.unwrap_or_default();
                    let text: String = text.chars().take(200).collect();
                    anyhow::bail!("{} answered {status}: {text}", address.shown);
                }
            }
            Err(error) if attempt >= TRIES => {
                let error = anyhow::Error::new(error.without_url());
                return Err(error.context(format!("cannot reach {}", address.shown)));
            }
            Err(_) => {}
        }
        tokio::time::sleep(pause).await;
        pause *= 4;
    }
    Ok(())
}
