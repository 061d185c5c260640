//! Histogram buckets: explicit and exponential, their differences, and seconds.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets as Wire;
use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint};

/// OTel's default has 15 buckets, exponential histograms 160; more than this is not a histogram.
const MAX_BUCKETS: usize = 4096;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Buckets {
    Explicit(Explicit),
    Exponential(Exponential),
}

/// Counts between ascending bounds; one more count than bounds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Explicit {
    pub(super) bounds: Vec<f64>,
    pub(super) counts: Vec<u64>,
}

/// Bucket `i` counts values in (base^i, base^(i+1)] with base = 2^(2^-scale).
///
/// Sparse, so that a hostile offset costs nothing.
///
/// <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Exponential {
    scale: i32,
    zero: u64,
    counts: BTreeMap<i64, u64>,
}

impl Explicit {
    pub(super) fn read(point: &HistogramDataPoint) -> Result<Explicit, String> {
        let bounds = point.explicit_bounds.clone();
        // A histogram may have no buckets at all: everything is then in one.
        let counts = match point.bucket_counts.as_slice() {
            [] if bounds.is_empty() => vec![point.count],
            counts => counts.to_vec(),
        };
        if counts.len() != bounds.len() + 1 || counts.len() > MAX_BUCKETS {
            return Err(format!(
                "{} bucket counts for {} bounds",
                counts.len(),
                bounds.len()
            ));
        }
        let ascending = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || bounds.iter().any(|bound| !bound.is_finite()) {
            return Err("bounds are not finite and ascending".to_owned());
        }
        Ok(Explicit { bounds, counts })
    }

    /// `None` when `earlier` has other bounds or counted more.
    fn since(&self, earlier: &Explicit) -> Option<Explicit> {
        if self.bounds != earlier.bounds {
            return None;
        }
        let counts = self.counts.iter().zip(&earlier.counts);
        let counts: Option<Vec<u64>> = counts.map(|(now, then)| now.checked_sub(*then)).collect();
        Some(Explicit {
            bounds: self.bounds.clone(),
            counts: counts?,
        })
    }

    pub(super) fn scaled(mut self, factor: f64) -> Explicit {
        for bound in &mut self.bounds {
            *bound *= factor;
        }
        self
    }

    pub(super) fn count(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// For senders that leave the sum out: every value in the middle of its bucket.
    pub(super) fn estimated_sum(&self) -> f64 {
        let mut lower = 0.0;
        let mut sum = 0.0;
        for (index, count) in self.counts.iter().enumerate() {
            let upper = self.bounds.get(index).copied().unwrap_or(lower);
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let count = *count as f64;
            sum += count * f64::midpoint(lower, upper);
            lower = upper;
        }
        sum
    }
}

impl Exponential {
    pub(super) fn read(point: &ExponentialHistogramDataPoint) -> Result<Exponential, String> {
        if !(-20..=30).contains(&point.scale) {
            return Err(format!("scale {} is not in -20 to 30", point.scale));
        }
        let mut counts = BTreeMap::new();
        if let Some(Wire {
            offset,
            bucket_counts,
        }) = &point.positive
        {
            if bucket_counts.len() > MAX_BUCKETS {
                return Err(format!("{} buckets", bucket_counts.len()));
            }
            for (index, count) in (i64::from(*offset)..).zip(bucket_counts) {
                if *count > 0 {
                    counts.insert(index, *count);
                }
            }
        }
        // A duration below zero is a clock that went back: as good as zero.
        let negative = point.negative.iter().flat_map(|it| &it.bucket_counts);
        let zero = negative.fold(point.zero_count, |sum, count| sum.saturating_add(*count));
        Ok(Exponential {
            scale: point.scale,
            zero,
            counts,
        })
    }

    fn downscaled(&self, scale: i32) -> Exponential {
        // Both are in -20..=30, so the difference is a valid shift; halving the scale once merges
        // pairs of neighbours, and the arithmetic shift rounds towards minus infinity as it must.
        let shift = self.scale.saturating_sub(scale).clamp(0, 63);
        let mut counts = BTreeMap::new();
        for (index, count) in &self.counts {
            let merged = counts.entry(index >> shift).or_insert(0u64);
            *merged = merged.saturating_add(*count);
        }
        Exponential {
            scale: self.scale - shift,
            zero: self.zero,
            counts,
        }
    }

    /// `None` when `earlier` counted more.
    fn since(&self, earlier: &Exponential) -> Option<Exponential> {
        let scale = self.scale.min(earlier.scale);
        let mut delta = self.downscaled(scale);
        for (index, count) in &earlier.downscaled(scale).counts {
            let now = delta.counts.get_mut(index)?;
            *now = now.checked_sub(*count)?;
        }
        delta.counts.retain(|_, count| *count > 0);
        delta.zero = delta.zero.checked_sub(earlier.zero)?;
        Some(delta)
    }

    /// Exactly the same buckets, with their bounds written out.
    fn explicit(&self) -> Explicit {
        let power = |index: i64| {
            #[expect(clippy::cast_precision_loss, reason = "indices are far below 2^53")]
            let index = index as f64;
            (index * f64::from(-self.scale).exp2()).exp2()
        };
        let mut bounds: Vec<f64> = Vec::with_capacity(self.counts.len() + 2);
        let mut counts: Vec<u64> = Vec::with_capacity(self.counts.len() + 3);
        let mut pending = self.zero;
        for (index, count) in &self.counts {
            for (bound, count) in [(power(*index), 0), (power(index + 1), *count)] {
                pending = pending.saturating_add(count);
                // Neighbours share a bound; beyond f64's range bounds collapse.
                if bound.is_finite() && bounds.last().is_none_or(|last| bound > *last) {
                    bounds.push(bound);
                    counts.push(pending);
                    pending = 0;
                }
            }
        }
        counts.push(pending);
        Explicit { bounds, counts }
    }
}

impl Buckets {
    /// What was counted after `earlier`; `None` when the two do not continue each other.
    pub(super) fn since(&self, earlier: &Buckets) -> Option<Buckets> {
        match (self, earlier) {
            (Buckets::Explicit(now), Buckets::Explicit(then)) => {
                now.since(then).map(Buckets::Explicit)
            }
            (Buckets::Exponential(now), Buckets::Exponential(then)) => {
                now.since(then).map(Buckets::Exponential)
            }
            _ => None,
        }
    }

    pub(super) fn same_layout(&self, other: &Buckets) -> bool {
        match (self, other) {
            (Buckets::Explicit(now), Buckets::Explicit(then)) => now.bounds == then.bounds,
            (Buckets::Exponential(_), Buckets::Exponential(_)) => true,
            _ => false,
        }
    }

    pub(super) fn explicit(self) -> Explicit {
        match self {
            Buckets::Explicit(explicit) => explicit,
            Buckets::Exponential(exponential) => exponential.explicit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponential(scale: i32, counts: &[(i64, u64)]) -> Exponential {
        Exponential {
            scale,
            zero: 0,
            counts: counts.iter().copied().collect(),
        }
    }

    #[test]
    fn exponential_buckets_keep_their_bounds_and_gaps() {
        // Scale 0: base 2. Buckets (1, 2] and (8, 16].
        let explicit = exponential(0, &[(0, 3), (3, 4)]).explicit();
        assert_eq!(explicit.bounds, [1.0, 2.0, 8.0, 16.0]);
        assert_eq!(explicit.counts, [0, 3, 0, 4, 0]);
    }

    #[test]
    fn a_coarser_histogram_still_continues_a_finer_one() {
        let earlier = exponential(1, &[(0, 1), (1, 1), (-1, 2)]);
        let later = exponential(0, &[(0, 5), (-1, 2), (4, 1)]);
        let delta = later.since(&earlier).unwrap();
        assert_eq!(delta, exponential(0, &[(0, 3), (4, 1)]));
    }

    #[test]
    fn far_offsets_cost_nothing_and_lose_no_count() {
        let wild = exponential(-20, &[(i64::from(i32::MAX), 7), (i64::from(i32::MIN), 5)]);
        assert_eq!(wild.explicit().count(), 12);
        let fine = exponential(30, &[(i64::from(i32::MAX), 7), (0, 5)]);
        let explicit = fine.explicit();
        assert_eq!(explicit.count(), 12);
        assert_eq!(explicit.counts.len(), explicit.bounds.len() + 1);
    }
}
