//! What a replica does without being asked: it follows the conditions, leaks, floods, ends.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::gauges;
use super::memory::COMPLAINTS;
use super::view::View;
use super::{Ended, Replica};
use crate::clock::Moment;
use crate::meter::count;
use crate::telemetry::{Ids, LogEvent, Message};
use crate::topology::Level;

/// How long requests in progress may take after a stop; orchestrators give 30 s, but a demo that
/// is interrupted should end.
const GRACE: Duration = Duration::from_secs(5);
/// Lines of a flood come in bursts this far apart.
const BURST: Duration = Duration::from_millis(10);

/// A hundred thousand a second, whatever a fault wants.
const MOST_A_BURST: u64 = 1_000;

/// What comes next by itself.
enum Next {
    Complaint(f64),
    Killed,
}

impl Replica {
    /// Until it is stopped or killed. A replica serves without this too, but then does not notice
    /// conditions while nobody asks it anything, and its memory has no limit.
    ///
    /// Counts a start, and a kill in `out_of_memory_kills`. After a stop, requests in progress
    /// have a few seconds to finish.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) -> Ended {
        count(&self.meter.starts);
        self.say(Level::Info, "Application", || {
            let identity = &self.identity;
            format!("{} {} started", identity.service, identity.version)
        });
        let mut conditions = self.conditions.clone();
        let mut published = true;
        let mut complained = 0.0;
        let mut flooded = Flood::none(self.clock.now());
        let mut reading = self.first_reading(self.clock.now());
        loop {
            conditions.mark_unchanged();
            let view = self.view();
            let next = self.next(complained);
            let wake = next.as_ref().map(|(at, _)| *at);
            let burst = flooded.next(&view, self.clock.now());
            tokio::select! { biased;
                () = stop.cancelled() => {
                    self.finish().await;
                    return Ended::Stopped;
                }
                changed = conditions.changed(), if published => published = changed.is_ok(),
                () = self.until(wake) => match next {
                    Some((_, Next::Complaint(share))) => {
                        complained = share;
                        self.complain();
                    }
                    Some((_, Next::Killed)) => {
                        self.kill(&view);
                        return Ended::OutOfMemory;
                    }
                    None => {}
                },
                () = self.until(burst) => self.flood(&view, &mut flooded),
                () = self.until(Some(reading)) => {
                    self.tell_gauges();
                    reading = self.clock.now() + gauges::EVERY;
                }
            }
            if view.leaks.is_empty() {
                complained = 0.0;
            }
        }
    }

    async fn until(&self, moment: Option<Moment>) {
        match moment {
            Some(moment) => tokio::time::sleep_until(self.clock.instant(moment)).await,
            None => std::future::pending().await,
        }
    }

    fn next(&self, complained: f64) -> Option<(Moment, Next)> {
        let killed = self.memory.reaches(1.0)?;
        let complaint = COMPLAINTS
            .into_iter()
            .find(|share| *share > complained)
            .and_then(|share| Some((self.memory.reaches(share)?, Next::Complaint(share))));
        match complaint {
            Some((at, complaint)) if at < killed => Some((at, complaint)),
            _ => Some((killed, Next::Killed)),
        }
    }

    fn complain(&self) {
        self.say(Level::Warn, "MemoryMonitor", || {
            let limit = self.memory.limit_mb();
            let used = self.memory.share(self.clock.now()) * limit;
            format!("memory is getting scarce: {used:.0} of {limit:.0} MB in use after collection")
        });
    }

    /// As by the kernel: nothing is said and nobody is answered.
    fn kill(&self, view: &View) {
        count(&self.meter.out_of_memory_kills);
        for leak in &view.leaks {
            leak.touch.mark(self.clock.now());
        }
        self.killed.cancel();
        self.tasks.close();
    }

    async fn finish(&self) {
        self.say(Level::Info, "Application", || "shutting down".to_owned());
        self.tasks.close();
        if tokio::time::timeout(GRACE, self.tasks.wait())
            .await
            .is_err()
        {
            self.killed.cancel();
            self.tasks.wait().await;
        }
    }

    fn flood(&self, view: &View, flooded: &mut Flood) {
        let now = self.clock.now();
        for number in flooded.due(now) {
            self.say(Level::Info, "TraceInterceptor", || {
                format!("entering handler, pass {number}, buffers {}", number % 64)
            });
            for flood in &view.floods {
                flood.touch.mark(now);
            }
        }
    }

    /// Not about any request.
    pub(super) fn say(&self, level: Level, logger: &'static str, text: impl FnOnce() -> String) {
        if self.voice.wants(level) {
            self.voice.log(LogEvent::Message(Message {
                ids: Ids::default(),
                level,
                logger,
                text: text(),
                fields: Vec::new(),
                error: None,
            }));
        }
    }
}

/// A flood's lines, counted so that their rate is right however timers tick.
struct Flood {
    per_second: f64,
    since: Moment,
    said: u64,
    burst: Moment,
}

impl Flood {
    fn none(now: Moment) -> Flood {
        Flood {
            per_second: 0.0,
            since: now,
            said: 0,
            burst: now,
        }
    }

    /// When the next burst is.
    fn next(&mut self, view: &View, now: Moment) -> Option<Moment> {
        let per_second: f64 = view.floods.iter().map(|flood| flood.what.max(0.0)).sum();
        if (per_second - self.per_second).abs() > f64::EPSILON {
            *self = Flood {
                per_second,
                burst: now + BURST,
                ..Flood::none(now)
            };
        }
        (per_second > 0.0).then_some(self.burst)
    }

    /// The numbers of the lines that are due.
    fn due(&mut self, now: Moment) -> std::ops::Range<u64> {
        let due = self.per_second * now.since(self.since).as_secs_f64();
        // A second for each line.
        let due = Duration::try_from_secs_f64(due).map_or(self.said, |due| due.as_secs());
        let most = self.said.saturating_add(MOST_A_BURST);
        let lines = self.said..due.clamp(self.said, most);
        self.said = lines.end;
        self.burst = now + BURST;
        lines
    }
}
