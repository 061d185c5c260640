//! Which anomalies belong together: the life of incidents.
//!
//! Each anomaly that pages begins a case of its own; cases become one when their anomalies are of
//! one service, or of services that call each other, at about the same time. A case that lasts as
//! long as an alert has to be pending is an incident, and is told. One is never split again: what a
//! person was told together stays together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use monitor_core::{
    Anomaly, AnomalyId, Change, Culprit, Incident, IncidentId, Name, Suspect, Time, Workload,
};
use serde::{Deserialize, Serialize};

use crate::alert_book::AlertConfig;
use crate::changes::ChangeBook;
use crate::flow::Flows;
use crate::identity::incident_id;
use crate::impact::ImpactLedger;
use crate::scope::scope;
use crate::sign::Sign;
use crate::suspects::{Scene, Vitals, rank};
use crate::topology::Topology;

mod grouping;
mod users;

use grouping::{BEGIN_TOGETHER, Groups};

pub use users::Budgets;

/// Anomalies kept of one incident; more only as long as they are open.
const MAX_SIGNS: usize = 256;
/// How often it is looked at what clients have of an incident.
const ASSESS_EVERY: Duration = Duration::from_secs(30);
/// The same trouble of the same service is the same incident when it is back within this.
const REST: Duration = Duration::from_secs(120);
/// Incidents that are over and still shown.
const CLOSED_KEPT: usize = 100;
/// Suspects whose change is worth telling.
const TOLD_SUSPECTS: usize = 3;
/// How often suspects are looked at again while nothing opens or closes: silence grows.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What happened to an incident.
#[derive(Clone, Debug, PartialEq)]
pub enum IncidentChange {
    Opened(Incident),
    /// Its services or its first suspects changed.
    Updated(Incident),
    Closed(Incident),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IncidentBook {
    cases: BTreeMap<IncidentId, Case>,
    /// The latest last.
    closed: VecDeque<Incident>,
    /// Those that ended just now, and may only have paused.
    #[serde(default)]
    resting: BTreeMap<IncidentId, Rest>,
    /// Anomalies or edges came or went since the cases were last grouped …
    changed: bool,
    /// … which was then.
    looked: Option<Time>,
    book: ChangeBook,
    #[serde(default)]
    ledger: ImpactLedger,
    /// Of each incident, what users had had of it before it began.
    #[serde(default)]
    before: BTreeMap<IncidentId, users::Before>,
}

/// What an incident was about that ended just now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Rest {
    since: Time,
    cause: Cause,
}

/// What an incident's first suspect is. A wire is the same whoever is called over it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Cause {
    Service(Workload),
    Link(Name, Name),
    Environment(Name),
}

impl Cause {
    fn of(suspects: &[Suspect]) -> Option<Cause> {
        let first = suspects.first()?;
        Some(match &first.culprit {
            Culprit::Service => Cause::Service(first.workload.clone()),
            Culprit::Link { one, other } => Cause::Link(one.clone(), other.clone()),
            Culprit::Environment { name } => Cause::Environment(name.clone()),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Case {
    /// When its first anomaly was recorded, moved along over blind times.
    since: Time,
    /// When its last open anomaly was closed.
    quiet_since: Option<Time>,
    signs: BTreeMap<AnomalyId, Sign>,
    /// Who was found silent, and since when.
    fell_silent: BTreeMap<Workload, Time>,
    /// As it was last told.
    told: Option<Incident>,
    /// When its impact was last looked at.
    #[serde(default)]
    assessed: Option<Time>,
    /// Its likeliest, as it was last told.
    cause: Option<Cause>,
}

/// What calls from and to some workloads were like since a time.
pub type Look<'a> = dyn Fn(&BTreeSet<Workload>, Time) -> Flows + 'a;

impl IncidentBook {
    /// An anomaly that pages opened, changed or closed.
    pub fn record(&mut self, anomaly: &Anomaly, now: Time) {
        let sign = Sign::of(anomaly, now);
        let known = self
            .cases
            .iter()
            .find(|(_, case)| case.signs.contains_key(&anomaly.id))
            .map(|(id, _)| *id);
        let id = match known {
            Some(id) => id,
            None if !sign.is_open() => return,
            None => incident_id(anomaly.id),
        };
        let case = self.cases.entry(id).or_insert_with(|| Case {
            since: now,
            quiet_since: None,
            signs: BTreeMap::new(),
            fell_silent: BTreeMap::new(),
            told: None,
            assessed: None,
            cause: None,
        });
        let before = case.signs.insert(sign.id, sign);
        case.forget_some();
        case.note_quiet(now);
        let after = case.signs.get(&anomaly.id);
        self.changed |= before.as_ref() != after;
    }

    /// The incident that only paused, if this is its cause again; of several the latest.
    fn paused(&self, cause: &Cause, now: Time) -> Option<IncidentId> {
        self.resting
            .iter()
            .filter(|(id, rest)| {
                now.since(rest.since) < REST && !self.cases.contains_key(id) && rest.cause == *cause
            })
            .max_by_key(|(id, rest)| (rest.since, **id))
            .map(|(id, _)| *id)
    }

    /// Something was done to the platform. Whether it is new.
    pub fn note(&mut self, change: Change) -> bool {
        let new = self.book.note(change);
        self.changed |= new && !self.cases.is_empty();
        new
    }

    /// What was done to the platform lately, in order of time.
    pub fn changes(&self) -> Arc<[Arc<Change>]> {
        self.book.all()
    }

    /// Builds what a snapshot does not hold.
    pub fn reindex(&mut self) {
        self.book.show();
    }

    /// Who calls whom is known better than before.
    pub fn topology_changed(&mut self) {
        self.changed |= !self.cases.is_empty();
    }

    /// Whether [`IncidentBook::advance`] would have anything to do. O(cases).
    pub fn is_due(&self, now: Time) -> bool {
        self.ledger.is_waiting()
            || !self.cases.is_empty()
                && (self.changed
                    || self.is_long_since_looked(now)
                    || self
                        .cases
                        .values()
                        .any(|case| case.told.is_none() || case.quiet_since.is_some()))
    }

    fn is_long_since_looked(&self, now: Time) -> bool {
        self.looked.is_none_or(|last| now.since(last) >= LOOK_EVERY)
    }

    /// Those of whom [`IncidentBook::advance`] needs to know the vitals.
    pub fn concerned(&self, topology: &Topology) -> BTreeSet<Workload> {
        let signs: Vec<&Sign> = self
            .cases
            .values()
            .flat_map(|case| case.signs.values())
            .collect();
        neighbourhood(&signs, topology)
    }

    /// Forecasts of impact that were compared with what came, and those that held it.
    pub fn impact_forecasts(&self) -> (u64, u64) {
        (self.ledger.scored, self.ledger.inside)
    }

    /// Those that were told and are not over.
    pub fn lasting(&self) -> BTreeSet<IncidentId> {
        self.cases
            .iter()
            .filter(|(_, case)| case.told.is_some())
            .map(|(id, _)| *id)
            .collect()
    }

    /// All with anomalies in cases that are open.
    pub fn members(&self) -> BTreeSet<Workload> {
        self.cases
            .values()
            .flat_map(|case| case.signs.values())
            .map(|sign| sign.workload.clone())
            .collect()
    }

    /// [`IncidentBook::advance_with`], where nothing is known of single calls.
    pub fn advance(
        &mut self,
        now: Time,
        config: &AlertConfig,
        topology: &Topology,
        vitals: &BTreeMap<Workload, Vitals>,
    ) -> Vec<IncidentChange> {
        self.advance_with(now, config, topology, vitals, &|_, _| Flows::default())
    }

    /// Lets event time pass; returns what opened, changed or closed, in order of ids. `look` tells
    /// what calls from and to these were like since that time.
    pub fn advance_with(
        &mut self,
        now: Time,
        config: &AlertConfig,
        topology: &Topology,
        vitals: &BTreeMap<Workload, Vitals>,
        look: &Look<'_>,
    ) -> Vec<IncidentChange> {
        let mut changes = Vec::new();
        self.ledger.settle(now, look);
        // Also when nothing opened or closed: one that has fallen silent meanwhile may connect.
        if std::mem::take(&mut self.changed) || self.is_long_since_looked(now) {
            self.looked = Some(now);
            self.merge(now, config.keep_firing_for, topology, vitals, &mut changes);
        }
        let over = self.finish(now, config, &mut changes);
        self.resting.retain(|_, rest| now.since(rest.since) < REST);
        for id in over {
            if let Some(case) = self.cases.remove(&id)
                && let Some(cause) = case.cause
            {
                self.resting.insert(id, Rest { since: now, cause });
            }
        }
        // What is over for now stays as it was told.
        let due: Vec<IncidentId> = self
            .cases
            .iter()
            .filter(|(_, case)| {
                let settled = case.told.is_some() || now.since(case.since) >= config.pending_for;
                case.quiet_since.is_none() && settled
            })
            .map(|(id, _)| *id)
            .collect();
        let mut causes: BTreeMap<IncidentId, Vec<Suspect>> = BTreeMap::new();
        let mut settled: Vec<(IncidentId, Vec<Suspect>)> = Vec::new();
        for id in due {
            let Some(case) = self.cases.get_mut(&id) else {
                continue;
            };
            match case.settled(now) {
                Some(suspects) => settled.push((id, suspects)),
                None => {
                    causes.insert(id, case.suspects(topology, vitals, look));
                }
            }
        }
        self.join_by_cause(&mut causes, now, topology, vitals, look, &mut changes);
        causes.extend(settled);
        for (id, suspects) in causes {
            let cause = Cause::of(&suspects);
            let is_new = self.cases.get(&id).is_some_and(|case| case.told.is_none());
            // The same trouble again is the same incident.
            let known = cause
                .as_ref()
                .filter(|_| is_new)
                .and_then(|cause| self.paused(cause, now));
            let id = match known {
                Some(known) => {
                    if let Some(case) = self.cases.remove(&id) {
                        self.cases.insert(known, case);
                    }
                    known
                }
                None => id,
            };
            let Some(case) = self.cases.get_mut(&id) else {
                continue;
            };
            case.cause = cause;
            changes.extend(case.tell(id, suspects, topology, &self.book, now));
            case.assess(&mut self.ledger, topology, now, look);
        }
        for change in &changes {
            if let IncidentChange::Opened(incident) = change {
                self.closed.retain(|known| known.id != incident.id);
            }
            if let IncidentChange::Closed(incident) = change {
                if self.closed.len() >= CLOSED_KEPT {
                    self.closed.pop_front();
                }
                self.closed.push_back(incident.clone());
            }
        }
        changes
    }

    /// Ends what has been quiet for long enough; those that are over.
    fn finish(
        &mut self,
        now: Time,
        config: &AlertConfig,
        changes: &mut Vec<IncidentChange>,
    ) -> Vec<IncidentId> {
        let mut over = Vec::new();
        for (id, case) in &mut self.cases {
            let Some(quiet_for) = case.quiet_since.map(|since| now.since(since)) else {
                continue;
            };
            if case.told.is_none() {
                over.push(*id);
            } else if quiet_for >= config.keep_firing_for {
                over.push(*id);
                changes.extend(case.end(now, None).map(IncidentChange::Closed));
            }
        }
        over
    }

    /// Cases of which the same is the likeliest cause are one: services that do not call each
    /// other suffer from the same wire, or wait for the same database. The older one goes on.
    fn join_by_cause(
        &mut self,
        causes: &mut BTreeMap<IncidentId, Vec<Suspect>>,
        now: Time,
        topology: &Topology,
        vitals: &BTreeMap<Workload, Vitals>,
        look: &Look<'_>,
        changes: &mut Vec<IncidentChange>,
    ) {
        let mut sharing: BTreeMap<Cause, Vec<IncidentId>> = BTreeMap::new();
        for (id, suspects) in &*causes {
            if let Some(cause) = Cause::of(suspects) {
                sharing.entry(cause).or_default().push(*id);
            }
        }
        for group in sharing.into_values().filter(|group| group.len() > 1) {
            let Some(oldest) = self.join(&group, now, changes) else {
                continue;
            };
            for id in &group {
                causes.remove(id);
            }
            if let Some(case) = self.cases.get_mut(&oldest) {
                causes.insert(oldest, case.suspects(topology, vitals, look));
            }
        }
    }

    /// Makes one case of several; the oldest, which goes on.
    fn join(
        &mut self,
        group: &[IncidentId],
        now: Time,
        changes: &mut Vec<IncidentChange>,
    ) -> Option<IncidentId> {
        let age = |id: &IncidentId| {
            let case = self.cases.get(id);
            let opened = case.and_then(|case| case.told.as_ref());
            let opened = opened.map_or(Time::MAX, |told| told.opened);
            (opened, case.map_or(Time::MAX, |case| case.since), *id)
        };
        let oldest = group.iter().copied().min_by_key(age)?;
        for id in group.iter().filter(|id| **id != oldest) {
            let Some(mut case) = self.cases.remove(id) else {
                continue;
            };
            let gone = case.end(now, Some(oldest));
            changes.extend(gone.map(IncidentChange::Closed));
            if let Some(home) = self.cases.get_mut(&oldest) {
                home.since = home.since.min(case.since);
                home.signs.append(&mut case.signs);
                home.fell_silent.append(&mut case.fell_silent);
                home.forget_some();
                home.note_quiet(now);
            }
        }
        Some(oldest)
    }

    /// We were blind for this long: no timer ran meanwhile.
    pub fn skip(&mut self, blind: Duration) {
        for rest in self.resting.values_mut() {
            rest.since = rest.since + blind;
        }
        for case in self.cases.values_mut() {
            if case.told.is_none() {
                case.since = case.since + blind;
            }
            case.quiet_since = case.quiet_since.map(|since| since + blind);
        }
    }

    /// Open ones, the latest first, then those that ended lately.
    pub fn incidents(&self) -> Vec<Incident> {
        let mut incidents: Vec<Incident> = self
            .cases
            .values()
            .filter_map(|case| case.told.clone())
            .collect();
        incidents.sort_by_key(|incident| (std::cmp::Reverse(incident.opened), incident.id));
        incidents.extend(self.closed.iter().rev().cloned());
        incidents
    }

    /// The incident that each workload is in: of several, one where it has trouble still, and then
    /// the latest.
    pub fn by_workload(&self) -> BTreeMap<&Workload, &Incident> {
        let mut found: BTreeMap<&Workload, ((bool, Time), &Incident)> = BTreeMap::new();
        for case in self.cases.values() {
            let Some(incident) = &case.told else { continue };
            for sign in case.signs.values() {
                let rank = (sign.is_open(), incident.opened);
                let known = found.entry(&sign.workload).or_insert((rank, incident));
                if rank > known.0 {
                    *known = (rank, incident);
                }
            }
        }
        found
            .into_iter()
            .map(|(workload, (_, incident))| (workload, incident))
            .collect()
    }

    /// Puts cases together whose anomalies belong together; the older one goes on.
    fn merge(
        &mut self,
        now: Time,
        keep: Duration,
        topology: &Topology,
        vitals: &BTreeMap<Workload, Vitals>,
        changes: &mut Vec<IncidentChange>,
    ) {
        let ids: Vec<IncidentId> = self.cases.keys().copied().collect();
        let signs = self
            .cases
            .values()
            .enumerate()
            .flat_map(|(case, content)| content.signs.values().map(move |sign| (case, sign)));
        let together = Groups::of(ids.len(), signs, keep, topology, vitals).into_groups();
        for group in together {
            let group: Vec<IncidentId> = group.into_iter().map(|place| ids[place]).collect();
            self.join(&group, now, changes);
        }
    }
}

impl Case {
    fn note_quiet(&mut self, now: Time) {
        self.quiet_since = if self.signs.values().any(Sign::is_open) {
            None
        } else {
            self.quiet_since.or(Some(now))
        };
    }

    fn forget_some(&mut self) {
        while self.signs.len() > MAX_SIGNS {
            let oldest = self
                .signs
                .values()
                .filter_map(|sign| Some((sign.closed?, sign.start, sign.id)))
                .min();
            let Some((_, _, oldest)) = oldest else {
                break;
            };
            self.signs.remove(&oldest);
        }
    }

    /// The suspects of one that only goes on as it was, and hurts nobody: what breaks elsewhere
    /// meanwhile is another story.
    fn settled(&self, now: Time) -> Option<Vec<Suspect>> {
        let told = self.told.as_ref()?;
        let goes_on = self
            .signs
            .values()
            .filter(|sign| sign.is_open())
            .all(|sign| sign.is_harmless() && now.since(sign.start) > BEGIN_TOGETHER);
        goes_on.then(|| told.suspects.clone())
    }

    fn suspects(
        &mut self,
        topology: &Topology,
        vitals: &BTreeMap<Workload, Vitals>,
        look: &Look<'_>,
    ) -> Vec<Suspect> {
        let signs: Vec<&Sign> = self.signs.values().collect();
        let began = signs.iter().map(|sign| sign.start).min();
        let around = neighbourhood(&signs, topology);
        let flows = began.map_or_else(Flows::default, |began| look(&around, began));
        let ranking = rank(Scene {
            signs: &signs,
            topology,
            vitals,
            fell_silent: &self.fell_silent,
            flows: &flows,
        });
        self.fell_silent.extend(ranking.silent);
        ranking.suspects
    }

    /// Those with anomalies open.
    fn services(&self) -> Vec<Workload> {
        let open: BTreeSet<&Workload> = self
            .signs
            .values()
            .filter(|sign| sign.is_open())
            .map(|sign| &sign.workload)
            .collect();
        open.into_iter().cloned().collect()
    }

    fn anomalies(&self) -> Vec<AnomalyId> {
        let mut anomalies: Vec<(Time, AnomalyId)> = self
            .signs
            .values()
            .map(|sign| (sign.start, sign.id))
            .collect();
        anomalies.sort();
        anomalies
            .into_iter()
            .take(MAX_SIGNS)
            .map(|(_, id)| id)
            .collect()
    }

    /// Brings what is told up to date; says so when it is worth saying.
    fn tell(
        &mut self,
        id: IncidentId,
        mut suspects: Vec<Suspect>,
        topology: &Topology,
        book: &ChangeBook,
        now: Time,
    ) -> Option<IncidentChange> {
        let (services, anomalies) = (self.services(), self.anomalies());
        let scope = scope(&services, &suspects, topology);
        let began = self
            .signs
            .values()
            .map(|sign| sign.start)
            .min()
            .unwrap_or(now);
        for suspect in &mut suspects {
            book.explain(began, suspect);
        }
        let concerned: Vec<&Workload> = services
            .iter()
            .chain(suspects.iter().map(|suspect| &suspect.workload))
            .collect();
        let changes = book.near(began, &concerned);
        let Some(told) = &mut self.told else {
            let incident = Incident {
                id,
                began,
                opened: now,
                changed: now,
                ended: None,
                merged_into: None,
                services,
                anomalies,
                suspects,
                scope,
                impact: None,
                changes,
            };
            self.told = Some(incident.clone());
            return Some(IncidentChange::Opened(incident));
        };
        let first = |suspects: &[Suspect]| -> Vec<Workload> {
            suspects
                .iter()
                .take(TOLD_SUSPECTS)
                .map(|suspect| suspect.workload.clone())
                .collect()
        };
        let worth_telling = told.services != services
            || told.changes.len() != changes.len()
            || first(&told.suspects) != first(&suspects);
        told.began = told.began.min(began);
        told.services = services;
        told.anomalies = anomalies;
        told.suspects = suspects;
        told.scope = scope;
        told.changes = changes;
        if worth_telling {
            told.changed = now;
        }
        worth_telling.then(|| IncidentChange::Updated(told.clone()))
    }

    /// Looks at what clients have of it, twice a minute.
    fn assess(
        &mut self,
        ledger: &mut ImpactLedger,
        topology: &Topology,
        now: Time,
        look: &Look<'_>,
    ) {
        let Some(told) = &mut self.told else { return };
        if self
            .assessed
            .is_some_and(|last| now.since(last) < ASSESS_EVERY)
        {
            return;
        }
        self.assessed = Some(now);
        let signs: Vec<&Sign> = self.signs.values().collect();
        let members = signs.iter().map(|sign| sign.workload.clone()).collect();
        let around = neighbourhood(&signs, topology);
        let began = signs.iter().map(|sign| sign.start).min().unwrap_or(now);
        if let Some(impact) = ledger.assess(&around, &members, began, now, look) {
            told.impact = Some(impact);
        }
    }

    /// The end of what was told; `None` when nobody was.
    fn end(&mut self, now: Time, merged_into: Option<IncidentId>) -> Option<Incident> {
        let services = self.signs.values().map(|sign| sign.workload.clone());
        let services: BTreeSet<Workload> = services.collect();
        let told = self.told.take()?;
        Some(Incident {
            changed: now,
            ended: Some(now),
            merged_into,
            services: services.into_iter().collect(),
            ..told
        })
    }
}

/// Whom an incident's flows are asked of, at most.
const SURROUNDINGS: usize = 256;

/// Who shows these signs, and all that call or are called by them, near ones first.
fn neighbourhood(signs: &[&Sign], topology: &Topology) -> BTreeSet<Workload> {
    let mut around: BTreeSet<Workload> = signs.iter().map(|sign| sign.workload.clone()).collect();
    let mut next: Vec<Workload> = around.iter().cloned().collect();
    while !next.is_empty() && around.len() < SURROUNDINGS {
        let mut further = Vec::new();
        for workload in &next {
            for other in topology.callees(workload).chain(topology.callers(workload)) {
                if around.insert(other.clone()) {
                    further.push(other.clone());
                }
            }
        }
        next = further;
    }
    around
}
