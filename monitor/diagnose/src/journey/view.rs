//! What readers see of journeys.

use std::collections::BTreeMap;
use std::time::Duration;

use monitor_core::{
    ApiKey, JourneyHop, JourneyTypeId, JourneyTypeView, JourneysView, LateJourney, Name, Node,
    Sketch, SkewView, Time, Workload,
};

use super::flights::Flight;
use super::kinds::{FEW, Kind, Minute, WINDOW, seconds};
use super::names::{NONE, Names};
use super::part::Part;
use super::{Journeys, trace_of};

/// Journeys in flight that are looked at, for those that are late.
const LOOKED_AT: usize = 2_000;
/// Late journeys shown.
const SHOWN: usize = 100;
/// Of a journey of a type that is not known yet: from here on it is late.
const LONG: Duration = Duration::from_secs(5);

impl Journeys {
    /// O(types), and O(journeys in flight) for those that are late.
    pub fn view(&self) -> JourneysView {
        let mut types: Vec<JourneyTypeView> = self
            .types()
            .iter()
            .filter_map(|kind| self.kind(kind))
            .collect();
        types.sort_by(|a, b| (b.journeys, &a.name, a.id).cmp(&(a.journeys, &b.name, b.id)));
        JourneysView {
            types,
            late: self.late(),
            skews: self.skews(),
            graph: self.graph.view(&self.names),
            counts: self.counts(),
        }
    }

    fn skews(&self) -> Vec<SkewView> {
        self.skews
            .offsets()
            .iter()
            .filter_map(|(environment, offset)| {
                Some(SkewView {
                    environment: (self.names.environments().get(*environment as usize)?).clone(),
                    offset: signed(offset.ahead),
                    uncertainty: signed(offset.doubt),
                    pairs: offset.pairs,
                })
            })
            .collect()
    }

    fn kind(&self, kind: &Kind) -> Option<JourneyTypeView> {
        let entry = self.names.find(kind.entry)?.api.clone()?;
        let all = total(&kind.minutes);
        let journeys = all.journeys;
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let share = |n: u64, of: u64| if of == 0 { 0.0 } else { n as f64 / of as f64 };
        let window = match (kind.minutes.front(), kind.minutes.back()) {
            (Some(first), Some(last)) => (last.minute - first.minute + 1).min(WINDOW as i64),
            _ => 1,
        };
        let window = Duration::from_secs(60 * window.unsigned_abs());
        let name = self.name_of(kind, &entry);
        Some(JourneyTypeView {
            id: kind.id,
            name,
            window,
            journeys,
            rate: share(journeys, window.as_secs()),
            success: 1.0 - share(all.failed, journeys),
            p50: all.lengths.quantile(0.5),
            p95: all.lengths.quantile(0.95),
            p99: all.lengths.quantile(0.99),
            incomplete: all.incomplete,
            stuck: all.stuck,
            retried: all.retried,
            duplicated: all.duplicated,
            inferred: all.inferred,
            confidence: if journeys == 0 {
                1.0
            } else {
                all.confidence / share(journeys, 1)
            },
            hops: self.hops(kind, &all),
            environments: self.by_environment(&all),
            wire: self.wire(&all),
            needs: kind.needs.view(&self.names),
            experience: kind.fares.experience(self.second, i64::MIN),
            failure_chance: None,
            total: kind.total,
            first_seen: Time::from_nanos(kind.first),
            last_seen: Time::from_nanos(kind.last),
            entry,
        })
    }

    pub(super) fn name_of(&self, kind: &Kind, entry: &ApiKey) -> Name {
        match (self.wishes.name(kind.id), kind.ordinal) {
            (Some(name), _) => name.clone(),
            (None, 0) => Name::from(entry.operation()),
            (None, n) => Name::from(format!("{} ({})", entry.operation(), n + 1)),
        }
    }

    fn hops(&self, kind: &Kind, all: &Minute) -> Vec<JourneyHop> {
        let p99 = all.lengths.quantile(0.99).filter(|_| kind.total >= FEW);
        let usual: f64 = kind.usual.values().sum();
        let newest = kind.minutes.back();
        let count = |n: u64| {
            #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
            let n = n as f64;
            n
        };
        let mut hops: Vec<JourneyHop> = all
            .hops
            .iter()
            .filter_map(|(op, hop)| {
                let api = self.names.find(*op)?.api.clone()?;
                let mine = kind.usual.get(op).copied().unwrap_or(0.0);
                let budget = p99
                    .filter(|_| usual > 0.0 && mine > 0.0)
                    .map(|p99| p99 * mine / usual);
                let now = newest.filter(|minute| minute.journeys > 0).map(|minute| {
                    let hop = minute.hops.get(op).copied().unwrap_or_default();
                    hop.own / count(minute.journeys)
                });
                Some(JourneyHop {
                    api,
                    share: count(hop.passed) / count(all.journeys.max(1)),
                    drop_off: count(hop.dropped) / count(all.failed.max(1)),
                    own_seconds: hop.own / count(all.journeys.max(1)),
                    budget_seconds: budget,
                    budget_used: budget.zip(now).map(|(budget, now)| now / budget),
                })
            })
            .collect();
        hops.sort_by(|a, b| {
            (b.own_seconds.total_cmp(&a.own_seconds)).then_with(|| a.api.cmp(&b.api))
        });
        hops
    }

    fn by_environment(&self, all: &Minute) -> Vec<(Name, f64)> {
        let mut sums: BTreeMap<Name, f64> = BTreeMap::new();
        for (op, hop) in &all.hops {
            if let Some(api) = self.names.find(*op).and_then(|op| op.api.as_ref()) {
                *sums.entry(api.environment.clone()).or_default() += hop.own;
            }
        }
        let journeys = mean_of(all);
        sums.into_iter()
            .map(|(environment, sum)| (environment, sum * journeys))
            .collect()
    }

    fn wire(&self, all: &Minute) -> Vec<(Name, Name, f64)> {
        let environments = self.names.environments();
        let journeys = mean_of(all);
        all.wire
            .iter()
            .filter_map(|((from, to), sum)| {
                let name = |end: &u32| environments.get(*end as usize).cloned();
                Some((name(from)?, name(to)?, sum * journeys))
            })
            .collect()
    }

    /// In flight for longer than 99 % of their type.
    fn late(&self) -> Vec<LateJourney> {
        let mut p99s: BTreeMap<u32, Option<Duration>> = BTreeMap::new();
        let mut late: Vec<LateJourney> = self
            .flights
            .iter()
            .filter_map(|flight| Some((flight, self.open_since(flight)?)))
            .take(LOOKED_AT)
            .filter_map(|(flight, began)| self.late_one(flight, began, &mut p99s))
            .collect();
        late.sort_by(|a, b| (a.began, a.trace, &a.last).cmp(&(b.began, b.trace, &b.last)));
        late.truncate(SHOWN);
        late
    }

    fn ahead(&self, part: &Part) -> i64 {
        let home = self.names.home(part.node) as usize;
        self.skews.ahead().get(home).copied().unwrap_or(0)
    }

    /// When a journey began of which the end was not seen for a second.
    fn open_since(&self, flight: &Flight) -> Option<Time> {
        let ended = |part: &Part| part.serves() && part.parent == 0;
        if flight.parts.iter().any(ended) {
            return None;
        }
        let starts = flight
            .parts
            .iter()
            .map(|part| part.start - self.ahead(part));
        let began = Time::from_nanos(starts.min()?);
        (Time::from_secs(self.second).since(began) >= Duration::from_secs(1)).then_some(began)
    }

    fn late_one(
        &self,
        flight: &Flight,
        began: Time,
        p99s: &mut BTreeMap<u32, Option<Duration>>,
    ) -> Option<LateJourney> {
        let last = (flight.parts.iter()).max_by_key(|part| part.end - self.ahead(part))?;
        let age = Time::from_secs(self.second).since(began);
        let ops: Vec<u32> = flight
            .parts
            .iter()
            .filter(|part| part.serves())
            .map(|part| part.op)
            .collect();
        let kind = self.kinds.likely(&ops);
        let p99 = kind.and_then(|kind| *p99s.entry(kind).or_insert_with(|| self.p99(kind)));
        if age < p99.unwrap_or(LONG) {
            return None;
        }
        let known = kind.map(|kind| &self.kinds.kinds[kind as usize]);
        let id = known.map(|kind| self.shown(kind.id));
        let trace = flight.keys.first().filter(|_| flight.is_trace);
        Some(LateJourney {
            trace: trace.and_then(trace_of),
            kind: id,
            name: (id.and_then(|id| self.wishes.name(id)).cloned())
                .or_else(|| Some(self.names.find(known?.entry)?.name.clone())),
            began,
            age,
            p99,
            hops: u32::try_from(flight.parts.len()).unwrap_or(u32::MAX),
            last: match self.names.node(last.node) {
                Some(node) => node.to_string().into(),
                None => monitor_core::UNKNOWN.into(),
            },
        })
    }

    fn p99(&self, kind: u32) -> Option<Duration> {
        let kind = &self.kinds.kinds[kind as usize];
        let lengths: Sketch = kind.lengths();
        let p99 = lengths.quantile(0.99).filter(|_| lengths.count() >= FEW)?;
        Duration::try_from_secs_f64(p99).ok()
    }
}

pub(super) fn through(journeys: &Journeys, workload: &Workload) -> Vec<(JourneyTypeId, f64)> {
    let names: &Names = &journeys.names;
    let node = Node::Workload(workload.clone());
    let Some(place) = names.nodes().iter().position(|known| *known == node) else {
        return Vec::new();
    };
    let types = journeys.types();
    let found = types.iter().filter_map(|kind| {
        let passes = kind
            .passed
            .iter()
            .filter(|(op, _)| {
                names
                    .find(**op)
                    .is_some_and(|op| op.node != NONE && op.node as usize == place)
            })
            .map(|(_, n)| *n)
            .max()?;
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let share = passes as f64 / kind.total.max(1) as f64;
        Some((kind.id, share))
    });
    found.collect()
}

fn mean_of(all: &Minute) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let journeys = all.journeys.max(1) as f64;
    1.0 / journeys
}

fn total(minutes: &std::collections::VecDeque<Minute>) -> Minute {
    let mut all = Minute::default();
    for minute in minutes {
        all.absorb(minute);
    }
    all
}

fn signed(nanos: i64) -> f64 {
    if nanos < 0 {
        -seconds(-nanos)
    } else {
        seconds(nanos)
    }
}
