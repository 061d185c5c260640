//! Changes of the load that are on, by class of clients. Their target is not asked: load has no
//! place.

use std::sync::Arc;

use super::plan::Class;
use crate::change::{Change, Conditions, Touch};
use crate::clock::Moment;

/// For one class.
#[derive(Clone, Debug)]
pub(super) struct Surge {
    /// Of all changes together.
    pub(super) factor: f64,
    touches: Vec<Arc<Touch>>,
}

impl Default for Surge {
    fn default() -> Surge {
        Surge {
            factor: 1.0,
            touches: Vec::new(),
        }
    }
}

impl Surge {
    /// A change whose factor is 1 changes nothing and is left alone.
    pub(super) fn of(class: &Class, conditions: &Conditions) -> Surge {
        let mut surge = Surge::default();
        for active in &conditions.0 {
            if let Change::Load { factor, clients } = &active.change
                && (clients.is_empty() || *clients == class.spec.name)
                && *factor != 1.0
            {
                surge.factor *= factor.max(0.0);
                surge.touches.push(Arc::clone(&active.touch));
            }
        }
        surge
    }

    /// An arrival came, or stayed away, while this was on.
    pub(super) fn mark(&self, at: Moment) {
        for touch in &self.touches {
            touch.mark(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Active, Target};
    use crate::load::plan::Plan;
    use crate::topology::Topology;

    #[test]
    fn changes_of_all_and_of_a_class_multiply() {
        let active = |id, factor, clients: &str| Active {
            id,
            target: Target::default(),
            change: Change::Load {
                factor,
                clients: clients.to_owned(),
            },
            touch: Arc::default(),
        };
        let conditions = Conditions(vec![
            active(1, 3.0, ""),
            active(2, 0.5, "app"),
            active(3, 1.0, "app"),
            active(4, -1.0, "partners"),
        ]);
        let plan = Plan::new(&Topology::shop());
        let factors = plan.classes.iter().map(|class| {
            let surge = Surge::of(class, &conditions);
            surge.mark(Moment(5));
            surge.factor
        });
        assert_eq!(factors.collect::<Vec<f64>>(), [3.0, 1.5, 0.0, 3.0]);
        let touched = conditions.0.iter().map(|active| active.touch.count());
        assert_eq!(touched.collect::<Vec<u64>>(), [4, 1, 0, 1]);
    }
}
