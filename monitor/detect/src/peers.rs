//! One of several that do the same work against the others: a replica, a version, an environment.
//!
//! All of a group meet the same hour, load and dependencies, so what they share cancels out, and
//! smaller troubles show than against anybody's own past. Members need not be alike: one may always be
//! slower, on older machines or further from its database. So how each usually differs is learned, and a
//! change of the difference is judged. Who joins a group that is known is held to be like the others from
//! the start, or a bad version would be learned as it is; where that is no fair assumption (another
//! environment), it learns first.
//!
//! Slowness is how many times slower a member's calls are ([`contrast`]), failures are the exact test of how many of all
//! failures should be this member's (J. Przyborowski and H. Wilenski, "Homogeneity of results in
//! testing samples from Poisson series", Biometrika 31, 1940), made beta-binomial because failures come
//! in bursts. The most striking member of each window is weighed (Bonferroni over the members), and it
//! is named while the anomaly lasts. A member that only seems slow because another one became faster
//! has not become slower itself, and is not accused.

mod contrast;
mod member;

use std::time::Duration;

use monitor_core::{Band, Direction, Name, Score, Time};
use serde::{Deserialize, Serialize};

pub use contrast::{Contrast, PeerCalls, contrast};

use crate::detector::{Phase, Verdict};
use crate::evidence::{Evidence, Most, OUTSIDE, Window};
use crate::latency::LatencyDetector;
use crate::learning::Progress;
use crate::options::Options;
use crate::sensitivity::Sensitivity;
use member::{Member, Seen};

/// Members remembered of one group.
const MAX_MEMBERS: usize = 32;
/// One that was not seen for so long has left.
const GONE_AFTER: Duration = Duration::from_secs(3_600);
/// Nobody is judged before so many windows of the group, nor in the first seconds of a member, when
/// caches are cold.
const LEARN_WINDOWS: u32 = 12;
const WARM_UP: Duration = Duration::from_secs(30);
/// One window can mislead; two must agree.
const MOST_OF_ONE_WINDOW: f64 = 0.55;
/// Half as slow again as the others, or half as many failures more, is worth a word.
const LEAST_CHANGE: f64 = 0.5;
/// Failures take this many times longer than slowness to become the new normal.
const SHIFT_FACTOR: u32 = 12;

/// Whether who joins a known group is held to be like the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Joining {
    /// Replicas and versions of one service.
    AsEqual,
    /// It may differ for good reasons, which are learned first.
    AfterLearning,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerDetector {
    joining: Joining,
    slowness: Options,
    failures: Options,
    sensitivity: Sensitivity,
    shift_after: Duration,
    members: Vec<Member>,
    windows: u32,
    calls: u64,
    slow: Side,
    failing: Side,
}

/// What speaks against one of the members, of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Side {
    evidence: Evidence,
    odd: Option<Name>,
}

/// A verdict of a group names the one that it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerVerdict {
    pub verdict: Verdict,
    pub member: Name,
    /// With how many it was compared, and what they did in the same time.
    pub others: usize,
    pub against: f64,
    /// Its share of what is bad, and of all calls.
    pub share: f64,
    pub usual_share: f64,
}

/// What a window says of one member.
#[derive(Clone, Copy, Debug)]
struct Case<'a> {
    member: &'a Name,
    contrast: &'a Contrast,
    p: f64,
    /// What is expected of it by what the others do, with its upper bound.
    typical: f64,
    upper: f64,
    actual: f64,
    against: f64,
    share: f64,
}

impl PeerDetector {
    /// `known` is how the group began: its work was already done by one alone, which has no peers.
    pub fn new(
        joining: Joining,
        known: bool,
        sensitivity: Sensitivity,
        shift_after: Duration,
    ) -> PeerDetector {
        PeerDetector {
            joining,
            slowness: Options {
                min_rel_dev_from_expected: LEAST_CHANGE,
                ..LatencyDetector::default_options()
            },
            failures: crate::RatioDetector::default_options(),
            sensitivity,
            shift_after,
            members: Vec::new(),
            windows: if known { LEARN_WINDOWS } else { 0 },
            calls: 0,
            slow: Side::default(),
            failing: Side::default(),
        }
    }

    /// Judges one stretch of time: slowness first, then failures. While `held`, nothing teaches.
    /// O(members).
    pub fn judge(
        &mut self,
        (start, end): (Time, Time),
        contrasts: &[(Name, Contrast)],
        held: bool,
    ) -> [Option<PeerVerdict>; 2] {
        for (name, _) in contrasts {
            self.meet(name, start, end);
        }
        let (slow, failing) = {
            let mut cases = [Vec::new(), Vec::new()];
            for (name, contrast) in contrasts {
                if let Some(member) = self.member(name) {
                    cases[0].extend(self.slowness_of(member, name, contrast, end));
                    cases[1].extend(self.failures_of(member, name, contrast, end));
                }
            }
            let [slow, failing] = cases;
            (slow, failing)
        };
        let learning = self.windows < LEARN_WINDOWS;
        let of = |side: &mut Side, cases: &[Case<'_>], wait: Duration| {
            let (learned_from, sensitivity) = (self.calls, self.sensitivity);
            side.follow((start, end), cases, contrasts.len(), sensitivity, held)
                .map(|(case, score, phase)| {
                    let learned = (learned_from, learning, self.windows);
                    case.verdict((start, end), score, phase, contrasts.len() - 1, learned)
                })
                .map(|told| shifted(told, end, wait))
        };
        let mut sides = (
            std::mem::take(&mut self.slow),
            std::mem::take(&mut self.failing),
        );
        let told = [
            of(&mut sides.0, &slow, self.shift_after),
            of(&mut sides.1, &failing, self.shift_after * SHIFT_FACTOR),
        ];
        let teaches = |side: &Side, cases: &[Case<'_>], name: &Name| {
            cases
                .iter()
                .find(|case| case.member == name)
                .is_none_or(|case| side.evidence.teaches(case.p))
        };
        if !held {
            for (name, contrast) in contrasts {
                let level = teaches(&sides.0, &slow, name);
                let errors = teaches(&sides.1, &failing, name);
                let known = self.members.iter_mut().find(|known| known.name == *name);
                // Cold caches tell nothing of who is held to be like the others.
                if let Some(member) =
                    known.filter(|known| !known.equal || end.since(known.since) >= WARM_UP)
                {
                    member.learn(contrast, Seen { level, errors });
                }
            }
            self.windows = self.windows.saturating_add(1);
            let calls: u64 = contrasts.iter().map(|(_, contrast)| contrast.calls).sum();
            self.calls = self.calls.saturating_add(calls);
        }
        for (side, told) in [&mut sides.0, &mut sides.1].into_iter().zip(&told) {
            if let Some(told) = told
                && told.verdict.phase == Phase::Shifted
            {
                side.evidence.reset();
                side.odd = None;
                // It is different now: what is usual of it is learned again.
                self.members.retain(|member| member.name != told.member);
                self.members
                    .push(Member::apprentice(told.member.clone(), end));
            }
        }
        (self.slow, self.failing) = sides;
        told
    }

    /// Nothing is known of some time: what was strange before is no evidence any more.
    pub fn skip(&mut self) {
        for side in [&mut self.slow, &mut self.failing] {
            if !side.evidence.is_anomalous() {
                side.evidence.reset();
            }
        }
    }

    /// Judges by this sensitivity from now on.
    pub fn grant(&mut self, sensitivity: Sensitivity) {
        self.sensitivity = sensitivity;
    }

    fn meet(&mut self, name: &Name, start: Time, end: Time) {
        if let Some(known) = self.members.iter_mut().find(|known| known.name == *name) {
            known.last = end;
            return;
        }
        let odd = [self.slow.odd.clone(), self.failing.odd.clone()];
        self.members.retain(|member| {
            end.since(member.last) < GONE_AFTER || odd.contains(&Some(member.name.clone()))
        });
        if self.members.len() >= MAX_MEMBERS {
            return;
        }
        let equal = self.joining == Joining::AsEqual && self.windows >= LEARN_WINDOWS;
        self.members.push(if equal {
            Member::equal(name.clone(), start)
        } else {
            Member::apprentice(name.clone(), start)
        });
    }

    fn member(&self, name: &Name) -> Option<&Member> {
        self.members.iter().find(|known| known.name == *name)
    }

    fn is_judged(&self, member: &Member, end: Time) -> bool {
        self.windows >= LEARN_WINDOWS
            && end.since(member.since) >= WARM_UP
            && (member.equal || member.windows >= LEARN_WINDOWS)
    }

    fn slowness_of<'a>(
        &self,
        member: &Member,
        name: &'a Name,
        contrast: &'a Contrast,
        end: Time,
    ) -> Option<Case<'a>> {
        if contrast.weight <= 0.0 {
            return None;
        }
        let (own, others) = (
            (contrast.own_log / contrast.weight).exp(),
            (contrast.other_log / contrast.weight).exp(),
        );
        let typical = others * member.usual_ratio();
        let told = self.is_judged(member, end)
            && self.slowness.concerns(own, typical)
            && member.has_risen(contrast);
        Some(Case {
            member: name,
            contrast,
            p: if told { member.p_slower(contrast) } else { 1.0 },
            typical,
            upper: typical * (1.0 + LEAST_CHANGE),
            actual: own,
            against: others,
            share: contrast.slow / contrast.slow_of_all.max(1.0),
        })
    }

    fn failures_of<'a>(
        &self,
        member: &Member,
        name: &'a Name,
        contrast: &'a Contrast,
        end: Time,
    ) -> Option<Case<'a>> {
        if contrast.calls == 0 || contrast.other_calls == 0 {
            return None;
        }
        let own = contrast.errors as f64 / contrast.calls as f64;
        let others = contrast.other_errors as f64 / contrast.other_calls as f64;
        let typical = (others * member.usual_failures()).min(1.0);
        let told = self.is_judged(member, end) && self.failures.concerns(own, typical);
        Some(Case {
            member: name,
            contrast,
            p: if told {
                member.p_failing(contrast)
            } else {
                1.0
            },
            typical,
            upper: (typical * (1.0 + LEAST_CHANGE))
                .max(typical + 0.01)
                .min(1.0),
            actual: own,
            against: others,
            share: contrast.errors as f64 / (contrast.errors + contrast.other_errors).max(1) as f64,
        })
    }
}

impl Side {
    /// Weighs the most striking case, or the one that is accused already.
    fn follow<'a>(
        &mut self,
        (start, end): (Time, Time),
        cases: &[Case<'a>],
        members: usize,
        sensitivity: Sensitivity,
        held: bool,
    ) -> Option<(Case<'a>, Score, Phase)> {
        let worst = cases
            .iter()
            .min_by(|a, b| a.p.total_cmp(&b.p).then_with(|| a.member.cmp(b.member)));
        let accused = self
            .odd
            .as_ref()
            .and_then(|odd| cases.iter().find(|case| case.member == odd));
        let (case, p) = match (&self.odd, accused, worst) {
            (Some(_), Some(case), _) => (*case, case.p),
            // It is gone: as long as it is, it cannot be odd.
            (Some(_), None, Some(worst)) => (*worst, 1.0),
            (None, _, Some(worst)) => (*worst, (worst.p * members as f64).min(1.0)),
            (_, _, None) => return None,
        };
        self.evidence.hold(held);
        let window = Window {
            start,
            end,
            p,
            most: Most::Share(MOST_OF_ONE_WINDOW),
        };
        let (score, phase) = self.evidence.weigh(window, sensitivity);
        if !phase.is_anomalous() {
            self.odd = None;
        } else if self.odd.is_none() {
            self.odd = Some(case.member.clone());
        }
        Some((Case { p, ..case }, score, phase))
    }
}

impl Case<'_> {
    fn verdict(
        &self,
        (start, end): (Time, Time),
        score: Score,
        phase: Phase,
        others: usize,
        (learned_from, learning, windows): (u64, bool, u32),
    ) -> PeerVerdict {
        let all = self.contrast.calls + self.contrast.other_calls;
        PeerVerdict {
            verdict: Verdict {
                score,
                outside: self.p < OUTSIDE,
                phase: if learning {
                    Phase::Learning(Progress {
                        seconds: windows,
                        of_seconds: LEARN_WINDOWS,
                        calls: learned_from,
                        of_calls: 0,
                    })
                } else {
                    phase
                },
                guarded: false,
                start,
                end,
                statistic: "against its peers",
                direction: Direction::Above,
                typical: self.typical,
                actual: self.actual,
                band: Band {
                    lower: 0.0,
                    upper: self.upper,
                },
                observations: self.contrast.calls,
                learned_from,
            },
            member: self.member.clone(),
            others,
            against: self.against,
            share: self.share,
            usual_share: self.contrast.calls as f64 / all.max(1) as f64,
        }
    }
}

/// An anomaly that has lasted for `wait` is how things are now.
fn shifted(mut told: PeerVerdict, end: Time, wait: Duration) -> PeerVerdict {
    if let Phase::Anomalous { since } = told.verdict.phase
        && end.since(since) >= wait
    {
        told.verdict.phase = Phase::Shifted;
    }
    told
}

#[cfg(test)]
mod tests;
