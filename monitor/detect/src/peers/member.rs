//! How one member of a group usually differs from the others.

use monitor_core::{Name, Time};
use serde::{Deserialize, Serialize};

use super::Contrast;
use crate::level::Level;
use crate::tails::beta_binomial_above;

/// Spread of ratios that is taken for granted: 6 percent.
const FLOOR: f64 = 0.06;
/// To be like the others is believed of who joins them as if so many windows had shown it.
const BELIEVED_WINDOWS: u32 = 24;
/// Windows remembered of ratios and own times.
const MEMORY: f64 = 200.0;
/// What counts as having become slower itself, of who is known for so many windows.
const RISEN: f64 = 0.2;
const KNOWN: u32 = 12;
/// Failures expected and seen before, of which the usual ratio is believed to be 1.
const PRIOR_FAILURES: f64 = 5.0;
const MOST_FAILURES: f64 = 1_000.0;
/// Failures fall on members as if in draws of so many at once at first; calmer ones are learned.
const EARLY_CORRELATION: f64 = 0.05;
const LATE_CORRELATION: f64 = 0.01;
const MOST_CORRELATION: f64 = 0.5;
const CALM_WINDOWS: f64 = 50.0;
/// Fewer failures than this accuse nobody.
const FEWEST_FAILURES: u64 = 5;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) name: Name,
    pub(super) since: Time,
    pub(super) last: Time,
    /// Held to be like the others from the start.
    pub(super) equal: bool,
    pub(super) windows: u32,
    slower: Level,
    /// Means of logarithms: its times to the others', and its times in seconds.
    log_ratio: f64,
    own_log: f64,
    failures: f64,
    expected_failures: f64,
    correlation: f64,
    failing_windows: f64,
}

/// Of which a window may be learned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) level: bool,
    pub(super) errors: bool,
}

impl Member {
    pub(super) fn equal(name: Name, since: Time) -> Member {
        let mut member = Member {
            equal: true,
            ..Member::apprentice(name, since)
        };
        for window in 0..BELIEVED_WINDOWS {
            let stray = if window % 2 == 0 { FLOOR } else { -FLOOR };
            member.slower.learn(stray, 0.0);
        }
        member
    }

    pub(super) fn apprentice(name: Name, since: Time) -> Member {
        Member {
            name,
            since,
            last: since,
            equal: false,
            windows: 0,
            slower: Level::new(FLOOR),
            log_ratio: 0.0,
            own_log: 0.0,
            failures: 0.0,
            expected_failures: 0.0,
            correlation: 0.0,
            failing_windows: 0.0,
        }
    }

    /// How many times as long as the others' its calls usually take.
    pub(super) fn usual_ratio(&self) -> f64 {
        self.log_ratio.exp()
    }

    /// How many times as often as the others' its calls usually fail.
    pub(super) fn usual_failures(&self) -> f64 {
        (self.failures + PRIOR_FAILURES) / (self.expected_failures + PRIOR_FAILURES)
    }

    /// Its calls take longer than they did, whatever the others' do. Unknown of who is new.
    pub(super) fn has_risen(&self, contrast: &Contrast) -> bool {
        self.windows < KNOWN
            || contrast.own_log / contrast.weight >= self.own_log + (1.0 + RISEN).ln()
    }

    /// How likely it is to be so much slower by chance.
    pub(super) fn p_slower(&self, contrast: &Contrast) -> f64 {
        let (value, variance) = slowness(contrast);
        self.slower.expect(variance).above(value)
    }

    /// How likely so many of all failures are its own by chance.
    pub(super) fn p_failing(&self, contrast: &Contrast) -> f64 {
        let all = contrast.errors + contrast.other_errors;
        if contrast.errors < FEWEST_FAILURES {
            return 1.0;
        }
        let share = self.share_of_failures(contrast);
        let caution = CALM_WINDOWS / (CALM_WINDOWS + self.failing_windows);
        let floor = LATE_CORRELATION + (EARLY_CORRELATION - LATE_CORRELATION) * caution;
        let size = 1.0 / self.correlation.clamp(floor, MOST_CORRELATION) - 1.0;
        beta_binomial_above(contrast.errors, all, share * size, (1.0 - share) * size)
    }

    fn share_of_failures(&self, contrast: &Contrast) -> f64 {
        let all = (contrast.errors + contrast.other_errors).max(1) as f64;
        let fair = (contrast.expected_errors / all).clamp(1e-6, 1.0 - 1e-6);
        let usual = fair * self.usual_failures();
        usual / (usual + 1.0 - fair)
    }

    pub(super) fn learn(&mut self, contrast: &Contrast, seen: Seen) {
        if seen.level && contrast.weight > 0.0 {
            let (value, variance) = slowness(contrast);
            self.slower.learn(value, variance);
            let weight = 1.0 / (f64::from(self.windows) + 1.0).min(MEMORY);
            let own = contrast.own_log / contrast.weight;
            let ratio = own - contrast.other_log / contrast.weight;
            self.log_ratio += (ratio - self.log_ratio) * weight;
            self.own_log += (own - self.own_log) * weight;
            self.windows = self.windows.saturating_add(1);
        }
        let all = contrast.errors + contrast.other_errors;
        if seen.errors && all > 0 {
            let share = self.share_of_failures(contrast);
            if all > 1 {
                let all = all as f64;
                let residual = contrast.errors as f64 - all * share;
                let excess = residual * residual / (all * share * (1.0 - share)) - 1.0;
                self.failing_windows += 1.0;
                let shown = (excess / (all - 1.0)).clamp(-1.0, 1.0);
                self.correlation += (shown - self.correlation) / self.failing_windows.min(MEMORY);
            }
            self.failures += contrast.errors as f64;
            self.expected_failures += contrast.expected_errors;
            if self.expected_failures.max(self.failures) > MOST_FAILURES {
                self.failures /= 2.0;
                self.expected_failures /= 2.0;
            }
        }
    }
}

/// The logarithm of how many times slower it is, with its variance.
fn slowness(contrast: &Contrast) -> (f64, f64) {
    let weight = contrast.weight;
    (
        contrast.shift / weight,
        contrast.variance / (weight * weight),
    )
}
