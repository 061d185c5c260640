//! What a service has begun to warn of.
//!
//! A message at WARN or above that was not written for ten minutes and now is: memory that gets
//! scarce, a pool that is empty, calls that are tried again. What is written all the time says nothing.
//! Called by the service's track; [`crate::risk`] learns which of them failures follow.

use std::collections::BTreeMap;

use monitor_core::TemplateId;
use serde::{Deserialize, Serialize};

use crate::bucket::LogBucket;

/// Messages remembered of one service.
const MAX_KNOWN: usize = 64;
/// Not written for so long, it is news when it comes again …
const QUIET_SECS: i64 = 600;
/// … and written for so long it is none any more.
const NEWS_SECS: i64 = 1_800;
/// It is still so, for so long after it was last written.
const LASTS_SECS: i64 = 300;
/// At first every message is new.
const FIRST_SECS: i64 = 600;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Warnings {
    known: BTreeMap<TemplateId, Burst>,
    first: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Burst {
    began: i64,
    latest: i64,
}

impl Warnings {
    /// What was written in `second`; seconds ascend.
    pub(crate) fn add(&mut self, second: i64, bucket: &LogBucket) {
        let first = *self.first.get_or_insert(second);
        let usual = second.saturating_sub(NEWS_SECS + 1);
        let warned = bucket
            .templates
            .iter()
            .filter(|(_, count)| count.warned > 0);
        for (template, _) in warned {
            let news = if second - first < FIRST_SECS {
                usual
            } else {
                second
            };
            let burst = self.known.entry(*template).or_insert(Burst {
                began: news,
                latest: second,
            });
            if second - burst.latest >= QUIET_SECS {
                burst.began = second;
            }
            burst.latest = second;
            if self.known.len() > MAX_KNOWN {
                self.forget_oldest();
            }
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.known.iter().min_by_key(|(_, burst)| burst.latest);
        if let Some(template) = oldest.map(|(template, _)| *template) {
            self.known.remove(&template);
        }
    }

    /// What it has begun to warn of, at `now`.
    pub(crate) fn news(&self, now: i64) -> impl Iterator<Item = TemplateId> {
        self.known.iter().filter_map(move |(template, burst)| {
            let is_news = now - burst.began <= NEWS_SECS && now - burst.latest <= LASTS_SECS;
            is_news.then_some(*template)
        })
    }
}

#[cfg(test)]
mod tests {
    use monitor_core::Severity;

    use super::*;

    fn warn(warnings: &mut Warnings, second: i64, template: u64) {
        let mut bucket = LogBucket::default();
        bucket.add(
            Some(Severity::Warn),
            Some(TemplateId(template)),
            None,
            None,
            None,
        );
        bucket.add(Some(Severity::Info), Some(TemplateId(99)), None, None, None);
        warnings.add(second, &bucket);
    }

    fn news(warnings: &Warnings, now: i64) -> Vec<u64> {
        warnings.news(now).map(|template| template.0).collect()
    }

    #[test]
    fn what_begins_is_news_and_what_is_always_written_is_not() {
        let mut warnings = Warnings::default();
        for second in (0..7_200).step_by(60) {
            warn(&mut warnings, second, 1);
        }
        assert_eq!(news(&warnings, 7_200), Vec::<u64>::new());
        warn(&mut warnings, 7_200, 2);
        assert_eq!(news(&warnings, 7_230), [2]);
        assert_eq!(news(&warnings, 7_501), Vec::<u64>::new());
        // Again after a while is news again; on and on it becomes usual.
        for second in (14_400..18_000).step_by(60) {
            warn(&mut warnings, second, 2);
            assert_eq!(news(&warnings, second).is_empty(), second - 14_400 > 1_800);
        }
    }

    #[test]
    fn a_service_that_warns_of_ever_new_things_takes_bounded_memory() {
        let mut warnings = Warnings::default();
        warn(&mut warnings, 0, 0);
        for at in 1_000..3_000 {
            warn(&mut warnings, at, at.unsigned_abs());
        }
        assert_eq!(warnings.known.len(), MAX_KNOWN);
        assert_eq!(news(&warnings, 2_999).len(), MAX_KNOWN);
    }
}
