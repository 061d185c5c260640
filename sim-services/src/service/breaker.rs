//! A circuit breaker: stops asking who keeps failing, and tries again with one call.
//!
//! Counts attempts, as resilience4j does where a retry surrounds a breaker (Nygard, "Release It!",
//! 2007, has the pattern). Decides only; time is an argument.

use std::collections::VecDeque;

use crate::clock::Moment;
use crate::topology::BreakerSpec;

#[derive(Debug)]
pub(super) struct Breaker {
    spec: BreakerSpec,
    state: State,
}

#[derive(Debug)]
enum State {
    /// What the last attempts came to; true is a failure.
    Closed {
        last: VecDeque<bool>,
        failures: u32,
    },
    Open {
        until: Moment,
    },
    /// One is under way and decides.
    HalfOpen,
}

impl Breaker {
    pub(super) fn new(spec: BreakerSpec) -> Breaker {
        Breaker {
            spec,
            state: State::closed(),
        }
    }

    /// Whether an attempt may be made; what it comes to must be told to [`Breaker::record`].
    pub(super) fn admits(&mut self, now: Moment) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until } if now >= until => {
                self.state = State::HalfOpen;
                true
            }
            State::Open { .. } | State::HalfOpen => false,
        }
    }

    /// Whether it opened by this.
    pub(super) fn record(&mut self, failed: bool, now: Moment) -> bool {
        let opens = match &mut self.state {
            State::Closed { last, failures } => {
                if last.len() >= self.spec.window.max(1) as usize && last.pop_front() == Some(true)
                {
                    *failures -= 1;
                }
                last.push_back(failed);
                *failures += u32::from(failed);
                last.len() >= self.spec.window as usize
                    && *failures > 0
                    && f64::from(*failures) >= self.spec.failure_ratio * f64::from(self.spec.window)
            }
            State::HalfOpen if failed => true,
            State::HalfOpen => {
                self.state = State::closed();
                false
            }
            // Was sent before it opened.
            State::Open { .. } => false,
        };
        if opens {
            self.state = State::Open {
                until: now + self.spec.open,
            };
        }
        opens
    }
}

impl State {
    fn closed() -> State {
        State::Closed {
            last: VecDeque::new(),
            failures: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(BreakerSpec {
            window: 4,
            failure_ratio: 0.5,
            open: Duration::from_secs(5),
        })
    }

    fn at(secs: i64) -> Moment {
        Moment::from_secs(secs)
    }

    #[test]
    fn opens_when_half_of_the_last_four_failed() {
        let mut breaker = breaker();
        for failed in [true, false, false] {
            assert!(!breaker.record(failed, at(0)));
        }
        assert!(!breaker.record(false, at(0)), "one of four");
        assert!(!breaker.record(true, at(0)), "the first is forgotten");
        assert!(breaker.record(true, at(1)), "two of four");
        assert!(!breaker.admits(at(5)));
    }

    #[test]
    fn one_is_let_through_and_decides() {
        let mut breaker = breaker();
        for _ in 0..4 {
            breaker.record(true, at(0));
        }
        assert!(breaker.admits(at(5)));
        assert!(!breaker.admits(at(5)), "only one");
        assert!(breaker.record(true, at(6)), "opens again");
        assert!(!breaker.admits(at(10)));
        assert!(breaker.admits(at(11)));
        assert!(!breaker.record(false, at(11)));
        assert!(breaker.admits(at(11)) && breaker.admits(at(11)), "closed");
    }
}
