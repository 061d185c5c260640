//! The steps of a request: work, calls at once, caches, statements, messages.

use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, join_all};
use hyper::Method;

use super::Replica;
use super::body::{body_about, content_type};
use super::errand::Errand;
use super::failure::Failure;
use super::memory::collecting;
use super::plan::{Act, Job, QueryPlan};
use super::spans::{messaging, text};
use super::stores::RowLock;
use super::template::Template;
use super::view::On;
use crate::meter::{count, count_by};
use crate::net::Request;
use crate::random::Dist;
use crate::telemetry::{Attribute, SpanKind};

/// How long a broker may take to accept a message.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(2);
/// A stop of the world per unit of [`collecting`].
const PAUSE: Duration = Duration::from_millis(20);

impl Replica {
    /// All that a request or message does once it is its turn.
    pub(super) async fn perform(&self, job: &Job, errand: &Errand<'_>) -> Result<(), Failure> {
        for fail in &errand.view.fails {
            if fail.covers(errand.subject()) && self.chance.faults().chance(fail.what.ratio) {
                fail.touch.mark(self.clock.now());
                let (status, error) = (fail.what.status, &fail.what.error);
                return Err(Failure::wanted(self.plan.family, status, error));
            }
        }
        for delay in &errand.view.delays {
            if delay.covers(errand.subject()) {
                delay.touch.mark(self.clock.now());
                let length = delay.what.sample(&mut self.chance.faults());
                self.rest(length).await;
            }
        }
        self.stop_the_world(errand).await;
        if self.chance.work().chance(job.error_ratio) {
            return Err(Failure::bug(self.plan.family));
        }
        for act in &job.acts {
            self.act(errand, act).await?;
        }
        Ok(())
    }

    async fn act(&self, errand: &Errand<'_>, act: &Act) -> Result<(), Failure> {
        match act {
            Act::Work(takes) => {
                self.work(errand, takes).await;
                Ok(())
            }
            Act::Call(call) => self.call(errand, call).await,
            Act::Parallel(acts) => {
                let all = join_all(acts.iter().map(|act| self.nested(errand, act))).await;
                all.into_iter().collect()
            }
            Act::Cached { cache, key, miss } => self.cached(errand, *cache, key, miss).await,
            Act::Query(query) => self.query(errand, query).await,
            Act::Publish {
                queue,
                broker,
                path,
            } => self.publish(errand, queue, *broker, path).await,
        }
    }

    /// Steps within steps need a box, as their depth is not known.
    fn nested<'a>(
        &'a self,
        errand: &'a Errand<'_>,
        act: &'a Act,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.act(errand, act))
    }

    async fn work(&self, errand: &Errand<'_>, takes: &Dist) {
        let mut length = takes.sample(&mut self.chance.work());
        for slower in &errand.view.work {
            if slower.covers(errand.subject()) {
                slower.touch.mark(self.clock.now());
                length = times(length, slower.what);
            }
        }
        self.rest(times(length, 1.0 + self.collecting(errand)))
            .await;
    }

    /// How much memory slows work down.
    fn collecting(&self, errand: &Errand<'_>) -> f64 {
        if errand.view.leaks.is_empty() {
            return 0.0;
        }
        let now = self.clock.now();
        let factor = collecting(self.memory.share(now));
        if factor > 0.0 {
            for leak in &errand.view.leaks {
                leak.touch.mark(now);
            }
        }
        factor
    }

    async fn stop_the_world(&self, errand: &Errand<'_>) {
        let collecting = self.collecting(errand);
        if collecting > 0.0 {
            let mean = PAUSE.mul_f64(collecting);
            let pause = Dist::Exponential { mean }.sample(&mut self.chance.faults());
            self.rest(pause).await;
        }
    }

    async fn cached(
        &self,
        errand: &Errand<'_>,
        cache: usize,
        key: &Template,
        miss: &[Act],
    ) -> Result<(), Failure> {
        let key = key.fill(&errand.id);
        let off = &errand.view.caches_off[cache];
        let mut works = true;
        for off in off.iter().filter(|off| off.covers(errand.subject())) {
            off.touch.mark(self.clock.now());
            works = false;
        }
        let look = |now| {
            let mut cache = self.caches[cache]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            cache.look(&key, now)
        };
        if works && look(self.clock.now()) {
            count(&self.meter.cache_hits);
            return Ok(());
        }
        count(&self.meter.cache_misses);
        for act in miss {
            self.nested(errand, act).await?;
        }
        if works {
            let mut cache = self.caches[cache]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            cache.keep(&key, self.clock.now());
        }
        Ok(())
    }

    pub(super) async fn query(
        &self,
        errand: &Errand<'_>,
        query: &QueryPlan,
    ) -> Result<(), Failure> {
        let (store, spec) = &self.plan.stores[query.store];
        let fewer = errand.view.connections[query.store].as_ref();
        let asked = self.clock.now();
        let pool = &self.pools[query.store];
        let connection = tokio::time::timeout(spec.patience, pool.enter(u32::MAX)).await;
        let start = self.clock.now();
        let waited = start.since(asked);
        count_by(&self.meter.connection_wait_ns, nanos(waited));
        if let Some(fewer) = fewer
            && !waited.is_zero()
        {
            fewer.touch.mark(asked);
        }
        let Ok(Some(_connection)) = connection else {
            count(&self.meter.connection_timeouts);
            return Err(Failure::pool(self.plan.family, store, spec.patience));
        };
        let span = self.begin(errand);
        let _lock = match &query.locks {
            Some(key) => Some(self.lock(errand, query.store, key).await),
            None => None,
        };
        let mut takes = query.takes.sample(&mut self.chance.work());
        for slower in &errand.view.slow_stores[query.store] {
            if slower.covers(errand.subject()) {
                slower.touch.mark(self.clock.now());
                takes = times(takes, slower.what);
            }
        }
        self.rest(takes).await;
        let end = self.clock.now();
        count(&self.meter.statements);
        count_by(&self.meter.statement_ns, nanos(end.since(start)));
        if let Some(span) = span {
            let attributes = vec![
                ("db.system.name", text(&*spec.system)),
                ("db.namespace", text(&**store)),
                ("db.query.text", text(&*query.statement)),
            ];
            let name = query.statement.split(' ').next().unwrap_or(store);
            self.voice
                .span(span.end(end, SpanKind::Client, name.to_owned(), attributes, None));
        }
        Ok(())
    }

    /// A row of its own, and the whole store free of intruders.
    async fn lock(&self, errand: &Errand<'_>, store: usize, key: &Template) -> RowLock<'_> {
        let asked = self.clock.now();
        let held = self.stores.lock(store, key.fill(&errand.id)).await;
        let intruders = errand.view.intruders[store]
            .iter()
            .filter(|on| on.covers(errand.subject()));
        for intruder in intruders {
            self.outwait(store, intruder).await;
            if self.clock.now() > asked {
                intruder.touch.mark(asked);
            }
        }
        held
    }

    async fn outwait(&self, store: usize, intruder: &On<Dist>) {
        let (change, holds) = (intruder.id, &intruder.what);
        while let Some(until) = self.stores.intruded(store, change, holds, self.clock.now()) {
            tokio::time::sleep_until(self.clock.instant(until)).await;
        }
    }

    async fn publish(
        &self,
        errand: &Errand<'_>,
        queue: &str,
        broker: usize,
        path: &str,
    ) -> Result<(), Failure> {
        let broker = self.plan.callees[broker].name.as_str();
        let span = self.begin(errand);
        let body: Bytes = body_about(&errand.id, false, &Method::POST);
        let mut headers = errand.headers(&self.plan.user_agent, span.map(|span| span.id));
        content_type(&mut headers, false, &body);
        let request = Request {
            method: Method::POST,
            path: path.to_owned(),
            headers,
            body,
        };
        let family = self.plan.family;
        let outcome = match self.caller.call(broker, request, PUBLISH_TIMEOUT).await {
            Ok(reply) if reply.status < 300 => Ok(()),
            Ok(reply) => Err(Failure::answer(family, false, broker, &reply)),
            Err(error) => Err(Failure::call(family, broker, &error)),
        };
        if outcome.is_ok() {
            count(&self.meter.published);
        }
        if let Some(span) = span {
            let mut attributes = messaging(queue, "publish");
            attributes.push(("server.address", text(broker)));
            let error = outcome.as_ref().err().map(Failure::kind);
            if let Some(kind) = &error {
                attributes.push(("error.type", Attribute::Text(kind.clone())));
            }
            let name = format!("publish {queue}");
            let end = self.clock.now();
            self.voice
                .span(span.end(end, SpanKind::Producer, name, attributes, error));
        }
        outcome.map_err(|failure| Failure {
            logger: "Publisher",
            text: format!("message to queue {queue} could not be published"),
            ..failure
        })
    }

    /// Timers tick in whole milliseconds and round up; a length between two ticks is rounded by
    /// chance, which keeps means, and so the load of workers, as they are written.
    pub(super) async fn rest(&self, length: Duration) {
        const TICK: u128 = 1_000_000;
        let lag = self.clock.lag();
        if !lag.is_zero() {
            return self.rest_less(length, lag).await;
        }
        let (ticks, rest) = (length.as_nanos() / TICK, length.as_nanos() % TICK);
        #[expect(
            clippy::cast_precision_loss,
            reason = "less than a million is exact in a float"
        )]
        let up = rest > 0 && self.chance.work().chance(rest as f64 / TICK as f64);
        let ticks = u64::try_from(ticks).unwrap_or(u64::MAX) + u64::from(up);
        if ticks > 0 {
            tokio::time::sleep(Duration::from_millis(ticks)).await;
        }
    }

    /// With timers that come late by `lag` on average, whatever they are asked for: what is
    /// shorter than that is left out by chance.
    async fn rest_less(&self, length: Duration, lag: Duration) {
        if let Some(asked) = length.checked_sub(lag) {
            tokio::time::sleep(asked).await;
        } else if self
            .chance
            .work()
            .chance(length.as_secs_f64() / lag.as_secs_f64())
        {
            tokio::time::sleep(Duration::from_nanos(1)).await;
        }
    }
}

/// A fault's factor may be anything, but nothing takes more than an hour.
fn times(length: Duration, factor: f64) -> Duration {
    const LONGEST: Duration = Duration::from_secs(3_600);
    Duration::try_from_secs_f64(length.as_secs_f64() * factor.max(0.0))
        .map_or(LONGEST, |length| length.min(LONGEST))
}

pub(super) fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}
