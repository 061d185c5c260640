//! Chance with a seed, and the distributions that topologies and faults are written in.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, Exp1, StandardNormal};
use serde::{Deserialize, Serialize};

/// A source of chance of one component. Components that draw from their own do not disturb each
/// other, so a change to one leaves what happens to the others as it was.
#[derive(Debug)]
pub struct Dice(StdRng);

impl Dice {
    /// The same seed and label throw the same.
    pub fn new(seed: u64, label: &str) -> Dice {
        // FNV-1a spreads labels; the generator's own seeding spreads the rest.
        let label = label.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Dice(StdRng::seed_from_u64(seed.rotate_left(32) ^ label))
    }

    /// In [0, 1).
    pub fn unit(&mut self) -> f64 {
        self.0.random()
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.unit() < probability
    }

    /// In `from..to`; `from` when that is empty.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        if from >= to {
            from
        } else {
            self.0.random_range(from..to)
        }
    }

    /// The index of one of `weights`, by weight; 0 when none weighs anything.
    pub fn pick(&mut self, weights: &[f64]) -> usize {
        let total: f64 = weights.iter().sum();
        let mut left = self.unit() * total;
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        0
    }

    /// Until the next arrival of a Poisson process.
    pub fn gap(&mut self, per_second: f64) -> Duration {
        let unit: f64 = Exp1.sample(&mut self.0);
        Duration::try_from_secs_f64(unit / per_second).unwrap_or(Duration::MAX)
    }

    /// From any other distribution.
    pub fn draw<T>(&mut self, from: &impl Distribution<T>) -> T {
        from.sample(&mut self.0)
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }
}

/// How long something takes. In YAML: `{constant: 5ms}`, `{median: 2ms, sigma: 0.3}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Dist {
    Constant {
        #[serde(with = "length")]
        constant: Duration,
    },
    Exponential {
        #[serde(with = "length")]
        mean: Duration,
    },
    LogNormal {
        #[serde(with = "length")]
        median: Duration,
        sigma: f64,
    },
    Uniform {
        #[serde(with = "length")]
        from: Duration,
        #[serde(with = "length")]
        to: Duration,
    },
    /// A heavy tail: `P(X > x) = (scale/x)^shape`. The mean is infinite for a shape up to 1.
    Pareto {
        #[serde(with = "length")]
        scale: Duration,
        shape: f64,
    },
}

impl Dist {
    pub const ZERO: Dist = Dist::Constant {
        constant: Duration::ZERO,
    };

    /// Never more than a minute: a heavy tail must not stall a run.
    pub fn sample(&self, dice: &mut Dice) -> Duration {
        const LONGEST: f64 = 60.0;
        let secs = match *self {
            Dist::Constant { constant } => return constant,
            Dist::Exponential { mean } => {
                let unit: f64 = Exp1.sample(&mut dice.0);
                unit * mean.as_secs_f64()
            }
            Dist::LogNormal { median, sigma } => {
                median.as_secs_f64() * (sigma * dice.normal()).exp()
            }
            Dist::Uniform { from, to } => {
                let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
                from + dice.unit() * (to - from)
            }
            Dist::Pareto { scale, shape } => {
                scale.as_secs_f64() * (1.0 - dice.unit()).powf(-1.0 / shape)
            }
        };
        Duration::from_secs_f64(secs.clamp(0.0, LONGEST))
    }

    /// The same shape, `factor` times as long.
    #[must_use]
    pub fn times(&self, factor: f64) -> Dist {
        let by = |length: Duration| {
            Duration::try_from_secs_f64(length.as_secs_f64() * factor.max(0.0))
                .unwrap_or(Duration::ZERO)
        };
        match *self {
            Dist::Constant { constant } => Dist::Constant {
                constant: by(constant),
            },
            Dist::Exponential { mean } => Dist::Exponential { mean: by(mean) },
            Dist::LogNormal { median, sigma } => Dist::LogNormal {
                median: by(median),
                sigma,
            },
            Dist::Uniform { from, to } => Dist::Uniform {
                from: by(from),
                to: by(to),
            },
            Dist::Pareto { scale, shape } => Dist::Pareto {
                scale: by(scale),
                shape,
            },
        }
    }
}

/// Lengths of time as people write them: `250ms`, `1.5s`, `2m`.
pub mod length {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn parse(text: &str) -> Result<Duration, String> {
        let signed: jiff::SignedDuration = text.parse().map_err(|_| {
            format!("`{text}` is not a length of time; write it as `250ms`, `1.5s` or `2m`")
        })?;
        Duration::try_from(signed).map_err(|_| format!("`{text}` is negative"))
    }

    pub fn write(length: Duration) -> String {
        let signed = jiff::SignedDuration::try_from(length).unwrap_or(jiff::SignedDuration::MAX);
        format!("{signed:#}").replace(' ', "")
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }

    pub fn serialize<S: Serializer>(length: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&write(*length))
    }
}

/// Like [`length`], for what may be absent.
pub mod maybe_length {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Option::<String>::deserialize(from)?
            .map(|text| super::length::parse(&text).map_err(D::Error::custom))
            .transpose()
    }

    pub fn serialize<S: Serializer>(length: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match length {
            Some(length) => to.serialize_some(&super::length::write(*length)),
            None => to.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_and_labels_are_independent() {
        let throw = |seed, label| Dice::new(seed, label).between(0, u64::MAX);
        assert_eq!(throw(1, "cart"), throw(1, "cart"));
        assert_ne!(throw(1, "cart"), throw(2, "cart"));
        assert_ne!(throw(1, "cart"), throw(1, "orders"));
    }

    #[test]
    fn distributions_are_read_as_written() {
        let read = |text: &str| serde_json::from_str::<Dist>(text).unwrap();
        assert_eq!(
            read(r#"{"median": "2ms", "sigma": 0.3}"#),
            Dist::LogNormal {
                median: Duration::from_millis(2),
                sigma: 0.3
            }
        );
        assert_eq!(
            read(r#"{"constant": "1.5s"}"#),
            Dist::Constant {
                constant: Duration::from_millis(1500)
            }
        );
        let dist = read(r#"{"mean": "1m30s"}"#);
        assert_eq!(serde_json::to_string(&dist).unwrap(), r#"{"mean":"1m30s"}"#);
    }

    #[test]
    fn means_are_what_they_should_be() {
        let mean = |dist: Dist| {
            let mut dice = Dice::new(7, "mean");
            let n = 100_000;
            (0..n)
                .map(|_| dist.sample(&mut dice).as_secs_f64())
                .sum::<f64>()
                / f64::from(n)
        };
        let ms = Duration::from_millis;
        let near = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 0.02, "{got} {want}");
        near(mean(Dist::Exponential { mean: ms(10) }), 0.010);
        near(
            mean(Dist::Uniform {
                from: ms(10),
                to: ms(30),
            }),
            0.020,
        );
        let (median, sigma) = (ms(10), 0.5);
        near(
            mean(Dist::LogNormal { median, sigma }),
            0.010 * (0.125_f64).exp(),
        );
        let (scale, shape) = (ms(10), 3.0);
        near(mean(Dist::Pareto { scale, shape }), 0.015);
    }
}
