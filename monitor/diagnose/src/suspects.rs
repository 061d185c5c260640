//! Who is to blame for an incident: a ranking by rules that a person would use.
//!
//! Trouble travels from the called to the callers (who wait, and fail), and lack of calls from the
//! callers to the called. So a service is suspected when nothing it depends on explains what is
//! unusual about it, when it changed first, when the others depend on it, and when it shows trouble
//! of its own. What is explained stays in the list, further down.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use monitor_core::{Culprit, Suspect, Time, Workload};

use crate::flow::Flows;
use crate::sign::{Kind, Sign};
use crate::topology::Topology;

mod blame;
mod sentence;

use blame::{Blame, Blames, Spot, blames};
use sentence::Names;

/// Windows of different lengths find the same moment with a difference of this.
const SAME_TIME: Duration = Duration::from_secs(5);
/// A cause may seem to begin this much later than its effect: calls are judged when they end, and
/// callers give up before.
const MAY_LAG: Duration = Duration::from_secs(30);
/// Who changed this much later than the first is no longer near the beginning.
const NEAR_THE_BEGINNING: Duration = Duration::from_secs(60);
/// Who fell silent longer than this before the incident is another story.
const SAME_STORY: Duration = Duration::from_secs(90);
/// Suspects named.
const MOST: usize = 10;
/// Dependants counted of one, upwards and downwards; beyond, there is no telling them apart.
const COUNTED: usize = 256;

/// The parts of a score; they sum to 1.
const UNEXPLAINED: f64 = 0.40;
const FIRST: f64 = 0.20;
const DEPENDED_ON: f64 = 0.20;
const OWN_SIGNS: f64 = 0.20;
/// Where calls are seen at both ends, how much of the trouble began at a place outweighs all that
/// is only inferred from who is in trouble when.
const BROUGHT_IN: f64 = 0.75;
/// What is explained by another counts half.
const EXPLAINED: f64 = 0.5;

/// What is known of a workload besides its anomalies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Vitals {
    /// There are models that could tell whether it is unusual.
    pub judged: bool,
    /// Since when nothing came from it, when by its usual rate much should have come.
    pub silent_since: Option<Time>,
    /// It logs clearly more errors than usual.
    pub complains: bool,
}

/// One incident and its surroundings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) signs: &'a [&'a Sign],
    pub(crate) topology: &'a Topology,
    pub(crate) vitals: &'a BTreeMap<Workload, Vitals>,
    /// Since when those were silent that were found so in this incident, also if they are back.
    pub(crate) fell_silent: &'a BTreeMap<Workload, Time>,
    pub(crate) flows: &'a Flows,
}

impl Scene<'_> {
    /// Since when nothing came from it, if that is of this incident, which began at `began`.
    fn silent_since(&self, workload: &Workload, began: Time) -> Option<Time> {
        let now = self
            .vitals
            .get(workload)
            .and_then(|vitals| vitals.silent_since)
            .filter(|since| *since + SAME_STORY >= began);
        let then = self.fell_silent.get(workload).copied();
        then.or(now)
    }
}

/// The suspects, and who was silent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ranking {
    /// The likeliest first; equal scores in order of name.
    pub(crate) suspects: Vec<Suspect>,
    pub(crate) silent: BTreeMap<Workload, Time>,
}

/// What is the matter with one workload.
#[derive(Clone, Debug)]
struct Trouble<'a> {
    signs: Vec<&'a Sign>,
    began: Time,
    silent_since: Option<Time>,
}

impl Trouble<'_> {
    fn has(&self, kinds: &[Kind]) -> bool {
        self.signs.iter().any(|sign| kinds.contains(&sign.kind))
    }

    /// Its clock is wrong, as its records have it.
    fn is_mistimed(&self) -> bool {
        self.has(&[Kind::Mistimed])
    }

    /// Callers feel it.
    fn travels_up(&self) -> bool {
        self.silent_since.is_some() || self.has(&[Kind::Slow, Kind::Failing, Kind::Complaining])
    }

    /// Nothing but fewer or more calls than usual.
    fn is_load_alone(&self) -> bool {
        let others = [Kind::Slow, Kind::Failing, Kind::Complaining, Kind::Mistimed];
        !self.signs.is_empty() && !self.has(&others)
    }
}

/// One that is suspected, before it is put in words.
#[derive(Clone, Debug)]
struct Finding<'a> {
    workload: &'a Workload,
    culprit: Culprit,
    score: f64,
    reason: Reason<'a>,
    /// What began there, as calls show it.
    blame: Option<Blame<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum Reason<'a> {
    Trouble {
        /// Who explains it.
        cause: Option<&'a Workload>,
        /// How many may suffer because of it, of how many others.
        dependants: usize,
        others: usize,
    },
    /// Nothing but what calls show.
    Calls,
    /// It shows nothing unusual but more error logs.
    Complains,
    CannotBeJudged,
}

type Troubles<'a> = BTreeMap<&'a Workload, Trouble<'a>>;

pub(crate) fn rank(scene: Scene<'_>) -> Ranking {
    let mut troubles = troubles(scene);
    let Some(began) = troubles.values().map(|trouble| trouble.began).min() else {
        return Ranking::default();
    };
    let members: BTreeSet<&Workload> = troubles.keys().copied().collect();
    add_silent_callees(&mut troubles, scene, began);
    let first = troubles
        .values()
        .map(|trouble| trouble.began)
        .min()
        .unwrap_or(began);
    let mut findings: Vec<Finding<'_>> = troubles
        .iter()
        .map(|(workload, trouble)| judge(workload, trouble, first, &troubles, &members, scene))
        .chain(bystanders(&troubles, &members, scene))
        .collect();
    weigh(&mut findings, blames(scene.flows));
    findings.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| a.workload.cmp(b.workload))
            .then_with(|| a.culprit.to_string().cmp(&b.culprit.to_string()))
    });
    findings.truncate(MOST);
    let names = Names::of(scene, &troubles, &members);
    Ranking {
        suspects: findings
            .iter()
            .map(|finding| Suspect {
                workload: finding.workload.clone(),
                culprit: finding.culprit.clone(),
                score: finding.score,
                why: match finding.culprit {
                    Culprit::Service => names.why(finding),
                    // Its workload is only one that is called over it.
                    _ => format!("it is {}: {}", finding.culprit, names.why(finding)),
                },
            })
            .collect(),
        silent: troubles
            .iter()
            .filter_map(|(workload, trouble)| Some(((*workload).clone(), trouble.silent_since?)))
            .collect(),
    }
}

/// Lets what calls show decide, as far as they show anything.
fn weigh<'a>(findings: &mut Vec<Finding<'a>>, blames: Blames<'a>) {
    if blames.is_empty() {
        return;
    }
    for finding in findings.iter_mut() {
        finding.score = rounded((1.0 - BROUGHT_IN) * finding.score);
    }
    for (spot, blame) in blames {
        let share = blame.share;
        let culprit = match spot {
            Spot::At(_) => Culprit::Service,
            Spot::Between(one, other) => Culprit::Link {
                one: one.clone(),
                other: other.clone(),
            },
            Spot::Of(name) => Culprit::Environment { name: name.clone() },
        };
        let workload = match spot {
            Spot::At(workload) => Some(workload),
            Spot::Between(..) | Spot::Of(_) => blame.end,
        };
        let Some(workload) = workload else { continue };
        let known = findings
            .iter_mut()
            .find(|finding| finding.workload == workload && finding.culprit == culprit);
        if let Some(finding) = known {
            finding.score = rounded(finding.score + BROUGHT_IN * share);
            finding.blame = Some(blame);
        } else {
            findings.push(Finding {
                workload,
                culprit,
                score: rounded(BROUGHT_IN * share),
                reason: Reason::Calls,
                blame: Some(blame),
            });
        }
    }
}

fn troubles(scene: Scene<'_>) -> Troubles<'_> {
    let mut troubles: Troubles<'_> = BTreeMap::new();
    for sign in scene.signs {
        let trouble = troubles.entry(&sign.workload).or_insert_with(|| Trouble {
            signs: Vec::new(),
            began: sign.start,
            silent_since: None,
        });
        trouble.signs.push(sign);
        trouble.began = trouble.began.min(sign.start);
    }
    // Its calls as a whole decide: one route of several that nobody calls is no silence.
    for (workload, trouble) in &mut troubles {
        trouble.silent_since = scene.silent_since(workload, trouble.began);
    }
    troubles
}

/// The dead raise no anomalies at once: they are known by their callers, who are in trouble, and by
/// their silence.
fn add_silent_callees<'a>(troubles: &mut Troubles<'a>, scene: Scene<'a>, began: Time) {
    let callers: Vec<&Workload> = troubles
        .iter()
        .filter(|(_, trouble)| trouble.has(&[Kind::Slow, Kind::Failing, Kind::Complaining]))
        .map(|(workload, _)| *workload)
        .collect();
    for callee in callers
        .into_iter()
        .flat_map(|caller| scene.topology.callees(caller))
    {
        if let Some(since) = scene.silent_since(callee, began) {
            troubles.entry(callee).or_insert_with(|| Trouble {
                signs: Vec::new(),
                began: since,
                silent_since: Some(since),
            });
        }
    }
}

/// The other workload that explains what is unusual about this one.
fn explained_by<'a>(
    workload: &Workload,
    trouble: &Trouble<'_>,
    troubles: &'a Troubles<'_>,
    topology: &'a Topology,
) -> Option<&'a Workload> {
    let in_time = |other: &Trouble<'_>| other.began <= trouble.began + MAY_LAG;
    if trouble.is_mistimed() {
        // Nobody else sets its clock.
        return None;
    }
    if trouble.is_load_alone() || trouble.signs.is_empty() {
        // Nobody calls it who called it before: the cause is with a caller, unless that one goes on
        // and is answered by nobody.
        return topology
            .callers(workload)
            .filter(|caller| {
                let tried = topology.last_seen(caller, workload);
                let goes_on = |since: Time| tried.is_some_and(|last| last > since + SAME_TIME);
                troubles.get(caller).is_some_and(|caller| {
                    in_time(caller)
                        && match trouble.silent_since {
                            Some(since) => caller.silent_since.is_some() && !goes_on(since),
                            None => caller.has(&[Kind::Load, Kind::Silent, Kind::Failing]),
                        }
                })
            })
            .min_by_key(|caller| (troubles.get(caller).map(|other| other.began), *caller));
    }
    topology
        .callees(workload)
        .filter(|callee| {
            let Some(other) = troubles.get(callee) else {
                return false;
            };
            // Two that call each other: who was clearly first is not explained by the other.
            let calls_back = topology.last_seen(callee, workload).is_some();
            let was_first = trouble.began + SAME_TIME < other.began;
            other.travels_up() && in_time(other) && !(calls_back && was_first)
        })
        .min_by_key(|callee| (troubles.get(callee).map(|other| other.began), *callee))
}

fn judge<'a>(
    workload: &'a Workload,
    trouble: &Trouble<'_>,
    first: Time,
    troubles: &'a Troubles<'a>,
    members: &BTreeSet<&Workload>,
    scene: Scene<'a>,
) -> Finding<'a> {
    let cause = explained_by(workload, trouble, troubles, scene.topology);
    let dependants = dependants(workload, trouble, troubles, members, scene.topology);
    let others = members.len() - usize::from(members.contains(workload));
    let share = if others == 0 {
        1.0
    } else {
        dependants as f64 / others as f64
    };
    let score = if cause.is_some() { 0.0 } else { UNEXPLAINED }
        + weight(cause) * FIRST * nearness(trouble.began.since(first))
        + weight(cause) * DEPENDED_ON * share
        + weight(cause) * OWN_SIGNS * own_signs(trouble);
    Finding {
        workload,
        culprit: Culprit::Service,
        score: rounded(score),
        reason: Reason::Trouble {
            cause,
            dependants,
            others,
        },
        blame: None,
    }
}

fn weight(cause: Option<&Workload>) -> f64 {
    if cause.is_some() { EXPLAINED } else { 1.0 }
}

/// 1 at the beginning, 0 a minute later.
fn nearness(after: Duration) -> f64 {
    let late = after.saturating_sub(SAME_TIME).as_secs_f64();
    (1.0 - late / NEAR_THE_BEGINNING.as_secs_f64()).max(0.0)
}

/// 0 to 1: how much there is to see of its own. Silence says it all.
fn own_signs(trouble: &Trouble<'_>) -> f64 {
    if trouble.silent_since.is_some() {
        return 1.0;
    }
    let mut strongest: BTreeMap<Kind, f64> = BTreeMap::new();
    for sign in &trouble.signs {
        let known = strongest.entry(sign.kind).or_default();
        *known = known.max(sign.strength);
    }
    let confined = trouble.signs.iter().any(|sign| sign.confined_to.is_some());
    let sum: f64 = strongest.values().sum::<f64>() / 3.0;
    (sum + if confined { 0.3 } else { 0.0 }).min(1.0)
}

/// How many of the others may suffer because of it: those that call it, directly or through others
/// in trouble; of those that are only called less than usual, those that it calls.
fn dependants(
    workload: &Workload,
    trouble: &Trouble<'_>,
    troubles: &Troubles<'_>,
    members: &BTreeSet<&Workload>,
    topology: &Topology,
) -> usize {
    let mut reached: BTreeSet<&Workload> = BTreeSet::new();
    if trouble.travels_up() {
        let mut next: Vec<&Workload> = topology.callers(workload).collect();
        while let Some(caller) = next.pop() {
            if troubles.contains_key(caller) && caller != workload && reached.insert(caller) {
                next.extend(topology.callers(caller));
            }
            if reached.len() >= COUNTED {
                break;
            }
        }
    }
    let mut next: Vec<&Workload> = topology.callees(workload).collect();
    while let Some(callee) = next.pop() {
        let starved = troubles.get(callee).is_some_and(Trouble::is_load_alone);
        if starved && callee != workload && reached.insert(callee) {
            next.extend(topology.callees(callee));
        }
        if reached.len() >= 2 * COUNTED {
            break;
        }
    }
    reached
        .into_iter()
        .filter(|other| members.contains(other))
        .count()
}

/// Callees of those in trouble that show nothing we could judge: they complain in their logs, or
/// cannot be judged while all that call them are in trouble.
fn bystanders<'a>(
    troubles: &Troubles<'_>,
    members: &BTreeSet<&'a Workload>,
    scene: Scene<'a>,
) -> Vec<Finding<'a>> {
    let callees: BTreeSet<&Workload> = members
        .iter()
        .flat_map(|member| scene.topology.callees(member))
        .filter(|callee| !troubles.contains_key(callee))
        .collect();
    let mut findings = Vec::new();
    for callee in callees {
        let vitals = scene.vitals.get(callee).copied().unwrap_or_default();
        let callers = scene.topology.callers(callee).count();
        let troubled = scene
            .topology
            .callers(callee)
            .filter(|caller| members.contains(caller))
            .count();
        let (base, reason) = if vitals.complains {
            (0.2, Reason::Complains)
        } else if !vitals.judged && callers >= 2 && troubled == callers {
            (0.3, Reason::CannotBeJudged)
        } else {
            continue;
        };
        let share = troubled as f64 / members.len() as f64;
        findings.push(Finding {
            workload: callee,
            culprit: Culprit::Service,
            score: rounded(base + DEPENDED_ON * share),
            reason,
            blame: None,
        });
    }
    findings
}

fn rounded(score: f64) -> f64 {
    (score.clamp(0.0, 1.0) * 100.0).round() / 100.0
}
