//! Which version of a signal's model it is, and what that version was fed.
//!
//! Follows the verdicts, because every detector gives them: a new version begins when a model that
//! had an opinion is learning again (it was made afresh), or says that what was unusual is the new
//! normal.

use monitor_core::Time;
use monitor_detect::{Phase, Verdict};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lineage {
    /// 0 before the first verdict.
    pub(crate) version: u32,
    pub(crate) because: Because,
    pub(crate) created: Time,
    pub(crate) learned_to: Time,
    pub(crate) observations: u64,
    pub(crate) learning: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Because {
    #[default]
    Made,
    MadeAfresh,
    Shifted,
}

impl Because {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Because::Made => "made",
            Because::MadeAfresh => "made afresh",
            Because::Shifted => "shifted",
        }
    }
}

impl Lineage {
    pub(crate) fn see(&mut self, verdict: &Verdict) {
        let learning = matches!(verdict.phase, Phase::Learning(_)) || verdict.guarded;
        let because = if self.version == 0 {
            Some(Because::Made)
        } else if verdict.phase == Phase::Shifted {
            Some(Because::Shifted)
        } else if learning && !self.learning && !verdict.guarded {
            Some(Because::MadeAfresh)
        } else {
            None
        };
        if let Some(because) = because {
            self.version = self.version.saturating_add(1);
            self.because = because;
            self.created = verdict.start;
        }
        self.learning = learning;
        self.learned_to = verdict.end;
        self.observations = verdict.learned_from;
    }
}
