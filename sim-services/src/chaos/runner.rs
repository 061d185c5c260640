//! Runs a plan against a platform, and writes down what really happened.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::happening::Happening;
use super::plan::Plan;
use super::rig::{Driver, Rig};
use crate::change::{Active, Conditions};
use crate::clock::{Clock, Moment};
use crate::meter::Meters;
use crate::topology::Topology;
use crate::truth::FaultTruth;

/// How faults reach a platform, and how it is known what they did.
#[derive(Clone, Debug)]
pub struct Levers {
    pub conditions: watch::Sender<Arc<Conditions>>,
    pub meters: Arc<Meters>,
}

/// What one driver has published. Others' changes stay as they are; when this is dropped, however
/// that comes, its own are gone.
#[derive(Debug)]
pub(super) struct Published {
    conditions: watch::Sender<Arc<Conditions>>,
    ids: BTreeSet<u64>,
    last: Vec<Active>,
}

impl Published {
    pub(super) fn new(levers: &Levers) -> Published {
        Published {
            conditions: levers.conditions.clone(),
            ids: BTreeSet::new(),
            last: Vec::new(),
        }
    }

    /// These and no others of ours are on from now on.
    pub(super) fn set(&mut self, actives: Vec<Active>) {
        if same(&self.last, &actives) {
            return;
        }
        self.conditions.send_modify(|conditions| {
            let others = conditions.0.iter().filter(|on| !self.ids.contains(&on.id));
            let all = others.cloned().chain(actives.iter().cloned()).collect();
            *conditions = Arc::new(Conditions(all));
        });
        self.ids = actives.iter().map(|active| active.id).collect();
        self.last = actives;
    }
}

fn same(one: &[Active], other: &[Active]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(a, b)| a.id == b.id && a.target == b.target && a.change == b.change)
}

impl Drop for Published {
    fn drop(&mut self) {
        self.set(Vec::new());
    }
}

/// Runs a plan from now on until its end, the last recovery included, or until it is stopped; a
/// plan that repeats only ends so. Tells what happens as it happens. Returns the truth of all
/// faults that began; none is on when it returns, or when it is dropped.
///
/// The plan must be one for this topology.
pub async fn run(
    plan: &Plan,
    topology: &Topology,
    levers: &Levers,
    clock: Clock,
    stop: CancellationToken,
    mut tell: impl FnMut(&Happening),
) -> Vec<FaultTruth> {
    let begin = clock.now();
    let (topology, meters) = (Arc::new(topology.clone()), Arc::clone(&levers.meters));
    let mut rig = Rig::new(topology, meters, Driver::Plan, begin);
    let mut published = Published::new(levers);
    let mut cue = Cue::new(plan, begin);
    let mut truths = Vec::new();
    loop {
        let now = clock.now();
        let mut happenings = rig.tick(now);
        while let Some((number, step)) = cue.due(now) {
            happenings.push(rig.put_in(number, plan.steps[step].experiment.clone(), now));
        }
        published.set(rig.actives(now));
        for happening in happenings {
            tell(&happening);
            if let Happening::FaultOut { truth, .. } = happening {
                truths.push(truth);
            }
        }
        let Some(next) = cue.next() else {
            break;
        };
        let next = next.max(now + Duration::from_millis(1)).min(rig.next(now));
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = sleep_until(clock.instant(next)) => {}
        }
    }
    drop(published);
    let now = clock.now();
    for number in rig.numbers() {
        if let Some(truth) = rig.take_out(number, now) {
            tell(&Happening::FaultOut {
                at: now,
                truth: truth.clone(),
            });
            truths.push(truth);
        }
    }
    truths
}

/// Where in the plan it is.
struct Cue<'a> {
    plan: &'a Plan,
    /// Of this round.
    begin: Moment,
    step: usize,
    /// Of the next experiment, counted from 1 over all rounds.
    number: u64,
    over: bool,
}

impl<'a> Cue<'a> {
    fn new(plan: &'a Plan, begin: Moment) -> Cue<'a> {
        Cue {
            plan,
            begin,
            step: 0,
            number: 1,
            over: false,
        }
    }

    /// The number and the index of a step whose time has come.
    fn due(&mut self, now: Moment) -> Option<(u64, usize)> {
        let end = self.begin + self.plan.length;
        if self.step >= self.plan.steps.len() && now >= end {
            // A plan without length would begin again for ever.
            if self.plan.repeat && !self.plan.length.is_zero() {
                self.begin = end;
                self.step = 0;
            } else {
                self.over = true;
            }
        }
        let step = self.plan.steps.get(self.step)?;
        if self.begin + step.at > now {
            return None;
        }
        self.step += 1;
        self.number += 1;
        Some((self.number - 1, self.step - 1))
    }

    /// When something is due next; none when the plan is over.
    fn next(&self) -> Option<Moment> {
        let step = self.plan.steps.get(self.step);
        let at = step.map_or(self.plan.length, |step| step.at);
        (!self.over).then(|| self.begin + at)
    }
}
