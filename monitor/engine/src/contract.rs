//! Which statuses an Api answers with, and whether it begins to use others.
//!
//! A redirect where there was an answer, 204 where there was a body, 422 where there was 400: nothing
//! fails by our books, and whoever calls may no longer understand. Failures and refusals have detectors of
//! their own.

use monitor_core::{Contribution, Measure, Subject, Time, Watching};
use monitor_detect::{Detector, Phase, RatioDetector, Reading};
use serde::{Deserialize, Serialize};

use crate::api::NOT_JUDGED;
use crate::config::EngineConfig;
use crate::dimensions::Label;
use crate::episode::{Change, Episode, Origin};
use crate::familiar::Familiar;
use crate::models;
use crate::window::CallWindow;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Statuses {
    /// Most Apis have two.
    known: Familiar<Label>,
    model: RatioDetector,
    pub(crate) episode: Episode,
    held: bool,
}

impl Statuses {
    pub(crate) fn new(config: &EngineConfig) -> Statuses {
        Statuses {
            known: Familiar::default(),
            model: models::new_status(config),
            episode: Episode::default(),
            held: false,
        }
    }

    /// Knows nothing, because calls are counted from other evidence now; what is open stays open.
    pub(crate) fn afresh(&self, config: &EngineConfig) -> Statuses {
        Statuses {
            episode: self.episode.clone(),
            ..Statuses::new(config)
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.model.name()
    }

    pub(crate) fn tune(&mut self, own: Option<&Watching>, config: &EngineConfig) {
        models::tune_new_status(&mut self.model, own, config);
    }

    pub(crate) fn hold(&mut self, hold: bool) {
        self.held = hold;
        self.model.hold(hold);
    }

    pub(crate) fn skip_to(&mut self, time: Time) {
        self.model.skip_to(time);
    }

    /// The status not known that most calls ended in, its calls, and the calls of all such.
    fn strange<'a>(&self, window: &'a CallWindow) -> Option<(&'a Label, u64, u64)> {
        let strange = || {
            let answers = window.dimensions.answers();
            answers.filter(|(status, _)| self.known.is_strange(status))
        };
        let all = strange().map(|(_, calls)| calls).sum();
        let (status, calls) = strange().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)))?;
        Some((status, calls, all))
    }

    /// What is strange and no anomaly, nor on its way to become one, is known after a while.
    pub(crate) fn judge(
        &mut self,
        window: &CallWindow,
        subject: &Subject,
        off: bool,
    ) -> Option<Change> {
        let strange = self.strange(window);
        let part = strange.map_or(0, |(.., all)| all);
        let share = Reading::Share {
            part,
            whole: window.calls,
        };
        let verdict = self.model.judge(&window.sample(share))?;
        let named = strange.map(|(status, calls, all)| Contribution {
            dimension: "status".into(),
            value: status.name(),
            share: calls as f64 / all.max(1) as f64,
            usual_share: 0.0,
        });
        let change = if off {
            self.episode.dismiss(window.end(), NOT_JUDGED)
        } else {
            let origin = Origin {
                subject,
                measure: Measure::NewStatusRatio,
                detector: self.model.name(),
                scale: 1.0,
                peers: None,
            };
            let named = named.into_iter().collect();
            self.episode.follow(&verdict, origin, |_| named)
        };
        let learning = matches!(verdict.phase, Phase::Learning(_));
        let normal = verdict.phase == Phase::Normal && verdict.score.get() == 0.0;
        let at_once = learning || verdict.phase == Phase::Shifted;
        if self.held || !(at_once || normal) {
            self.known.doubt();
        } else {
            for (status, _) in window.dimensions.answers() {
                self.known.see(status, window.end(), at_once);
            }
        }
        change
    }
}
