//! What the conditions ask of one replica's life, and when a replica that was killed comes back.

use std::sync::Arc;
use std::time::Duration;

use crate::change::{Active, Change, Conditions, Place, Touch};
use crate::clock::Moment;
use crate::telemetry::Identity;

/// From a container's start to its first request taken, when its image is already there.
pub(super) const START: Duration = Duration::from_secs(2);
/// How long an old replica finishes what it has begun.
pub(super) const DRAIN: Duration = Duration::from_secs(5);

const FIRST_BACK_OFF: Duration = Duration::from_secs(5);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);
/// After this long without another kill, back-off starts anew, as the kubelet's does.
const FORGIVEN: Duration = Duration::from_secs(600);

/// The part of the conditions that concerns a replica rather than its requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    /// Nothing may listen; empty when it may.
    pub down: Vec<Arc<Touch>>,
    /// Another version than the topology's, and the change that says so.
    pub version: Option<(String, Arc<Touch>)>,
    /// No messages are taken; empty when they are.
    pub paused: Vec<Arc<Touch>>,
    /// All changes that cover it.
    pub changes: Vec<Active>,
}

/// For the replica that `identity` is; `base` is the version of the topology.
pub(super) fn orders(conditions: &Conditions, identity: &Identity, base: &str) -> Orders {
    let place = Place {
        service: &identity.service,
        environment: &identity.environment,
        replica: identity.replica,
        version: &identity.version,
    };
    // A deployment means who runs the version that it replaces; once replaced, they would no longer
    // be meant and would go back.
    let before = Place {
        version: base,
        ..place
    };
    let mut orders = Orders::default();
    for active in &conditions.0 {
        if let Change::Version(version) = &active.change {
            if active.target.covers(&before) && version != base {
                orders.version = Some((version.clone(), Arc::clone(&active.touch)));
            }
            continue;
        }
        if !active.target.covers(&place) {
            continue;
        }
        match active.change {
            Change::Down => orders.down.push(Arc::clone(&active.touch)),
            Change::StopConsuming => orders.paused.push(Arc::clone(&active.touch)),
            _ => {}
        }
        orders.changes.push(active.clone());
    }
    orders
}

/// Marks all of them.
pub(super) fn mark(touches: &[Arc<Touch>], now: Moment) {
    for touch in touches {
        touch.mark(now);
    }
}

/// The back-off of restarts: 5 s, doubled with each kill, at most a minute.
#[derive(Debug, Default)]
pub(super) struct BackOff {
    kills: u32,
    last: Option<Moment>,
}

impl BackOff {
    /// It was killed at `now`; how long until it is started again.
    pub(super) fn after_kill(&mut self, now: Moment) -> Duration {
        if self.last.is_some_and(|last| now.since(last) > FORGIVEN) {
            self.kills = 0;
        }
        self.last = Some(now);
        let wait = FIRST_BACK_OFF
            .saturating_mul(2_u32.saturating_pow(self.kills))
            .min(LONGEST_BACK_OFF);
        self.kills += 1;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Target;
    use crate::mesh::naming;
    use crate::random::Dice;
    use crate::topology::Topology;

    fn active(change: Change, target: Target) -> Active {
        Active {
            id: 1,
            target,
            change,
            touch: Arc::default(),
        }
    }

    fn cart(version: &str) -> Identity {
        naming::identity(
            &Topology::shop(),
            "cart",
            1,
            version,
            &mut Dice::new(1, "orders"),
        )
    }

    #[test]
    fn a_deployment_of_one_version_does_not_undo_itself() {
        let target = Target {
            service: Some("cart".into()),
            version: Some("3.2.1".into()),
            ..Target::default()
        };
        let conditions = Conditions(vec![active(Change::Version("3.3.0".into()), target)]);
        for running in ["3.2.1", "3.3.0"] {
            let orders = orders(&conditions, &cart(running), "3.2.1");
            assert_eq!(orders.version.map(|(version, _)| version).unwrap(), "3.3.0");
        }
    }

    #[test]
    fn other_changes_mean_who_runs_the_version_now() {
        let target = Target {
            version: Some("3.3.0".into()),
            ..Target::default()
        };
        let conditions = Conditions(vec![active(Change::Down, target)]);
        assert!(orders(&conditions, &cart("3.2.1"), "3.2.1").down.is_empty());
        assert_eq!(orders(&conditions, &cart("3.3.0"), "3.2.1").down.len(), 1);
    }

    #[test]
    fn back_off_doubles_up_to_a_minute_and_is_forgiven() {
        let mut back_off = BackOff::default();
        let mut secs = |at| back_off.after_kill(Moment::from_secs(at)).as_secs();
        let waits: Vec<u64> = (0..6).map(|kill| secs(kill * 60)).collect();
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        assert_eq!(secs(5 * 60 + 601), 5);
    }
}
