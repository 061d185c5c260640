//! One replica of a broker: answers, counts and logs as the services do, in free text.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper::HeaderMap;
use hyper::header::USER_AGENT;
use tokio::time::{Instant, sleep};

use super::wire::{Asked, asked, write_taken};
use super::{PUBLISH, Queues, TAKE};
use crate::change::{Active, Change, Target, Touch};
use crate::clock::Clock;
use crate::meter::{ReplicaMeter, count, count_by};
use crate::net::{Handler, Reply, Request};
use crate::random::{Dice, Dist};
use crate::telemetry::voice::Voice;
use crate::telemetry::{Access, Ids, LogEvent, Message};
use crate::topology::Level;

/// How long an empty queue is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// Headers that are kept with a message.
const KEPT: [&str; 5] = [
    "traceparent",
    "x-request-id",
    "x-client-id",
    "x-tenant",
    "x-sim-passage",
];

pub struct BrokerParts {
    pub queues: Arc<Queues>,
    pub voice: Voice,
    pub clock: Clock,
    pub meter: Arc<ReplicaMeter>,
    /// Of its own, for faults that are a matter of chance.
    pub dice: Dice,
    /// Answers what concerns no queue.
    pub other: Arc<dyn Handler>,
}

impl fmt::Debug for BrokerParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerParts")
            .field("queues", &self.queues)
            .finish_non_exhaustive()
    }
}

/// Nothing of a request is done after its caller has gone, so that no message is taken by nobody.
pub struct Broker {
    queues: Arc<Queues>,
    voice: Voice,
    clock: Clock,
    meter: Arc<ReplicaMeter>,
    dice: Mutex<Dice>,
    troubles: RwLock<Arc<[Trouble]>>,
    other: Arc<dyn Handler>,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("queues", &self.queues)
            .finish_non_exhaustive()
    }
}

/// A change that a request can meet.
#[derive(Debug)]
struct Trouble {
    target: Target,
    touch: Arc<Touch>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Delay(Dist),
    Fail {
        ratio: f64,
        status: u16,
        error: String,
    },
}

/// What came of a request.
struct Outcome {
    status: u16,
    body: Bytes,
    /// What the caller chose to wait for messages; not the broker's doing.
    idle: Duration,
    /// It was asked for messages and there were none.
    quiet: bool,
    error: Option<String>,
}

impl Outcome {
    fn of(status: u16, body: impl Into<Bytes>) -> Outcome {
        Outcome {
            status,
            body: body.into(),
            idle: Duration::ZERO,
            quiet: false,
            error: None,
        }
    }
}

impl Broker {
    pub fn new(parts: BrokerParts) -> Arc<Broker> {
        let BrokerParts {
            queues,
            voice,
            clock,
            meter,
            dice,
            other,
        } = parts;
        Arc::new(Broker {
            queues,
            voice,
            clock,
            meter,
            dice: Mutex::new(dice),
            troubles: RwLock::new(Arc::new([])),
            other,
        })
    }

    /// These changes are on from now on; all of them mean this replica.
    pub fn follow(&self, changes: &[Active]) {
        let troubles = changes.iter().filter_map(|active| {
            let kind = match &active.change {
                Change::Delay(dist) => Kind::Delay(*dist),
                Change::Fail {
                    ratio,
                    status,
                    error,
                } => Kind::Fail {
                    ratio: *ratio,
                    status: *status,
                    error: error.clone(),
                },
                _ => return None,
            };
            Some(Trouble {
                target: active.target.clone(),
                touch: Arc::clone(&active.touch),
                kind,
            })
        });
        let troubles = troubles.collect();
        *self
            .troubles
            .write()
            .unwrap_or_else(PoisonError::into_inner) = troubles;
    }

    async fn answer(&self, request: Request, peer: SocketAddr) -> Reply {
        let began = Instant::now();
        let Some(asked) = asked(&request.path) else {
            return Arc::clone(&self.other).handle(request, peer).await;
        };
        let route = match asked {
            Asked::Publish { .. } => PUBLISH,
            Asked::Take { .. } => TAKE,
        };
        let outcome = match self.meets_trouble(route, &request.headers).await {
            Some(failed) => failed,
            None if request.method != hyper::Method::POST => Outcome::of(405, "POST only\n"),
            None => self.serve(asked, &request).await,
        };
        let worked = began.elapsed().saturating_sub(outcome.idle);
        self.account(route, &request, peer, &outcome, worked);
        Reply {
            status: outcome.status,
            grpc_status: None,
            body: outcome.body,
        }
    }

    async fn serve(&self, asked: Asked<'_>, request: &Request) -> Outcome {
        let (Asked::Publish { queue: name } | Asked::Take { queue: name, .. }) = asked;
        let Some(queue) = self.queues.get(name) else {
            return Outcome::of(404, format!("no queue {name}\n"));
        };
        match asked {
            Asked::Publish { .. } => {
                match queue.publish(kept(&request.headers), request.body.clone()) {
                    Ok(id) => Outcome::of(201, format!("{{\"id\":{id}}}")),
                    Err(_) => Outcome {
                        error: Some(format!(
                            "queue {name} is full with {} messages",
                            queue.depth().waiting
                        )),
                        ..Outcome::of(503, format!("queue {name} is full\n"))
                    },
                }
            }
            Asked::Take { max, .. } => {
                let began = Instant::now();
                let messages = queue.take(max, PATIENCE).await;
                Outcome {
                    idle: began.elapsed(),
                    quiet: messages.is_empty(),
                    ..Outcome::of(200, write_taken(messages))
                }
            }
        }
    }

    /// The first failure that hits, after all delays that do.
    async fn meets_trouble(&self, route: &str, headers: &HeaderMap) -> Option<Outcome> {
        let troubles = Arc::clone(&self.troubles.read().unwrap_or_else(PoisonError::into_inner));
        let (client, tenant) = (text(headers, "x-client-id"), text(headers, "x-tenant"));
        for trouble in troubles.iter() {
            if !trouble.target.covers_request(route, client, tenant) {
                continue;
            }
            match &trouble.kind {
                Kind::Delay(dist) => {
                    trouble.touch.mark(self.clock.now());
                    let delay =
                        dist.sample(&mut self.dice.lock().unwrap_or_else(PoisonError::into_inner));
                    sleep(delay).await;
                }
                Kind::Fail {
                    ratio,
                    status,
                    error,
                } => {
                    let hit = self
                        .dice
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .chance(*ratio);
                    if hit {
                        trouble.touch.mark(self.clock.now());
                        return Some(Outcome {
                            error: Some(error.clone()),
                            ..Outcome::of(*status, format!("{error}\n"))
                        });
                    }
                }
            }
        }
        None
    }

    fn account(
        &self,
        route: &str,
        request: &Request,
        peer: SocketAddr,
        outcome: &Outcome,
        worked: Duration,
    ) {
        count(&self.meter.requests);
        count_by(
            &self.meter.duration_ns,
            u64::try_from(worked.as_nanos()).unwrap_or(u64::MAX),
        );
        match outcome.status {
            401 | 403 => count(&self.meter.denied),
            429 => count(&self.meter.throttled),
            500.. => count(&self.meter.failed),
            _ => {}
        }
        if let Some(error) = &outcome.error {
            self.voice.log(LogEvent::Message(Message {
                ids: Ids::default(),
                level: Level::Error,
                logger: "queue",
                text: error.clone(),
                fields: Vec::new(),
                error: None,
            }));
        }
        // Who asks again and again for nothing is not worth a line each time.
        let level = if outcome.quiet {
            Level::Debug
        } else {
            Level::Info
        };
        if !self.voice.wants(level) {
            return;
        }
        let (method, template) = route.split_once(' ').unwrap_or(("POST", "-"));
        self.voice.log(LogEvent::Access(Access {
            ids: Ids::default(),
            method: method.to_owned(),
            route: template.to_owned(),
            path: request.path.clone(),
            status: outcome.status,
            grpc_status: None,
            duration: worked,
            request_bytes: request.body.len(),
            response_bytes: outcome.body.len(),
            peer: peer.ip().to_string(),
            user_agent: text(&request.headers, USER_AGENT.as_str())
                .unwrap_or("-")
                .to_owned(),
            client: text(&request.headers, "x-client-id").map(str::to_owned),
            tenant: text(&request.headers, "x-tenant").map(str::to_owned),
            upstream: None,
        }));
    }
}

impl Handler for Broker {
    fn handle(self: Arc<Self>, request: Request, peer: SocketAddr) -> BoxFuture<'static, Reply> {
        async move { self.answer(request, peer).await }.boxed()
    }
}

fn kept(headers: &HeaderMap) -> BTreeMap<String, String> {
    KEPT.into_iter()
        .filter_map(|name| Some((name.to_owned(), text(headers, name)?.to_owned())))
        .collect()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
