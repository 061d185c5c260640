//! What a replica does with a message from a queue.

use std::sync::Arc;

use bytes::Bytes;
use hyper::HeaderMap;

use super::Replica;
use super::body::id_of_body;
use super::errand::Errand;
use super::failure::Failure;
use super::spans::{Begun, messaging, text, who};
use crate::meter::count;
use crate::telemetry::{Span, SpanKind};
use crate::topology::Level;

/// As a broker hands it over.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    /// Those of the request that published it: `traceparent`, `x-request-id`, `x-client-id`,
    /// `x-tenant`.
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Replica {
    /// Performs the steps that the topology has for `queue`.
    ///
    /// # Errors
    ///
    /// In a sentence, when a step failed or the service takes nothing from `queue`; it was logged.
    pub async fn consume(self: &Arc<Self>, queue: &str, message: Message) -> Result<(), String> {
        let Some(job) = self.plan.consumers.get(queue) else {
            let service = &self.identity.service;
            return Err(format!("{service} takes nothing from {queue}"));
        };
        let start = self.clock.now();
        let id = id_of_body(&message.body, false);
        let view = self.view();
        let mut errand = Errand::new(
            &self.plan,
            Some(job),
            id,
            &message.headers,
            view,
            &self.chance.ids,
        );
        errand.underway = self.underway(&message.headers);
        let outcome = self.perform(job, &errand).await;
        let end = self.clock.now();
        count(&self.meter.consumed);
        match &outcome {
            Ok(()) => {
                let took = end.since(start).as_millis();
                self.note(&errand, Level::Info, job.talk.logger, || {
                    let (message, id) = (&message.id, &errand.id);
                    format!("handled message {message} of {queue} about {id} in {took} ms")
                });
                self.chat(&errand, job, end.since(start));
            }
            Err(failure) => self.report(&errand, Level::Error, failure, || {
                format!("message {} of {queue} failed: {}", message.id, failure.text)
            }),
        }
        if let Some(begun) = own_span(&errand, start) {
            let mut attributes = messaging(queue, "process");
            attributes.push(("messaging.message.id", text(message.id)));
            who(&mut attributes, &errand);
            let error = outcome.as_ref().err().map(Failure::kind);
            if let Some(kind) = &error {
                attributes.push(("error.type", text(kind.clone())));
            }
            let name = format!("process {queue}");
            self.voice.span(Span {
                parent: begun.trace.parent,
                ..begun.end(end, SpanKind::Consumer, name, attributes, error)
            });
        }
        self.passed(&errand, true, start, end);
        outcome.map_err(|failure| failure.text)
    }
}

/// The span of the service itself; none when it exports none.
pub(super) fn own_span(errand: &Errand<'_>, start: crate::clock::Moment) -> Option<Begun> {
    let trace = errand.trace.filter(|trace| trace.exports)?;
    Some(Begun {
        trace,
        id: trace.span?,
        start,
    })
}
