//! How good the wire from one environment to another is right now.
//!
//! What the topology says, and on top of it every [`Change::Link`] that is on: latencies and
//! jitters add up, losses combine as independent ones, the narrowest bandwidth counts.

use std::sync::Arc;
use std::time::Duration;

use crate::change::{Active, Change, Conditions, Touch};
use crate::random::{Dice, Dist};
use crate::topology::LinkSpec;

/// Payload of a TCP segment on Ethernet.
const SEGMENT: usize = 1460;

/// Linux' shortest retransmission timeout (`TCP_RTO_MIN`).
const RETRANSMISSION_TIMEOUT: Duration = Duration::from_millis(200);

/// Doublings of the timeout; beyond, a segment is taken to arrive. Together 12.6 s.
const MAX_LOSSES: u32 = 6;

#[derive(Clone, Debug)]
pub(super) struct Quality {
    pub(super) latency: Duration,
    /// Standard deviation.
    pub(super) jitter: Duration,
    /// Share of segments.
    pub(super) loss: f64,
    /// None is without limit.
    pub(super) bytes_per_second: Option<f64>,
    pub(super) partition: bool,
    /// Of the changes that make it worse.
    pub(super) touches: Vec<Arc<Touch>>,
}

impl Quality {
    /// A wire that the topology does not mention has no delay and no limit.
    pub(super) fn of(spec: Option<&LinkSpec>) -> Quality {
        Quality {
            latency: spec.map_or(Duration::ZERO, |spec| spec.latency),
            jitter: spec.map_or(Duration::ZERO, |spec| spec.jitter),
            loss: spec.map_or(0.0, |spec| spec.loss),
            bytes_per_second: spec.map(|spec| bytes_per_second(spec.megabits_per_second)),
            partition: false,
            touches: Vec::new(),
        }
    }

    /// With what is on between the two environments.
    pub(super) fn under(&self, conditions: &Conditions, from: &str, to: &str) -> Quality {
        let mut quality = self.clone();
        for active in &conditions.0 {
            quality.worsen(active, from, to);
        }
        quality
    }

    fn worsen(&mut self, active: &Active, from: &str, to: &str) {
        let Change::Link {
            to: other,
            latency,
            jitter,
            loss,
            partition,
            megabits_per_second,
        } = &active.change
        else {
            return;
        };
        let is_between = |one: &str, two: &str| {
            active
                .target
                .environment
                .as_deref()
                .is_none_or(|end| end == one)
                && (other.is_empty() || other == two)
        };
        if !is_between(from, to) && !is_between(to, from) {
            return;
        }
        self.latency += *latency;
        self.jitter += *jitter;
        self.loss = 1.0 - (1.0 - self.loss) * (1.0 - loss.clamp(0.0, 1.0));
        self.partition |= partition;
        if let Some(limit) = megabits_per_second.map(bytes_per_second) {
            self.bytes_per_second = Some(self.bytes_per_second.map_or(limit, |now| now.min(limit)));
        }
        self.touches.push(Arc::clone(&active.touch));
    }

    /// How long the wire is busy with so many bytes.
    pub(super) fn sending(&self, bytes: usize) -> Duration {
        match self.bytes_per_second {
            Some(rate) => Duration::try_from_secs_f64(bytes as f64 / rate).unwrap_or_default(),
            None => Duration::ZERO,
        }
    }

    /// From the last bit sent to the last one received, and how many segments were lost on the
    /// way. Jitter is what an M/M/1 queue in the way would add: exponential, so that its mean is
    /// its standard deviation. Lost segments are retransmitted at the same time, so the one that
    /// is lost most often decides.
    pub(super) fn crossing(&self, bytes: usize, dice: &mut Dice) -> (Duration, u64) {
        let mut time = self.latency;
        if !self.jitter.is_zero() {
            time += Dist::Exponential { mean: self.jitter }.sample(dice);
        }
        let (mut lost, mut worst) = (0, 0);
        if self.loss > 0.0 {
            for _ in 0..bytes.div_ceil(SEGMENT).max(1) {
                let mut times = 0;
                while times < MAX_LOSSES && dice.chance(self.loss) {
                    times += 1;
                }
                lost += u64::from(times);
                worst = worst.max(times);
            }
        }
        (time + RETRANSMISSION_TIMEOUT * ((1 << worst) - 1), lost)
    }
}

fn bytes_per_second(megabits: f64) -> f64 {
    // At least a byte a second: a wire without any bandwidth is a partition.
    (megabits * 1e6 / 8.0).max(1.0)
}
