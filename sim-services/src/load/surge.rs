//! Changes of the load that are on, by class of clients.

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
