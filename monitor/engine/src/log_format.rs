//! Which formats a service writes its records in, and whether it begins to write others.
//!
//! A changed format harms nobody by itself. But whoever reads those lines (we, dashboards, alerts
//! on fields) may read nothing any more, and nobody else would say so.

use monitor_core::{Measure, Name, Subject, Time, Watching};
use serde::{Deserialize, Serialize};

use crate::bucket::LogBucket;
use crate::config::EngineConfig;
use crate::episode::{Change, Episode};
use crate::models;
use crate::newcomers::{Kind, Newcomers, Told};
use crate::window::LogWindow;

/// As a person reads the name of no format.
const UNRECOGNISED: &str = "unrecognised";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Formats(Newcomers<Name>);

impl Kind for Name {
    fn name(&self) -> Name {
        if self.is_empty() {
            UNRECOGNISED.into()
        } else {
            self.clone()
        }
    }
}

impl Formats {
    pub(crate) fn new(config: &EngineConfig) -> Formats {
        Formats(Newcomers::new(models::log_format(config)))
    }

    pub(crate) fn episode(&self) -> &Episode {
        &self.0.episode
    }

    pub(crate) fn episode_mut(&mut self) -> &mut Episode {
        &mut self.0.episode
    }

    pub(crate) fn tune(&mut self, own: Option<&Watching>, config: &EngineConfig) {
        let (options, budget) = models::log_format_wishes(own, config);
        self.0.tune(options, budget);
    }

    pub(crate) fn hold(&mut self, hold: bool) {
        self.0.hold(hold);
    }

    pub(crate) fn skip_to(&mut self, time: Time) {
        self.0.skip_to(time);
    }

    pub(crate) fn is_pressing(&self, window: &LogWindow) -> bool {
        let sample = |strange| window.sample(strange);
        self.0.is_pressing(formats(&window.sum), sample)
    }

    pub(crate) fn judge(
        &mut self,
        window: &LogWindow,
        subject: &Subject,
        off: bool,
    ) -> Option<Change> {
        let told = Told {
            subject,
            measure: Measure::LogFormatRatio,
            dimension: "format",
            off,
        };
        let sample = |strange| window.sample(strange);
        self.0
            .judge(formats(&window.sum), sample, window.end(), told)
    }
}

fn formats(sum: &LogBucket) -> impl Iterator<Item = (&Name, u64)> + Clone {
    sum.formats
        .iter()
        .map(|(format, records)| (format, *records))
}
