//! Traffic drop, silence and surge.
//!
//! Counts the calls of windows that are long enough to expect some thirty, and compares them with
//! the learned rate by a negative binomial test (Poisson with learned overdispersion). An Api so
//! sparse that no window is long enough is judged by the gaps between its calls instead.

use std::time::Duration;

use monitor_core::{Band, Direction, Score, Time};
use serde::{Deserialize, Serialize};

use crate::detector::{Detector, Phase, Reading, Sample, Verdict};
use crate::evidence::{Evidence, Most, OUTSIDE, Window};
use crate::experience::Experience;
use crate::learning::LearningRule;
use crate::options::{DetectionDirection, Options, direction};
use crate::seasonal::{Outward, Season};
use crate::sensitivity::Sensitivity;
use crate::tails::{count_at_least, count_at_most};

/// Lengths of a window, in seconds; the shortest one that expects enough calls is used.
const SPANS: [u32; 8] = [5, 10, 20, 30, 60, 120, 300, 600];
const ENOUGH: f64 = 30.0;
/// The length is chosen anew only outside this range of expected calls, so that it does not
/// flutter.
const KEEP: (f64, f64) = (15.0, 150.0);
/// Windows remembered for their scatter.
const MEMORY: f64 = 120.0;
/// The rate itself follows the tide of the day: it remembers an hour, but at least so many windows.
const RATE_SECS: f64 = 3600.0;
const RATE_WINDOWS: f64 = 8.0;
/// Where tides are faster than that, a rate that remembers so few windows errs less …
const QUICK_WINDOWS: f64 = 4.0;
/// … and is believed once its squared error has been so much smaller over hours: a single slow
/// outage does not make a rate that follows it.
const QUICKER: f64 = 0.8;
const ERRORS_SECS: f64 = 4.0 * 3600.0;
const FEWEST_ERRORS: f64 = 60.0;
/// Overdispersion before any was seen: windows vary by a fifth beyond Poisson.
const PRIOR_DISPERSION: f64 = 0.04;
const PRIOR_WINDOWS: f64 = 10.0;
const MOST_DISPERSION: f64 = 2.0;
/// The factor from which on a rate is a surge, where nothing else is said.
const SURGE: f64 = 2.0;
/// A window is judged before its time only when so many calls were expected of it, or came.
const PRESSING_CALLS: f64 = 10.0;
const PRESSING_SECS: u32 = 2;
const MOST_OF_ONE_WINDOW: f64 = 0.55;
/// Single windows count only from so many times the length on from which those of response times do: one
/// request passes many Apis, so what is strange in one window is so in many Apis at once.
const LONGER_ALONE: u32 = 4;
/// A sparse Api is silent when so many calls could have been expected in vain (exponential gaps are so
/// long once in 7·10¹⁰ calls) and twice as many as ever before, whichever is more, and not within a minute.
const MISSED_CALLS: f64 = 25.0;
const LONGEST_GAPS: f64 = 2.0;
const SHORTEST_SILENCE: Duration = Duration::from_secs(60);
/// How often an ongoing gap is judged, in seconds.
const GAP_STEP: u32 = 10;
/// How long nothing at all must come before nothing at all becomes normal.
const GONE: Duration = Duration::from_secs(24 * 3600);
const STABLE_WINDOWS: f64 = 10.0;
/// A window this unlikely under the would-be new rate shows that it is not stable.
const UNSTABLE: f64 = 1e-4;
/// Rates below this, in calls a second, are no different from none when they come by the clock.
const NO_RATE: f32 = 1e-3;
/// An hour is remarkable when its rate differs by more than this factor.
const REMARKABLE: f64 = 1.6;
/// How far windows scatter around what is usual at an hour, beyond Poisson.
const SEASONAL_DISPERSION: f64 = 0.02;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrafficDetector {
    options: Options,
    rule: LearningRule,
    sensitivity: Sensitivity,
    shift_after: Duration,
    active_secs: u32,
    calls: u64,
    /// A rate is a surge from so many times the expected one on.
    surge: f64,
    /// Seconds in one window.
    span: u32,
    shortest_span: u32,
    begun: Option<Begun>,
    model: Model,
    evidence: Evidence,
    candidate: Option<(Time, Model)>,
    gaps: Gaps,
    season: Season,
    held: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Begun {
    start: Time,
    seconds: u32,
    active_secs: u32,
    calls: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Model {
    /// Calls a second, over the last hour.
    steady: f64,
    /// Over the last few windows.
    quick: f64,
    /// Mean squared errors of the two, in parts of what was expected, and of how many windows.
    errors: [f64; 2],
    erred: f64,
    dispersion: f64,
    windows: f64,
}

/// Lengths are in calls that could have been expected meanwhile: a night is short where nobody calls at
/// night.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Gaps {
    /// The current gap began with a call: its length is the whole of it.
    whole: bool,
    /// Start of what is counted as the current gap: later than the last call after a blind time.
    since: Option<Time>,
    /// Calls a second when it began.
    rate: f64,
    /// How long it is.
    length: f64,
    /// It is known as an anomaly.
    told: bool,
    /// Seconds of it that were not looked at yet.
    unjudged_secs: u32,
    longest: f64,
}

impl TrafficDetector {
    pub fn new(
        options: Options,
        rule: LearningRule,
        sensitivity: Sensitivity,
        shift_after: Duration,
    ) -> TrafficDetector {
        TrafficDetector {
            options,
            rule,
            sensitivity,
            shift_after,
            active_secs: 0,
            calls: 0,
            surge: SURGE,
            span: SPANS[0],
            shortest_span: SPANS[0],
            begun: None,
            model: Model::default(),
            evidence: Evidence::default(),
            candidate: None,
            gaps: Gaps::default(),
            season: Season::new([Outward::Down, Outward::Up], NO_RATE),
            held: false,
        }
    }

    /// At least three tenths below the expected rate, or twice that rate: what is above it by less
    /// is a good day.
    pub fn default_options() -> Options {
        Options {
            detection_direction: DetectionDirection::Both,
            min_rel_dev_from_expected: 0.3,
            ..Options::default()
        }
    }

    /// Of log records: silence, and a flood of so many more that it does harm by itself.
    pub fn log_options() -> Options {
        Options {
            detection_direction: DetectionDirection::Both,
            min_dev_from_expected: 2.0,
            min_rel_dev_from_expected: 0.9,
            ..Options::default()
        }
    }

    /// What is above the expected by less than this factor is no surge.
    #[must_use]
    pub fn surging_from(self, factor: f64) -> TrafficDetector {
        TrafficDetector {
            surge: factor,
            ..self
        }
    }

    /// For evidence that itself comes in intervals, such as histograms once a minute: a window
    /// shorter than several of them would see bursts and holes.
    pub fn set_shortest_span(&mut self, seconds: u32) {
        if seconds > self.shortest_span {
            self.shortest_span = seconds;
            self.span = self.span.max(seconds);
        }
    }

    /// The learned rate in calls a second; `None` while learning.
    pub fn expected_rate(&self) -> Option<f64> {
        self.rule
            .progress(self.active_secs, self.calls)
            .is_none()
            .then_some(self.model.rate())
    }

    fn choose_span(&mut self) {
        let expected = self.model.rate() * f64::from(self.span);
        if (KEEP.0..=KEEP.1).contains(&expected) {
            return;
        }
        let longest = SPANS[SPANS.len() - 1];
        let best = SPANS
            .into_iter()
            .filter(|span| *span >= self.shortest_span)
            .find(|span| self.model.rate() * f64::from(*span) >= ENOUGH)
            .unwrap_or(longest.max(self.shortest_span));
        if best != self.span {
            self.span = best;
            // How windows of another length scatter is not known.
            self.model.windows = self.model.windows.min(PRIOR_WINDOWS);
            self.model.dispersion = self.model.dispersion.max(PRIOR_DISPERSION);
        }
    }

    fn is_sparse(&self) -> bool {
        self.model.rate() * f64::from(self.span) < KEEP.0
    }

    fn judge_window(&mut self, window: Begun) -> Verdict {
        let span = f64::from(window.seconds);
        let end = window.start + Duration::from_secs(u64::from(window.seconds));
        let learned_from = self.calls;
        let learning = self.rule.progress(self.active_secs, self.calls);
        let actual = window.calls as f64 / span;
        let p = if learning.is_some() {
            1.0
        } else {
            self.probability(window)
        };
        let (score, phase) = self
            .evidence
            .weigh(self.weighed(window, p), self.sensitivity);
        let mut phase = match learning {
            Some(progress) => Phase::Learning(progress),
            None => phase,
        };
        if self.held {
            self.candidate = None;
        } else if self.has_shifted(window, end) {
            phase = Phase::Shifted;
        } else if self.evidence.teaches(p) {
            self.model.learn(window.calls, span);
            self.calls = self.calls.saturating_add(window.calls);
            self.active_secs = self.active_secs.saturating_add(window.active_secs);
            if learning.is_none() || self.rule.progress(self.active_secs, self.calls).is_none() {
                self.choose_span();
            }
        }
        let rates = (self.model.rate(), actual);
        self.verdict((window.start, end), rates, learned_from, (score, phase, p))
    }

    /// As it is weighed, when it is this likely.
    fn weighed(&self, window: Begun, p: f64) -> Window {
        let span = Duration::from_secs(u64::from(window.seconds));
        Window {
            start: window.start,
            end: window.start + span,
            p,
            most: self
                .options
                .most_of_one(span / LONGER_ALONE, MOST_OF_ONE_WINDOW),
        }
    }

    /// How likely the window is by what is usual at this hour; 0 when nobody knows.
    fn by_the_clock(&self, window: Begun) -> f64 {
        let Some([low, high]) = self.season.usual(window.start) else {
            return 0.0;
        };
        let span = f64::from(window.seconds);
        // Where the hour says nothing that the last hour does not say, it decides nothing.
        if (window.calls as f64) < self.model.rate() * span && low < self.model.rate() / REMARKABLE
        {
            count_at_most(window.calls, low * span, SEASONAL_DISPERSION)
        } else if high > self.model.rate() * REMARKABLE {
            count_at_least(window.calls, high * span, SEASONAL_DISPERSION)
        } else {
            0.0
        }
    }

    /// Keeps what the hour is like.
    fn see_season(&mut self, window: Begun) {
        if !self.held {
            let rate = window.calls as f64 / f64::from(window.seconds.max(1));
            let span = Duration::from_secs(u64::from(window.seconds));
            let anomalous = self.evidence.is_anomalous();
            self.season.see(window.start, span, [rate, rate], anomalous);
        }
    }

    /// Local time is so many seconds ahead of UTC: days and weeks begin by it.
    pub fn set_utc_offset(&mut self, secs: i32) {
        self.season.set_offset(secs);
    }

    /// The calls a second that are usual at this hour, downwards and upwards; `None` where nobody knows
    /// yet.
    pub fn usual(&self, at: Time) -> Option<[f64; 2]> {
        self.season.usual(at)
    }

    /// By the last hour and by the hour of the day, whichever makes it more likely.
    fn probability(&self, window: Begun) -> f64 {
        let p = self.by_the_rate(window);
        if p < 1.0 {
            p.max(self.by_the_clock(window))
        } else {
            p
        }
    }

    /// By the rate that is believed, and where that is the quick one by the hour's too, whichever makes
    /// it more likely: the end of a peak is no drop.
    fn by_the_rate(&self, window: Begun) -> f64 {
        let (rate, steady) = (self.model.rate(), self.model.steady);
        let p = self.by_a_rate(window, rate);
        if p < 1.0 && rate != steady {
            p.max(self.by_a_rate(window, steady))
        } else {
            p
        }
    }

    fn by_a_rate(&self, window: Begun, rate: f64) -> f64 {
        let span = f64::from(window.seconds);
        let actual = window.calls as f64 / span;
        let mean = rate * span;
        let dispersion = self.dispersion(window.seconds);
        let surge = 1.0 + (self.surge - 1.0) * self.options.interest;
        let calm = actual > rate && actual < surge * rate;
        if !self.options.in_range(actual) {
            f64::MIN_POSITIVE
        } else if self.is_sparse() || calm || !self.options.concerns(actual, rate) {
            1.0
        } else if actual < rate {
            count_at_most(window.calls, mean, dispersion)
        } else {
            count_at_least(window.calls, mean, dispersion)
        }
    }

    /// How windows of so many seconds scatter. What is learned is of whole ones; where calls come in
    /// bursts the variance of a part is the same multiple of its mean, so by the square of its smaller
    /// mean it scatters more.
    fn dispersion(&self, seconds: u32) -> f64 {
        let part = f64::from(seconds) / f64::from(self.span);
        self.model.predictive() / part.clamp(0.01, 1.0)
    }

    /// Whether what is gathered of a window shows enough not to wait for the rest.
    fn is_urgent(&self, window: Begun) -> bool {
        let expected = self.model.rate() * f64::from(window.seconds);
        if window.seconds < PRESSING_SECS
            || self.shortest_span > SPANS[0]
            || expected.max(window.calls as f64) < PRESSING_CALLS
            || self.evidence.is_anomalous()
            || self.rule.progress(self.active_secs, self.calls).is_some()
        {
            return false;
        }
        let p = self.probability(window);
        let window = self.weighed(window, p);
        p < OUTSIDE && self.evidence.presses(window, self.sensitivity)
    }

    fn has_shifted(&mut self, window: Begun, end: Time) -> bool {
        if !self.evidence.is_anomalous() {
            self.candidate = None;
            return false;
        }
        let fresh = || (window.start, Model::default());
        let (since, model) = self.candidate.get_or_insert_with(fresh);
        if !model.agrees(window) {
            (*since, *model) = fresh();
        }
        model.learn(window.calls, f64::from(window.seconds));
        let wait = if model.rate() > 0.0 {
            self.shift_after
        } else {
            GONE
        };
        if end.since(*since) < wait || model.windows < STABLE_WINDOWS {
            return false;
        }
        self.model = std::mem::take(model);
        self.candidate = None;
        self.evidence.reset();
        self.choose_span();
        true
    }

    /// Judges the gap since the last call, every few seconds and when a call ends it.
    fn judge_gap(&mut self, sample: &Sample<'_>, calls: u64) -> Option<Verdict> {
        if self.rule.progress(self.active_secs, self.calls).is_some() {
            return None;
        }
        let since = self.gaps.since?;
        let end = sample.end();
        let limit = self.gaps.limit();
        let too_long = self.gaps.length > limit && end.since(since) > SHORTEST_SILENCE;
        // A silence ends with a call, and not because nobody would have called at this hour.
        let silent = calls == 0 && (self.gaps.told || too_long);
        let start = if silent { since } else { sample.start };
        let (score, phase) = self.evidence.weigh(
            Window {
                start,
                end,
                p: if silent { f64::MIN_POSITIVE } else { 0.5 },
                most: Most::Share(1.01),
            },
            self.sensitivity,
        );
        let score = if phase.is_anomalous() {
            self.gaps.told = silent;
            Score::new((self.gaps.length / limit).max(score.get()))
        } else {
            score
        };
        let (rates, p) = if silent {
            // What was learned of the hours before may be next to nothing.
            let usual = self.season.usual(sample.start).map_or(0.0, |[low, _]| low);
            ((self.model.rate().max(usual), 0.0), 0.0)
        } else {
            ((self.model.rate(), self.model.rate()), 1.0)
        };
        Some(self.verdict((start, end), rates, self.calls, (score, phase, p)))
    }

    fn verdict(
        &self,
        (start, end): (Time, Time),
        (typical, actual): (f64, f64),
        learned_from: u64,
        (score, phase, p): (Score, Phase, f64),
    ) -> Verdict {
        let span = end.since(start).as_secs_f64().max(1.0);
        let mean = typical * span;
        // Beyond this many deviations lies about one in a hundred, on either side.
        let margin = 2.33 * (mean + self.model.predictive() * mean * mean).sqrt();
        Verdict {
            score,
            outside: p < OUTSIDE,
            phase,
            guarded: matches!(phase, Phase::Learning(_)),
            start,
            end,
            statistic: "rate",
            direction: if actual == typical {
                Direction::Below
            } else {
                direction(actual, typical)
            },
            typical,
            actual,
            band: Band {
                lower: ((mean - margin) / span).max(0.0),
                upper: (mean + margin) / span,
            },
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count that was divided by its span before"
            )]
            observations: (actual * span).round() as u64,
            learned_from,
        }
    }
}

impl Detector for TrafficDetector {
    fn name(&self) -> &'static str {
        "traffic"
    }

    /// Wants one-second counts, the empty seconds too.
    fn judge(&mut self, sample: &Sample<'_>) -> Option<Verdict> {
        let Reading::Count(calls) = sample.reading else {
            return None;
        };
        let begun = self.begun.get_or_insert(Begun {
            start: sample.start,
            seconds: 0,
            active_secs: 0,
            calls: 0,
        });
        begun.seconds += u32::try_from(sample.span.as_secs()).unwrap_or(u32::MAX);
        begun.active_secs += sample.active_secs;
        begun.calls = begun.calls.saturating_add(calls);
        let window = *begun;
        let sparse = self.is_sparse();
        let season = &self.season;
        let usual = || Some(expected(season.usual(sample.start)?, self.span));
        let secs = u32::try_from(sample.span.as_secs()).unwrap_or(u32::MAX);
        let due = calls > 0 || self.gaps.is_due(secs, usual);
        let gap = if sparse && due {
            self.judge_gap(sample, calls)
        } else {
            None
        };
        if calls > 0 {
            let teaches = !self.held && !self.evidence.is_anomalous();
            let season = &self.season;
            let usual = || Some(expected(season.usual(sample.start)?, self.span));
            let rate = self.model.rate();
            self.gaps.call(sample.start, teaches, usual, rate);
        }
        if window.seconds < self.span && !self.is_urgent(window) {
            return gap;
        }
        self.begun = None;
        self.see_season(window);
        if sparse && self.rule.progress(self.active_secs, self.calls).is_none() {
            // The window only teaches the rate; the gaps decide.
            if !self.held && !self.evidence.is_anomalous() {
                self.model.learn(window.calls, f64::from(window.seconds));
                self.calls = self.calls.saturating_add(window.calls);
                self.choose_span();
            }
            return gap;
        }
        Some(self.judge_window(window))
    }

    fn skip_to(&mut self, time: Time) {
        self.begun = None;
        self.season.skip();
        self.candidate = None;
        self.gaps.whole = false;
        self.gaps.since = self.gaps.since.map(|_| time);
        self.gaps.length = 0.0;
        self.gaps.unjudged_secs = 0;
    }

    fn tune(&mut self, options: Options, sensitivity: Sensitivity) {
        self.options = options;
        self.sensitivity = sensitivity;
    }

    fn experience(&self) -> Experience {
        self.evidence.experience()
    }

    fn most_alarms_per_week(&self, others: Experience) -> f64 {
        self.evidence.most_alarms_per_week(others)
    }

    fn grant(&mut self, sensitivity: Sensitivity) {
        self.sensitivity = sensitivity;
    }

    fn hold(&mut self, hold: bool) {
        self.held = hold;
        self.evidence.hold(hold);
    }
}

/// Calls a second that can be counted on at an hour, by what is usual then downwards and upwards in
/// windows of so many seconds. Where few come at best, a window without any says nothing; where many
/// do, it says that none may come.
fn expected([low, high]: [f64; 2], span: u32) -> f64 {
    if high * f64::from(span) < KEEP.0 {
        f64::midpoint(low, high)
    } else {
        (low * high).sqrt()
    }
}

impl Gaps {
    /// The gap has ended; `usual` tells how many calls a second are usual at this hour, and `rate` how
    /// many came of late.
    fn call(&mut self, at: Time, teaches: bool, usual: impl FnOnce() -> Option<f64>, rate: f64) {
        if self.whole && teaches {
            self.lengthen(usual);
            // The longest gap is forgotten over some thousand calls.
            self.longest = (self.longest * 0.9995).max(self.length);
        }
        self.whole = true;
        self.since = Some(at);
        self.rate = rate;
        self.length = 0.0;
        self.told = false;
        self.unjudged_secs = 0;
    }

    /// So much more of the gap. True when it is time to look at it.
    fn is_due(&mut self, secs: u32, usual: impl FnOnce() -> Option<f64>) -> bool {
        self.unjudged_secs = self.unjudged_secs.saturating_add(secs);
        if self.unjudged_secs < GAP_STEP {
            return false;
        }
        self.lengthen(usual);
        true
    }

    fn lengthen(&mut self, usual: impl FnOnce() -> Option<f64>) {
        let seconds = std::mem::take(&mut self.unjudged_secs);
        if seconds > 0 {
            self.length += f64::from(seconds) * usual().unwrap_or(self.rate);
        }
    }

    /// From here on a gap is a silence.
    fn limit(&self) -> f64 {
        MISSED_CALLS.max(LONGEST_GAPS * self.longest)
    }
}

impl Model {
    /// Whether the window could be another of those that it learned from.
    fn agrees(&self, window: Begun) -> bool {
        if self.rate() == 0.0 {
            return window.calls == 0 || self.windows == 0.0;
        }
        let (mean, dispersion) = (self.rate() * f64::from(window.seconds), self.predictive());
        self.windows < STABLE_WINDOWS
            || (count_at_most(window.calls, mean, dispersion) > UNSTABLE
                && count_at_least(window.calls, mean, dispersion) > UNSTABLE)
    }

    fn predictive(&self) -> f64 {
        let known = self.windows.min(MEMORY);
        ((PRIOR_WINDOWS * PRIOR_DISPERSION + known * self.dispersion) / (PRIOR_WINDOWS + known))
            .clamp(0.0, MOST_DISPERSION)
            // The rate itself is uncertain while its windows are few; later that is in the scatter that
            // was seen, for it is that of counts around the rate as it was known.
            + (0.5 * PRIOR_DISPERSION + 1.0 / ENOUGH) / known.max(1.0)
    }

    fn learn(&mut self, calls: u64, span_secs: f64) {
        let calls = calls as f64;
        self.windows += 1.0;
        let weight = 1.0 / self.windows.min(MEMORY);
        let mean = self.rate() * span_secs;
        if self.windows > 1.0 && mean >= 1.0 {
            let residual = calls - mean;
            let shown = ((residual * residual - mean) / (mean * mean)).min(1.0);
            self.dispersion = (self.dispersion + (shown - self.dispersion) * weight).max(0.0);
        }
        let rate = calls / span_secs;
        let memory = (RATE_SECS / span_secs).clamp(RATE_WINDOWS, MEMORY);
        // Of windows that hardly ever hold a call, a rate that forgets foretells nearly all: none.
        if self.windows > memory && self.steady * span_secs >= KEEP.0 {
            self.compare(rate, ERRORS_SECS / span_secs);
        }
        self.steady += (rate - self.steady) / self.windows.min(memory);
        self.quick += (rate - self.quick) / self.windows.min(QUICK_WINDOWS);
    }

    /// Which of the two rates has foretold this one better.
    fn compare(&mut self, rate: f64, memory: f64) {
        self.erred += 1.0;
        let weight = 1.0 / self.erred.min(memory.max(FEWEST_ERRORS));
        for (error, foretold) in self.errors.iter_mut().zip([self.steady, self.quick]) {
            let shown = ((rate - foretold) / self.steady).powi(2).min(1.0);
            *error += (shown - *error) * weight;
        }
    }

    /// Calls a second that are expected now.
    fn rate(&self) -> f64 {
        let [steady, quick] = self.errors;
        if self.erred >= FEWEST_ERRORS && quick < QUICKER * steady {
            self.quick
        } else {
            self.steady
        }
    }
}
