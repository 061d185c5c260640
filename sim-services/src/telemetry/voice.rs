//! What one replica speaks through: its log lines and its spans, in its own dialect and by its
//! own, possibly wrong, clock.
//!
//! Services hold a [`Voice`] and say what happened; whoever runs the replica tells it with
//! [`Voice::follow`] which changes are on. What it says goes to the environment's collector.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::collector::Handle;
use super::{Gauge, Identity, Line, LogEvent, Span, dialect};
use crate::change::{Active, Change, Place, Touch};
use crate::clock::{Clock, Moment};
use crate::meter::{ReplicaMeter, count};
use crate::topology::{Dialect, Level, LogSpec, TracingSpec};
use crate::truth::Passages;

/// A handle; clones are the same voice.
#[derive(Clone, Debug)]
pub struct Voice(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    identity: Arc<Identity>,
    spec: LogSpec,
    exports_spans: bool,
    clock: Clock,
    clock_offset: i64,
    meter: Arc<ReplicaMeter>,
    out: Handle,
    /// The manner's level, to be asked without a lock.
    level: AtomicU8,
    manner: RwLock<Arc<Manner>>,
}

/// How it speaks at present.
#[derive(Debug)]
struct Manner {
    dialect: Dialect,
    level: Level,
    clock_offset: i64,
    /// Who wants to know of each line or span that …
    silences: Vec<Arc<Touch>>,
    /// … is written in another dialect than usual …
    dialects: Vec<Arc<Touch>>,
    /// … is there, or is not, because of another level …
    levels: Vec<Arc<Touch>>,
    /// … has a wrong time.
    skews: Vec<Arc<Touch>>,
}

fn mark(touches: &[Arc<Touch>], now: Moment) {
    for touch in touches {
        touch.mark(now);
    }
}

impl Voice {
    /// `clock_offset_ms` is the environment's; clock skew comes on top.
    pub fn new(
        identity: Arc<Identity>,
        spec: &LogSpec,
        tracing: &TracingSpec,
        clock: Clock,
        clock_offset_ms: i64,
        meter: Arc<ReplicaMeter>,
        out: Handle,
    ) -> Voice {
        let clock_offset = nanos(clock_offset_ms);
        Voice(Arc::new(Inner {
            identity,
            spec: spec.clone(),
            exports_spans: tracing.exports_spans,
            clock,
            clock_offset,
            meter,
            out,
            level: AtomicU8::new(spec.level as u8),
            manner: RwLock::new(Arc::new(Manner::usual(spec, clock_offset))),
        }))
    }

    pub fn identity(&self) -> &Arc<Identity> {
        &self.0.identity
    }

    /// These changes are on from now on; those that do not cover the replica are passed over.
    pub fn follow(&self, active: &[Active]) {
        let inner = &*self.0;
        let place = Place {
            service: &inner.identity.service,
            environment: &inner.identity.environment,
            replica: inner.identity.replica,
            version: &inner.identity.version,
        };
        let mut manner = Manner::usual(&inner.spec, inner.clock_offset);
        for change in active.iter().filter(|active| active.target.covers(&place)) {
            manner.apply(change, &inner.spec);
        }
        inner.level.store(manner.level as u8, Ordering::Relaxed);
        *inner.manner.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(manner);
    }

    /// Whether a line of this level would come out; ask before making one at some expense.
    pub fn wants(&self, level: Level) -> bool {
        let wanted = level as u8 >= self.0.level.load(Ordering::Relaxed);
        if !wanted && level >= self.0.spec.level {
            mark(&self.manner().levels, self.0.clock.now());
        }
        wanted
    }

    /// Whether spans come out at all; ask before making one.
    pub fn traces(&self) -> bool {
        self.0.exports_spans
    }

    pub fn log(&self, event: LogEvent) {
        let level = event.level();
        if !self.wants(level) {
            return;
        }
        let inner = &*self.0;
        let manner = self.manner();
        let at = inner.clock.now();
        if self.is_muted(&manner, at) {
            return;
        }
        mark(&manner.dialects, at);
        mark(&manner.skews, at);
        if level < inner.spec.level {
            mark(&manner.levels, at);
        }
        let own = at.shifted(manner.clock_offset);
        let text = dialect::write(manner.dialect, &inner.identity, own, &event);
        count(&inner.meter.lines);
        inner
            .out
            .line(&inner.identity, manner.clock_offset, Line { at, text });
    }

    pub(crate) fn passages(&self) -> Option<&Arc<Passages>> {
        self.0.out.passages()
    }

    /// Does nothing when the service exports no spans.
    pub fn span(&self, span: Span) {
        let inner = &*self.0;
        if !inner.exports_spans {
            return;
        }
        let manner = self.manner();
        let at = inner.clock.now();
        if self.is_muted(&manner, at) {
            return;
        }
        mark(&manner.skews, at);
        count(&inner.meter.spans);
        inner.out.span(&inner.identity, manner.clock_offset, span);
    }

    /// Some are read from outside, so it comes out whether or not the service exports spans.
    pub fn gauge(&self, gauge: Gauge) {
        let inner = &*self.0;
        let manner = self.manner();
        if !self.is_muted(&manner, inner.clock.now()) {
            let offset = manner.clock_offset;
            inner.out.gauge(&inner.identity, offset, gauge);
        }
    }

    fn is_muted(&self, manner: &Manner, at: Moment) -> bool {
        let muted = !manner.silences.is_empty();
        if muted {
            mark(&manner.silences, at);
            count(&self.0.meter.muted);
        }
        muted
    }

    fn manner(&self) -> Arc<Manner> {
        Arc::clone(&self.0.manner.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Manner {
    fn usual(spec: &LogSpec, clock_offset: i64) -> Manner {
        Manner {
            dialect: spec.dialect,
            level: spec.level,
            clock_offset,
            silences: Vec::new(),
            dialects: Vec::new(),
            levels: Vec::new(),
            skews: Vec::new(),
        }
    }

    /// Of two dialects or levels the later holds; skews add up.
    fn apply(&mut self, active: &Active, usual: &LogSpec) {
        let touch = Arc::clone(&active.touch);
        match &active.change {
            Change::Mute => self.silences.push(touch),
            Change::LogDialect(dialect) => {
                self.dialects = if *dialect == usual.dialect {
                    Vec::new()
                } else {
                    vec![touch]
                };
                self.dialect = *dialect;
            }
            Change::LogLevel(level) => {
                self.level = *level;
                self.levels = vec![touch];
            }
            Change::ClockSkew { millis } => {
                self.clock_offset = self.clock_offset.saturating_add(nanos(*millis));
                self.skews.push(touch);
            }
            _ => {}
        }
    }
}

fn nanos(millis: i64) -> i64 {
    millis.saturating_mul(1_000_000)
}
