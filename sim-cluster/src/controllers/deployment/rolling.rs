//! How many pods each ReplicaSet of a Deployment should have next: arithmetic, and nothing else.
//!
//! Follows `kubernetes/pkg/controller/deployment/rolling.go` and `util/deployment_util.go`, and is
//! stricter where a set's status is older than its last scaling: it never counts more available
//! pods than it is asked to have, and pods that it still has take up the surge.

use serde_json::Value;

/// What a Deployment asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) replicas: i64,
    /// Pods above `replicas` that a roll-out may have, and below it.
    pub(crate) max_surge: i64,
    pub(crate) max_unavailable: i64,
}

/// One ReplicaSet, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Asked for, by its spec.
    pub(crate) replicas: i64,
    /// That it has, by its status.
    pub(crate) pods: i64,
    pub(crate) available: i64,
}

impl Size {
    fn available(self) -> i64 {
        self.available.min(self.replicas)
    }

    fn pods(self) -> i64 {
        self.pods.max(self.replicas)
    }
}

impl Wish {
    /// `surge` and `unavailable` are whole numbers or percentages of `replicas`; the former is
    /// rounded up, the latter down, and one pod may be missing when both come to nothing.
    pub(crate) fn new(replicas: i64, surge: &Value, unavailable: &Value) -> Wish {
        let max_surge = scaled(surge, replicas, true);
        let max_unavailable = scaled(unavailable, replicas, false).min(replicas);
        if max_surge == 0 && max_unavailable == 0 {
            return Wish {
                replicas,
                max_surge,
                max_unavailable: 1,
            };
        }
        Wish {
            replicas,
            max_surge,
            max_unavailable,
        }
    }

    pub(crate) fn min_available(self) -> i64 {
        self.replicas - self.max_unavailable
    }
}

/// A whole number, or a percentage of `of`; a quarter when unsaid.
pub(crate) fn scaled(written: &Value, of: i64, round_up: bool) -> i64 {
    if let Some(number) = written.as_i64() {
        return number.max(0);
    }
    let percent: i64 = written
        .as_str()
        .and_then(|text| text.trim_end_matches('%').parse().ok())
        .unwrap_or(25);
    let product = percent.max(0) * of;
    if round_up {
        (product + 99) / 100
    } else {
        product / 100
    }
}

/// The new set's size as far as the surge permits it to grow now.
pub(crate) fn new_size(wish: Wish, new: Size, old: &[Size]) -> i64 {
    if new.replicas >= wish.replicas {
        return wish.replicas;
    }
    let all = new.pods() + old.iter().map(|size| size.pods()).sum::<i64>();
    let room = (wish.replicas + wish.max_surge - all).max(0);
    new.replicas + room.min(wish.replicas - new.replicas)
}

/// Sizes of the old sets, oldest first, as small as availability permits now. First goes what is
/// not available anyway.
pub(crate) fn old_sizes(wish: Wish, new: Size, old: &[Size]) -> Vec<i64> {
    let mut sizes: Vec<i64> = old.iter().map(|size| size.replicas).collect();
    let all: i64 = new.replicas + sizes.iter().sum::<i64>();
    let new_unavailable = (new.replicas - new.available()).max(0);
    let mut spare = all - wish.min_available() - new_unavailable;
    if spare <= 0 {
        return sizes;
    }
    for (size, old) in sizes.iter_mut().zip(old) {
        let unhealthy = (old.replicas - old.available()).min(spare).max(0);
        *size -= unhealthy;
        spare -= unhealthy;
    }
    let available = new.available() + old.iter().map(|size| size.available()).sum::<i64>();
    let mut spare = available - wish.min_available();
    for size in &mut sizes {
        let fewer = (*size).min(spare).max(0);
        *size -= fewer;
        spare -= fewer;
    }
    sizes
}

/// Sizes after the Deployment itself was scaled in the middle of a roll-out: each set keeps its
/// share. `before` is how many pods all of them were permitted to have; sets come newest first.
pub(crate) fn in_proportion(wish: Wish, sets: &[Size], before: i64) -> Vec<i64> {
    let mut sizes: Vec<i64> = sets.iter().map(|size| size.replicas).collect();
    let all: i64 = sizes.iter().sum();
    let allowed = if wish.replicas > 0 {
        wish.replicas + wish.max_surge
    } else {
        0
    };
    let to_add = allowed - all;
    if to_add == 0 {
        return sizes;
    }
    // The biggest gains or loses first, so that the smallest are not rounded away.
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|at| {
        let tie = if to_add > 0 { *at } else { sizes.len() - *at };
        (-sizes[*at], tie)
    });
    let mut added = 0;
    for at in &order {
        let size = sizes[*at];
        if size == 0 {
            continue;
        }
        let share = if wish.replicas == 0 {
            -size
        } else {
            let before = before.max(1);
            (2 * size * allowed + before) / (2 * before) - size
        };
        let left = to_add - added;
        let share = if to_add > 0 {
            share.clamp(0, left)
        } else {
            share.clamp(left, 0)
        };
        sizes[*at] = (size + share).max(0);
        added += sizes[*at] - size;
    }
    if let Some(first) = order.first() {
        sizes[*first] = (sizes[*first] + to_add - added).max(0);
    }
    sizes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn percentages_round_surge_up_and_unavailability_down() {
        let wish = |replicas, surge, unavailable| {
            let wish = Wish::new(replicas, &surge, &unavailable);
            (wish.max_surge, wish.max_unavailable)
        };
        assert_eq!(wish(3, json!("25%"), json!("25%")), (1, 0));
        assert_eq!(wish(10, Value::Null, Value::Null), (3, 2));
        assert_eq!(wish(10, json!(0), json!(0)), (0, 1));
        assert_eq!(wish(1, json!("0%"), json!("50%")), (0, 1));
        assert_eq!(wish(2, json!(5), json!(9)), (5, 2));
    }

    #[test]
    fn scaling_in_the_middle_of_a_rollout_keeps_the_shares() {
        // The example of Kubernetes' documentation: 10 replicas, surge 3, 8 old and 5 new; to 15.
        let wish = Wish {
            replicas: 15,
            max_surge: 3,
            max_unavailable: 2,
        };
        let size = |replicas| Size {
            replicas,
            pods: replicas,
            available: replicas,
        };
        assert_eq!(in_proportion(wish, &[size(5), size(8)], 13), [7, 11]);
        let none = Wish {
            replicas: 0,
            max_surge: 3,
            max_unavailable: 2,
        };
        assert_eq!(in_proportion(none, &[size(5), size(8)], 13), [0, 0]);
    }

    /// A roll-out as it goes: scalings take effect late, pods become available and fail when they
    /// like, statuses are old.
    #[derive(Clone, Debug)]
    enum Happening {
        Controller,
        /// The ReplicaSet controller makes or deletes what is missing or too much.
        Sync(usize),
        Available(usize),
    }

    #[derive(Clone, Debug, Default)]
    struct Set {
        replicas: i64,
        available: i64,
        unavailable: i64,
        /// What the Deployment's controller knows.
        seen: i64,
        seen_pods: i64,
    }

    fn happenings() -> impl Strategy<Value = Vec<Happening>> {
        let one = prop_oneof![
            Just(Happening::Controller),
            (0..3_usize).prop_map(Happening::Sync),
            (0..3_usize).prop_map(Happening::Available),
        ];
        proptest::collection::vec(one, 0..200)
    }

    fn step(wish: Wish, sets: &mut [Set]) {
        let size = |set: &Set| Size {
            replicas: set.replicas,
            pods: set.seen_pods,
            available: set.seen,
        };
        let old: Vec<Size> = sets[1..].iter().map(size).collect();
        let grown = new_size(wish, size(&sets[0]), &old);
        if grown != sets[0].replicas {
            sets[0].replicas = grown;
            return;
        }
        let sizes = old_sizes(wish, size(&sets[0]), &old);
        for (set, size) in sets[1..].iter_mut().zip(sizes) {
            set.replicas = size;
        }
    }

    fn sync(set: &mut Set) {
        let all = set.available + set.unavailable;
        if all < set.replicas {
            set.unavailable += set.replicas - all;
        } else {
            let too_many = all - set.replicas;
            let unavailable = too_many.min(set.unavailable);
            set.unavailable -= unavailable;
            set.available -= too_many - unavailable;
        }
        set.seen = set.available;
        set.seen_pods = set.available + set.unavailable;
    }

    proptest! {
        #[test]
        fn a_rollout_never_has_too_few_available_nor_too_many_pods(
            replicas in 1_i64..12, surge in 0_i64..5, unavailable in 0_i64..5,
            happenings in happenings(),
        ) {
            let wish = Wish::new(replicas, &json!(surge), &json!(unavailable));
            let mut sets = vec![Set::default(), Set::default(), Set::default()];
            // Two old sets share what there is, all of it available.
            for (set, share) in sets[1..].iter_mut().zip([replicas / 2, replicas - replicas / 2]) {
                *set = Set {
                    replicas: share, available: share, unavailable: 0, seen: share, seen_pods: share,
                };
            }
            let holds = |sets: &[Set]| {
                let available: i64 = sets.iter().map(|set| set.available).sum();
                let pods: i64 = sets.iter().map(|set| set.available + set.unavailable).sum();
                available >= wish.min_available() && pods <= replicas + wish.max_surge
            };
            for happening in happenings {
                match happening {
                    Happening::Controller => step(wish, &mut sets),
                    Happening::Sync(at) => sync(&mut sets[at]),
                    Happening::Available(at) if sets[at].unavailable > 0 => {
                        sets[at].unavailable -= 1;
                        sets[at].available += 1;
                    }
                    Happening::Available(_) => {}
                }
                prop_assert!(holds(&sets), "{wish:?} {sets:?}");
            }
            // Left alone with healthy pods, it ends.
            for _ in 0..100 {
                step(wish, &mut sets);
                for set in &mut sets {
                    sync(set);
                    set.available += set.unavailable;
                    set.unavailable = 0;
                    set.seen = set.available;
                }
            }
            let sizes: Vec<i64> = sets.iter().map(|set| set.available).collect();
            prop_assert_eq!(sizes, vec![replicas, 0, 0]);
        }

        #[test]
        fn proportional_scaling_gives_out_exactly_what_is_allowed(
            replicas in 0_i64..40, surge in 0_i64..6, sizes in proptest::collection::vec(0_i64..20, 1..5),
        ) {
            let wish = Wish { replicas, max_surge: surge, max_unavailable: 1 };
            let sets: Vec<Size> = sizes
                .iter()
                .map(|n| Size { replicas: *n, pods: *n, available: *n })
                .collect();
            let before = sizes.iter().sum::<i64>();
            let after = in_proportion(wish, &sets, before);
            let allowed = if replicas > 0 { replicas + surge } else { 0 };
            prop_assert_eq!(after.iter().sum::<i64>(), allowed);
            prop_assert!(after.iter().all(|size| *size >= 0));
        }
    }
}
