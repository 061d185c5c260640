//! Which formats a service writes its records in, and whether it begins to write others.
//!
//! A changed format harms nobody by itself. But whoever reads those lines (we, dashboards, alerts
//! on fields) may read nothing any more, and nobody else would say so.

use monitor_core::{Contribution, Measure, Name, Subject, Time, Watching};
use monitor_detect::{Detector, Phase, RatioDetector};
use serde::{Deserialize, Serialize};

use crate::api::NOT_JUDGED;
use crate::config::EngineConfig;
use crate::episode::{Change, Episode, Origin};
use crate::familiar::Familiar;
use crate::models;
use crate::window::LogWindow;

/// As a person reads the name of no format.
const UNRECOGNISED: &str = "unrecognised";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Formats {
    known: Familiar<Name>,
    model: RatioDetector,
    pub(crate) episode: Episode,
    held: bool,
}

impl Formats {
    pub(crate) fn new(config: &EngineConfig) -> Formats {
        Formats {
            known: Familiar::default(),
            model: models::log_format(config),
            episode: Episode::default(),
            held: false,
        }
    }

    pub(crate) fn tune(&mut self, own: Option<&Watching>, config: &EngineConfig) {
        models::tune_log_format(&mut self.model, own, config);
    }

    pub(crate) fn hold(&mut self, hold: bool) {
        self.held = hold;
        self.model.hold(hold);
    }

    pub(crate) fn skip_to(&mut self, time: Time) {
        self.model.skip_to(time);
    }

    /// Records in formats that are not known, once there are any that are.
    fn strange(&self, window: &LogWindow) -> u64 {
        window
            .sum
            .formats
            .iter()
            .filter(|(format, _)| self.known.is_strange(format))
            .map(|(_, records)| records)
            .sum()
    }

    pub(crate) fn is_pressing(&self, window: &LogWindow) -> bool {
        let strange = self.strange(window);
        strange > 0 && self.model.is_pressing(&window.sample(strange))
    }

    /// What is strange and no anomaly, nor on its way to become one, is known after a while.
    pub(crate) fn judge(
        &mut self,
        window: &LogWindow,
        subject: &Subject,
        off: bool,
    ) -> Option<Change> {
        let strange = self.strange(window);
        let verdict = self.model.judge(&window.sample(strange))?;
        let named = if verdict.phase.is_anomalous() {
            self.named(window)
        } else {
            Vec::new()
        };
        let change = if off {
            self.episode.dismiss(window.end(), NOT_JUDGED)
        } else {
            let origin = Origin {
                subject,
                measure: Measure::LogFormatRatio,
                detector: self.model.name(),
                scale: 1.0,
                peers: None,
            };
            self.episode.follow(&verdict, origin, |_| named)
        };
        let learning = matches!(verdict.phase, Phase::Learning(_));
        let normal = verdict.phase == Phase::Normal && verdict.score.get() == 0.0;
        let at_once = learning || verdict.phase == Phase::Shifted;
        if self.held || !(at_once || normal) {
            self.known.doubt();
        } else {
            for (format, _) in &window.sum.formats {
                self.known.see(format, window.end(), at_once);
            }
        }
        change
    }

    /// The format that most of the strange records are of.
    fn named(&self, window: &LogWindow) -> Vec<Contribution> {
        let strange = self.strange(window).max(1) as f64;
        window
            .sum
            .formats
            .iter()
            .filter(|(format, _)| self.known.is_strange(format))
            .max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)))
            .map(|(format, records)| Contribution {
                dimension: "format".into(),
                value: if format.is_empty() {
                    UNRECOGNISED.into()
                } else {
                    format.clone()
                },
                share: *records as f64 / strange,
                usual_share: 0.0,
            })
            .into_iter()
            .collect()
    }
}
