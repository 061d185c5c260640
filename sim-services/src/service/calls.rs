//! Calls to other services: time limits, attempts with back-off, a breaker per callee.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use super::Replica;
use super::body::{body_about, content_type};
use super::breaker::Breaker;
use super::errand::Errand;
use super::failure::{Failure, is_fault};
use super::plan::CallPlan;
use super::spans::{call_attributes, text};
use crate::meter::count;
use crate::net::{CallError, Reply, Request};
use crate::telemetry::SpanKind;
use crate::topology::Level;

/// However often it doubled.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// One attempt that did not bring what was asked for.
struct Missed {
    failure: Failure,
    /// The callee's fault, so that trying again may help.
    again: bool,
}

impl Replica {
    pub(super) async fn call(&self, errand: &Errand<'_>, call: &CallPlan) -> Result<(), Failure> {
        count(&self.meter.calls);
        let family = self.plan.family;
        let callee = self.plan.callees[call.callee].name.as_str();
        let concerns = |which: Option<usize>| which.is_none_or(|which| which == call.callee);
        let retries = errand
            .view
            .retries
            .iter()
            .rfind(|on| concerns(on.what.callee) && on.covers(errand.subject()));
        let (attempts, backoff) = match retries {
            Some(on) => (on.what.attempts.max(1), Some(on.what.backoff)),
            None => (call.attempts, call.backoff),
        };
        let mut made = 0;
        let failure = loop {
            if self
                .breaker(call)
                .is_some_and(|mut breaker| !breaker.admits(self.clock.now()))
            {
                break Failure::breaker_open(family, callee);
            }
            let outcome = self.attempt(errand, call, made).await;
            made += 1;
            let blamed = outcome.as_ref().is_err_and(|missed| missed.again);
            let opened = self
                .breaker(call)
                .is_some_and(|mut breaker| breaker.record(blamed, self.clock.now()));
            if opened {
                count(&self.meter.breaker_opened);
                self.note(errand, Level::Warn, "CircuitBreaker", || {
                    format!("circuit breaker for {callee} opened")
                });
            }
            let Err(missed) = outcome else { return Ok(()) };
            if let Some(retries) = retries
                && missed.again
            {
                retries.touch.mark(self.clock.now());
            }
            if !missed.again || made >= attempts {
                break missed.failure;
            }
            let next = made + 1;
            self.report(errand, Level::Warn, &missed.failure, || {
                format!("call to {callee} failed, attempt {next} of {attempts} follows")
            });
            self.back_off(backoff, made).await;
        };
        count(&self.meter.call_failures);
        if call.optional {
            self.report(errand, Level::Warn, &failure, || {
                format!("going on without {callee}")
            });
            return Ok(());
        }
        Err(failure)
    }

    fn breaker(&self, call: &CallPlan) -> Option<MutexGuard<'_, Breaker>> {
        let breaker = self.breakers[call.callee].as_ref()?;
        call.breaker
            .then(|| breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Exponential with full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture
    /// Blog, 2015): anything up to the base, doubled for every attempt after the first.
    async fn back_off(&self, base: Option<Duration>, made: u32) {
        let Some(base) = base else { return };
        let most = base
            .saturating_mul(1 << (made - 1).min(20))
            .min(LONGEST_BACKOFF);
        let share = self.chance.retries().unit();
        self.rest(most.mul_f64(share)).await;
    }

    async fn attempt(
        &self,
        errand: &Errand<'_>,
        call: &CallPlan,
        resend: u32,
    ) -> Result<(), Missed> {
        count(&self.meter.attempts);
        let family = self.plan.family;
        let callee = self.plan.callees[call.callee].name.as_str();
        let concerns = |which: Option<usize>| which.is_none_or(|which| which == call.callee);
        let hurried = errand
            .view
            .timeouts
            .iter()
            .rfind(|on| concerns(on.what.callee) && on.covers(errand.subject()));
        let timeout = hurried.map_or(call.timeout, |on| on.what.timeout);
        let span = self.begin(errand);
        let start = self.clock.now();
        let request = self.request(errand, call, span.map(|span| span.id));
        // Only spans want it again.
        let path = span.map(|_| request.path.clone());
        let outcome = self.caller.call(callee, request, timeout).await;
        let end = self.clock.now();
        let took = end.since(start);
        errand.waited_for(call.callee, took);
        if let Some(hurried) = hurried
            && (matches!(outcome, Err(CallError::Timeout(_))) || took > call.timeout)
        {
            hurried.touch.mark(end);
        }
        let status = outcome
            .as_ref()
            .ok()
            .map(|reply| (reply.status, reply.grpc_status));
        let result = match outcome {
            Ok(reply) if is_good(&reply) => Ok(()),
            Ok(reply) => Err(Missed {
                again: is_fault(reply.status, reply.grpc_status),
                failure: Failure::answer(family, self.plan.entry, callee, &reply),
            }),
            Err(error) => Err(Missed {
                again: true,
                failure: Failure::call(family, callee, &error),
            }),
        };
        if let Some(span) = span {
            let path = path.as_deref().unwrap_or_default();
            let mut attributes = call_attributes(call, callee, path, status, resend);
            let error = result.as_ref().err().map(|missed| match status {
                Some((_, Some(code))) => code.to_string(),
                Some((status, None)) => status.to_string(),
                None => missed.failure.kind(),
            });
            if let Some(kind) = &error {
                attributes.push(("error.type", text(kind.clone())));
            }
            let name = match &call.rpc {
                Some(_) => call.shown.clone(),
                None => format!("{} {}", call.method, call.shown),
            };
            self.voice
                .span(span.end(end, SpanKind::Client, name, attributes, error));
        }
        result
    }

    fn request(&self, errand: &Errand<'_>, call: &CallPlan, span: Option<[u8; 8]>) -> Request {
        let grpc = call.rpc.is_some();
        let body = body_about(&errand.id, grpc, &call.method);
        let mut headers = errand.headers(&self.plan.user_agent, span);
        content_type(&mut headers, grpc, &body);
        Request {
            method: call.method.clone(),
            path: call.path.fill(&errand.id),
            headers,
            body,
        }
    }
}

fn is_good(reply: &Reply) -> bool {
    match reply.grpc_status {
        Some(code) => code == 0,
        None => reply.status < 400,
    }
}
