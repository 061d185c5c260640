//! Which warnings failures follow.
//!
//! Learned from every statement that was made while a service newly warned of something, and of what
//! came of it: messages keep their template's id in all services, so a warning that one service failed
//! after is known when another one writes it. Shares are those of a beta distribution that begins as
//! one failure in four.

use std::collections::BTreeMap;

use monitor_core::TemplateId;
use serde::{Deserialize, Serialize};

/// Warnings remembered.
const MAX_KNOWN: usize = 256;
/// Statements that the first guess counts for, and the failures among them.
const GUESSED: (f64, f64) = (4.0, 1.0);
/// What is learned is of about so many statements.
const MEMORY: f64 = 200.0;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Omens {
    known: BTreeMap<TemplateId, Omen>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Omen {
    seen: f64,
    followed: f64,
}

impl Omens {
    /// The worst of them, and the share of statements that failures followed.
    pub(super) fn worst(
        &self,
        news: impl Iterator<Item = TemplateId>,
    ) -> Option<(TemplateId, f64)> {
        news.map(|template| (template, self.share(template)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn share(&self, template: TemplateId) -> f64 {
        let omen = self.known.get(&template).copied().unwrap_or_default();
        (omen.followed + GUESSED.1) / (omen.seen + GUESSED.0)
    }

    pub(super) fn learn(&mut self, template: TemplateId, came: bool) {
        if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&template) {
            // What was seen least says least.
            let least = self
                .known
                .iter()
                .min_by(|a, b| a.1.seen.total_cmp(&b.1.seen));
            if let Some(least) = least.map(|(template, _)| *template) {
                self.known.remove(&least);
            }
        }
        let omen = self.known.entry(template).or_default();
        let kept = 1.0 - 1.0 / MEMORY;
        omen.seen = omen.seen * kept + 1.0;
        omen.followed = omen.followed * kept + f64::from(u8::from(came));
    }
}

/// A share as a sign for a regression: 0 for none or hardly any, 1 for one in two, near 2 for nearly all.
pub(super) fn sign(share: f64) -> f64 {
    let odds = (share / (1.0 - share).max(1e-6)).max(1e-6).ln();
    ((odds + 4.0) / 4.0).clamp(0.0, 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_that_failures_follow_is_the_worst() {
        let mut omens = Omens::default();
        for at in 0..60 {
            omens.learn(TemplateId(1), at % 5 != 0);
            omens.learn(TemplateId(2), false);
        }
        let all = || [2, 3, 1].map(TemplateId).into_iter();
        let (worst, share) = omens.worst(all()).unwrap();
        assert_eq!(worst, TemplateId(1));
        assert!((share - 0.8).abs() < 0.1, "{share}");
        let (_, never) = omens.worst([TemplateId(2)].into_iter()).unwrap();
        assert!(never < 0.03 && sign(never) < 0.2, "{never}");
        assert_eq!(omens.worst(std::iter::empty()), None);
    }

    #[test]
    fn many_warnings_take_bounded_memory() {
        let mut omens = Omens::default();
        omens.learn(TemplateId(7), true);
        omens.learn(TemplateId(7), true);
        for at in 1_000..3_000 {
            omens.learn(TemplateId(at), false);
        }
        assert_eq!(omens.known.len(), MAX_KNOWN);
        assert!(omens.share(TemplateId(7)) > 0.4);
    }
}
