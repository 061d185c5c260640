//! What an Api answers with, and whether it begins to answer otherwise: other statuses, other sizes.
//!
//! A redirect where there was an answer, 204 where there was a body, 422 where there was 400, an empty
//! list or one ten times as long: nothing fails by our books, and whoever calls may no longer
//! understand. Failures and refusals have detectors of their own.

use monitor_core::{Measure, Name, Subject, Time, Watching};
use monitor_detect::{RatioKind, Reading};
use serde::{Deserialize, Serialize};

use crate::config::EngineConfig;
use crate::dimensions::Label;
use crate::episode::{Change, Episode};
use crate::models;
use crate::newcomers::{Kind, Newcomers, Told};
use crate::sizes::SizeClass;
use crate::window::CallWindow;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Contract {
    /// Most Apis have two.
    statuses: Newcomers<Label>,
    /// `None` as long as nobody says how large its answers are.
    sizes: Option<Box<Newcomers<SizeClass>>>,
    held: bool,
}

impl Kind for Label {
    fn name(&self) -> Name {
        Label::name(self)
    }
}

impl Contract {
    pub(crate) fn new(config: &EngineConfig) -> Contract {
        Contract {
            statuses: Newcomers::new(models::contract(RatioKind::NewStatus, config)),
            sizes: None,
            held: false,
        }
    }

    /// Knows nothing, because calls are counted from other evidence now; what is open stays open.
    pub(crate) fn forget(&mut self, own: Option<&Watching>, config: &EngineConfig) {
        self.statuses
            .forget(models::contract(RatioKind::NewStatus, config));
        if let Some(sizes) = &mut self.sizes {
            sizes.forget(models::contract(RatioKind::NewSize, config));
        }
        self.tune(own, config);
    }

    pub(crate) fn tune(&mut self, own: Option<&Watching>, config: &EngineConfig) {
        let (options, budget) = models::contract_wishes(own, config);
        self.statuses.tune(options, budget);
        if let Some(sizes) = &mut self.sizes {
            sizes.tune(options, budget);
        }
    }

    pub(crate) fn hold(&mut self, hold: bool) {
        self.held = hold;
        self.statuses.hold(hold);
        if let Some(sizes) = &mut self.sizes {
            sizes.hold(hold);
        }
    }

    pub(crate) fn skip_to(&mut self, time: Time) {
        self.statuses.skip_to(time);
        if let Some(sizes) = &mut self.sizes {
            sizes.skip_to(time);
        }
    }

    /// Its signals with the detectors that judge them.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (Measure, &'static str, &Episode)> {
        let statuses = &self.statuses;
        let statuses = (Measure::NewStatusRatio, statuses.name(), &statuses.episode);
        let sizes = self.sizes.as_deref();
        let sizes = sizes.map(|sizes| (Measure::NewSizeRatio, sizes.name(), &sizes.episode));
        std::iter::once(statuses).chain(sizes)
    }

    pub(crate) fn episodes(&mut self) -> impl Iterator<Item = &mut Episode> {
        let sizes = self.sizes.as_deref_mut().map(|sizes| &mut sizes.episode);
        std::iter::once(&mut self.statuses.episode).chain(sizes)
    }

    pub(crate) fn judge(
        &mut self,
        window: &CallWindow,
        subject: &Subject,
        (own, off): (Option<&Watching>, bool),
        config: &EngineConfig,
    ) -> impl Iterator<Item = Change> {
        let of = |part, whole| window.sample(Reading::Share { part, whole });
        let told = Told {
            subject,
            measure: Measure::NewStatusRatio,
            dimension: "status",
            off,
        };
        let answers = window.dimensions.answers();
        let sample = |strange| of(strange, window.calls);
        let status = self.statuses.judge(answers, sample, window.end(), told);
        let size = (!window.sizes.is_empty()).then(|| {
            let sizes = self.sizes.get_or_insert_with(|| {
                let mut sizes = Newcomers::new(models::contract(RatioKind::NewSize, config));
                let (options, budget) = models::contract_wishes(own, config);
                sizes.tune(options, budget);
                sizes.hold(self.held);
                Box::new(sizes)
            });
            let told = Told {
                measure: Measure::NewSizeRatio,
                dimension: "http.response.body.size",
                ..told
            };
            let sample = |strange| of(strange, window.sizes.answers());
            sizes.judge(window.sizes.iter(), sample, window.end(), told)
        });
        status.into_iter().chain(size.flatten())
    }
}
