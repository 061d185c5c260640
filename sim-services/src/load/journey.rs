//! One journey of one client: what it asks for, one thing after the other, and when it gives up.
//!
//! Decides only; whoever drives it asks, waits, and says how it went. It draws from dice of its
//! own, so that what it asks for does not depend on who else is on the way.

use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;

use super::client;
use super::plan::Plan;
use crate::net::{CallError, Reply, Request};
use crate::random::Dice;

/// Of those who see an error page, who try once more before they leave.
const RELOADS: f64 = 1.0 / 3.0;
const BEFORE_RELOAD: Duration = Duration::from_secs(1);

/// How a request ended, for who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    /// Refused because there were too many: HTTP's 429, gRPC's RESOURCE_EXHAUSTED.
    Throttled,
    /// The platform's fault: 5xx, the codes of gRPC that OpenTelemetry's conventions count as a
    /// server's error, or no answer.
    Failed,
}

impl Outcome {
    pub(super) fn of(result: &Result<Reply, CallError>) -> Outcome {
        match result {
            Err(_) => Outcome::Failed,
            Ok(reply) => match (reply.status, reply.grpc_status) {
                (429, _) | (_, Some(8)) => Outcome::Throttled,
                (500.., _) | (_, Some(2 | 4 | 12 | 13 | 14 | 15)) => Outcome::Failed,
                _ => Outcome::Answered,
            },
        }
    }
}

/// Stands before a request. A journey without one does not exist.
#[derive(Debug)]
pub(super) struct Journey {
    plan: Arc<Plan>,
    dice: Dice,
    headers: HeaderMap,
    bot: bool,
    journey: usize,
    step: usize,
    /// Of what it is about; the same from the first step to the last.
    id: u64,
    request: Request,
    reloaded: bool,
}

impl Journey {
    /// None when the draw leaves out all of its steps.
    pub(super) fn begin(plan: Arc<Plan>, class: usize, mut dice: Dice) -> Option<Journey> {
        let spec = &plan.classes[class].spec;
        let headers = client::headers(spec, dice.between(0, u64::from(spec.count)));
        let bot = spec.bot;
        let journey = plan.draw_journey(class, &mut dice);
        let id = plan.draw_id(&mut dice);
        let step = plan.draw_step(journey, 0, &mut dice)?;
        let ask = plan.ask(plan.route(journey, step));
        let request = ask.request(id, headers.clone(), &mut dice);
        Some(Journey {
            plan,
            dice,
            headers,
            bot,
            journey,
            step,
            id,
            request,
            reloaded: false,
        })
    }

    /// What to ask now.
    pub(super) fn request(&self) -> Request {
        self.request.clone()
    }

    /// Which of the plan's routes that is.
    pub(super) fn route(&self) -> usize {
        self.plan.route(self.journey, self.step)
    }

    /// How long until the next request; none when the journey is over.
    ///
    /// People think, and most leave when the platform fails them. A bot does neither. That there
    /// were too many requests stops nobody: people go on, a little later.
    pub(super) fn went(&mut self, outcome: Outcome) -> Option<Duration> {
        if outcome == Outcome::Failed && !self.bot {
            if self.reloaded || !self.dice.chance(RELOADS) {
                return None;
            }
            self.reloaded = true;
            return Some(BEFORE_RELOAD);
        }
        self.reloaded = false;
        let think = self.plan.think(self.journey, self.step);
        self.step = (self.plan).draw_step(self.journey, self.step + 1, &mut self.dice)?;
        let ask = self.plan.ask(self.route());
        self.request = ask.request(self.id, self.headers.clone(), &mut self.dice);
        Some(if self.bot {
            Duration::ZERO
        } else {
            think.sample(&mut self.dice)
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::topology::Topology;

    const BROWSERS: usize = 0;
    const CRAWLERS: usize = 3;

    fn journeys(class: usize) -> impl Iterator<Item = Journey> {
        let plan = Arc::new(Plan::new(&Topology::shop()));
        (0..3_000).filter_map(move |number| {
            let dice = Dice::new(number, "journey");
            Journey::begin(Arc::clone(&plan), class, dice)
        })
    }

    #[test]
    fn a_journey_is_about_one_thing() {
        let mut longest = 0;
        for mut journey in journeys(BROWSERS) {
            let mut steps = 0;
            loop {
                let Request { path, body, .. } = journey.request();
                let text = format!("{path} {}", std::str::from_utf8(&body).unwrap());
                let numbers: Vec<u64> = (text.split(|c: char| !c.is_ascii_digit()))
                    .filter_map(|number| number.parse().ok())
                    .collect();
                if path.contains("page=") || path.contains("q=") || path == "/" {
                    assert!(!path.contains(&format!("/{}", journey.id)), "{path}");
                } else {
                    assert_eq!(numbers[0], journey.id, "{text}");
                }
                steps += 1;
                if journey.went(Outcome::Answered).is_none() {
                    break;
                }
            }
            longest = steps.max(longest);
        }
        assert_eq!(longest, 5, "a purchase");
    }

    #[test]
    fn people_think_and_bots_do_not() {
        let waits = |class| -> Vec<Duration> {
            journeys(class)
                .filter_map(|mut journey| journey.went(Outcome::Answered))
                .collect()
        };
        let people = waits(BROWSERS);
        let mean = people.iter().sum::<Duration>().as_secs_f64() / people.len() as f64;
        // Most steps' mean is 1.5 s, a few are 0 for the next follows at once.
        assert!((1.2..1.7).contains(&mean), "{mean}");
        assert!(waits(CRAWLERS).iter().all(Duration::is_zero));
    }

    #[test]
    fn a_third_reloads_once_and_the_others_leave() {
        let (mut all, mut reloads) = (0.0, 0.0);
        for mut journey in journeys(BROWSERS) {
            all += 1.0;
            let before = journey.request();
            if let Some(wait) = journey.went(Outcome::Failed) {
                reloads += 1.0;
                assert_eq!(wait, BEFORE_RELOAD);
                assert_eq!(journey.request().path, before.path);
                assert_eq!(journey.went(Outcome::Failed), None);
            }
        }
        let share: f64 = reloads / all;
        assert!((share - RELOADS).abs() < 0.035, "{share}");
    }

    #[test]
    fn failures_and_refusals_do_not_stop_a_bot() {
        let requests = |outcome| -> usize {
            journeys(CRAWLERS)
                .map(|mut journey| 1 + std::iter::from_fn(|| journey.went(outcome)).count())
                .sum()
        };
        assert_eq!(requests(Outcome::Failed), requests(Outcome::Answered));
        assert_eq!(requests(Outcome::Throttled), requests(Outcome::Answered));
    }

    #[test]
    fn only_the_platforms_own_faults_are_failures() {
        let of = |status, grpc_status| {
            Outcome::of(&Ok(Reply {
                status,
                grpc_status,
                body: Bytes::new(),
            }))
        };
        for status in [200, 204, 302, 401, 403, 404] {
            assert_eq!(of(status, None), Outcome::Answered, "{status}");
        }
        assert_eq!(of(200, Some(0)), Outcome::Answered);
        assert_eq!(of(200, Some(7)), Outcome::Answered);
        assert_eq!(of(429, None), Outcome::Throttled);
        assert_eq!(of(200, Some(8)), Outcome::Throttled);
        assert_eq!(of(503, None), Outcome::Failed);
        assert_eq!(of(200, Some(14)), Outcome::Failed);
        let nothing = CallError::Broken("reset".into());
        assert_eq!(Outcome::of(&Err(nothing)), Outcome::Failed);
    }
}
