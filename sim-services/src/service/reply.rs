//! A request from its arrival to its answer, and what is said about it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;

use super::Replica;
use super::body::id_of_body;
use super::consumer::own_span;
use super::errand::Errand;
use super::failure::{Failure, is_fault};
use super::plan::{Job, RoutePlan};
use super::spans::{Begun, rpc_attributes, text, who};
use super::steps::nanos;
use crate::clock::Moment;
use crate::meter::{count, count_by};
use crate::net::{Reply, Request};
use crate::telemetry::{Access, Attribute, LogEvent, Message, Span, SpanKind, level_of};
use crate::topology::Level;
use crate::truth::{Passage, Underway};

pub(super) const CRASHED: Reply = Reply {
    status: 500,
    grpc_status: None,
    body: Bytes::new(),
};

/// A request that was answered.
struct Served<'a> {
    request: &'a Request,
    route: Option<&'a RoutePlan>,
    peer: SocketAddr,
    arrived: Moment,
    end: Moment,
    reply: &'a Reply,
    failure: Option<&'a Failure>,
}

impl Replica {
    pub(super) async fn serve(&self, request: Request, peer: SocketAddr) -> Reply {
        let arrived = self.clock.now();
        let found = self.plan.route(&request.method, &request.path);
        let (route, id) = match found {
            Some((route, id)) => (Some(route), id.map(str::to_owned)),
            None => (None, None),
        };
        let id = id.or_else(|| id_of_body(&request.body, self.plan.grpc));
        let job = route.map(|route| &route.job);
        let view = self.view();
        let mut errand = Errand::new(
            &self.plan,
            job,
            id,
            &request.headers,
            view,
            &self.chance.ids,
        );
        errand.underway = self.underway(&request.headers);
        let outcome = match job {
            Some(job) => self.take_turn(job, &mut errand).await,
            None => Err(Failure::no_route(&request.path)),
        };
        let end = self.clock.now();
        let reply = self.reply(route, outcome.as_ref().err());
        let served = Served {
            request: &request,
            route,
            peer,
            arrived,
            end,
            reply: &reply,
            failure: outcome.as_ref().err(),
        };
        self.settle(&served);
        if let Some(failure) = served.failure {
            self.report(&errand, failure.level, failure, || failure.text.clone());
        } else if let Some(job) = job {
            self.chat(&errand, job, end.since(arrived));
        }
        if let Some(begun) = own_span(&errand, arrived) {
            self.voice.span(self.server_span(&served, &errand, begun));
        }
        self.access(&served, &errand);
        self.passed(&errand, false, arrived, end);
        reply
    }

    pub(super) fn underway(&self, headers: &HeaderMap) -> Option<Underway> {
        Some(self.voice.passages()?.begin(headers))
    }

    /// Writes down the truth about a request or message, for whoever wants to know it.
    pub(super) fn passed(&self, errand: &Errand<'_>, consumed: bool, start: Moment, end: Moment) {
        let (Some(passages), Some(underway)) = (self.voice.passages(), errand.underway) else {
            return;
        };
        passages.end(Passage {
            id: underway.id,
            journey: underway.journey,
            parent: underway.parent,
            service: self.identity.service.clone(),
            environment: self.identity.environment.clone(),
            instance: self.identity.instance.clone(),
            route: errand.name.to_owned(),
            consumed,
            start,
            end,
            span: errand
                .trace
                .filter(|trace| trace.exports)
                .and_then(|trace| trace.span),
            request: errand.ids.request.clone(),
        });
    }

    /// The quota, the line, and then the work.
    async fn take_turn(&self, job: &Job, errand: &mut Errand<'_>) -> Result<(), Failure> {
        let now = self.clock.now();
        if self.plan.enforces_quota
            && let Some(client) = errand.client()
            && !self.stores.within_quota(client, now)
        {
            return Err(Failure::over_quota(client));
        }
        let worker = self.workers.enter(self.plan.backlog).await;
        let queued = self.clock.now().since(now);
        count_by(&self.meter.queued_ns, nanos(queued));
        if !queued.is_zero() || worker.is_none() {
            // What is on may have changed in the meantime.
            errand.view = self.view();
            if let Some(fewer) = &errand.view.workers {
                fewer.touch.mark(now);
            }
        }
        let Some(_worker) = worker else {
            count(&self.meter.overloaded);
            return Err(Failure::overloaded(self.waiting()));
        };
        self.perform(job, errand).await
    }

    fn reply(&self, route: Option<&RoutePlan>, failure: Option<&Failure>) -> Reply {
        let grpc = self.plan.grpc;
        let Some(failure) = failure else {
            return Reply {
                status: 200,
                grpc_status: grpc.then_some(0),
                body: route.map_or_else(Bytes::new, |route| route.body.clone()),
            };
        };
        if grpc {
            return Reply {
                status: 200,
                grpc_status: Some(failure.code),
                body: Bytes::new(),
            };
        }
        Reply {
            status: failure.status,
            grpc_status: None,
            body: format!(r#"{{"status":{}}}"#, failure.status).into(),
        }
    }

    fn settle(&self, served: &Served<'_>) {
        let (meter, reply) = (&self.meter, served.reply);
        count(&meter.requests);
        count_by(&meter.duration_ns, nanos(served.end.since(served.arrived)));
        if is_fault(reply.status, reply.grpc_status) {
            count(&meter.failed);
        }
        match (reply.grpc_status, reply.status) {
            (Some(16 | 7), _) | (None, 401 | 403) => count(&meter.denied),
            (Some(8), _) | (None, 429) => count(&meter.throttled),
            _ => {}
        }
    }

    fn server_span(&self, served: &Served<'_>, errand: &Errand<'_>, begun: Begun) -> Span {
        let (request, reply) = (served.request, served.reply);
        let mut attributes = Vec::with_capacity(12);
        let path = request.path.split('?').next().unwrap_or_default();
        let rpc = served.route.and_then(|route| route.rpc.as_ref());
        if let Some(rpc) = rpc {
            rpc_attributes(&mut attributes, rpc, reply.grpc_status);
        } else {
            attributes.push(("http.request.method", text(request.method.as_str())));
            if let Some(route) = served.route {
                attributes.push(("http.route", text(&*route.shown)));
            }
            attributes.push(("url.path", text(path)));
            let status = Attribute::Int(reply.status.into());
            attributes.push(("http.response.status_code", status));
        }
        attributes.push(("client.address", text(self.seen(served, errand))));
        if let Some(agent) = agent(&request.headers) {
            attributes.push(("user_agent.original", text(agent)));
        }
        who(&mut attributes, errand);
        let fault = is_fault(reply.status, reply.grpc_status);
        let error = served.failure.filter(|_| fault).map(Failure::kind);
        if let Some(kind) = &error {
            attributes.push(("error.type", text(kind.clone())));
        }
        let name = match served.route {
            Some(route) if rpc.is_some() => route.shown.clone(),
            Some(route) => route.job.name.clone(),
            None => request.method.to_string(),
        };
        Span {
            parent: begun.trace.parent,
            ..begun.end(served.end, SpanKind::Server, name, attributes, error)
        }
    }

    fn access(&self, served: &Served<'_>, errand: &Errand<'_>) {
        let (request, reply) = (served.request, served.reply);
        if !self.voice.wants(level_of(reply.status, reply.grpc_status)) {
            return;
        }
        let upstream = errand
            .longest()
            .map(|(callee, waited)| (self.plan.callees[callee].name.clone(), waited));
        self.voice.log(LogEvent::Access(Access {
            ids: errand.ids.clone(),
            method: request.method.to_string(),
            route: match served.route {
                Some(route) => route.shown.clone(),
                None => request.path.clone(),
            },
            path: request.path.clone(),
            status: reply.status,
            grpc_status: reply.grpc_status,
            duration: served.end.since(served.arrived),
            request_bytes: request.body.len(),
            response_bytes: reply.body.len(),
            peer: self.seen(served, errand),
            user_agent: agent(&request.headers).unwrap_or_default().to_owned(),
            client: errand.client().map(str::to_owned),
            tenant: errand.tenant().map(str::to_owned),
            upstream,
        }));
    }

    /// The address of who asked: the edge believes its balancer, others see their neighbour.
    fn seen(&self, served: &Served<'_>, errand: &Errand<'_>) -> String {
        match errand.forwarded_for() {
            Some(address) if self.plan.entry => address.to_owned(),
            _ => served.peer.ip().to_string(),
        }
    }

    /// A failure in the log.
    pub(super) fn report(
        &self,
        errand: &Errand<'_>,
        level: Level,
        failure: &Failure,
        text: impl FnOnce() -> String,
    ) {
        if self.voice.wants(level) {
            self.voice.log(LogEvent::Message(Message {
                ids: errand.ids.clone(),
                level,
                logger: failure.logger,
                text: text(),
                fields: failure.fields.clone(),
                error: failure.thrown.clone(),
            }));
        }
    }

    /// Something about a request that is no failure.
    pub(super) fn note(
        &self,
        errand: &Errand<'_>,
        level: Level,
        logger: &'static str,
        text: impl FnOnce() -> String,
    ) {
        if self.voice.wants(level) {
            self.voice.log(LogEvent::Message(Message {
                ids: errand.ids.clone(),
                level,
                logger,
                text: text(),
                fields: Vec::new(),
                error: None,
            }));
        }
    }

    /// Perhaps a line as programs write them on an ordinary day.
    pub(super) fn chat(&self, errand: &Errand<'_>, job: &Job, took: Duration) {
        let wants = |level| self.voice.wants(level);
        let line = job
            .talk
            .line(&errand.id, took, wants, &mut self.chance.talk());
        if let Some((level, text)) = line {
            self.note(errand, level, job.talk.logger, || text);
        }
    }

    /// A child of the service's own span; none when nothing is exported.
    pub(super) fn begin(&self, errand: &Errand<'_>) -> Option<Begun> {
        let trace = errand.trace.filter(|trace| trace.exports)?;
        Some(Begun {
            trace,
            id: self.chance.ids().bytes(),
            start: self.clock.now(),
        })
    }
}

fn agent(headers: &HeaderMap) -> Option<&str> {
    headers.get(hyper::header::USER_AGENT)?.to_str().ok()
}
