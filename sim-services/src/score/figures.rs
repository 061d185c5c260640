//! Figures with what they are worth: runs are short, and one fault more or less moves them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The standard normal's 97.5 % quantile.
const Z: f64 = 1.959_963_984_540_054;

/// A share of something, with its 95 % interval.
///
/// The interval is the score interval of Wilson, "Probable inference, the law of succession, and
/// statistical inference", JASA 22 (1927): right for small samples and for shares near 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    pub count: u64,
    pub of: u64,
    /// None when there was nothing to count.
    pub share: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl Ratio {
    pub fn new(count: u64, of: u64) -> Ratio {
        if of == 0 {
            return Ratio::default();
        }
        let (hits, n) = (float(count), float(of));
        let share = hits / n;
        let middle = share + Z * Z / (2.0 * n);
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        // At the ends the bound is exactly 0 or 1; rounding would leave it a hair inside or out.
        let low = if count == 0 {
            0.0
        } else {
            (middle - half) / scale
        };
        let high = if count == of {
            1.0
        } else {
            (middle + half) / scale
        };
        Ratio {
            count,
            of,
            share: Some(rounded(share)),
            low: Some(rounded(low.clamp(0.0, share))),
            high: Some(rounded(high.clamp(share, 1.0))),
        }
    }

    /// How many of `all` are so.
    pub(super) fn of<T>(all: impl IntoIterator<Item = T>, is: impl Fn(&T) -> bool) -> Ratio {
        let (mut count, mut of) = (0, 0);
        for one in all {
            of += 1;
            count += u64::from(is(&one));
        }
        Ratio::new(count, of)
    }
}

/// How often something happens, per Api and day, with its 95 % interval.
///
/// The interval is Byar's approximation to the exact one of a Poisson count (Breslow and Day,
/// *Statistical Methods in Cancer Research* II, 1987, eq. 2.13), so that none in an hour does not
/// read as none ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub count: u64,
    pub api_days: f64,
    /// None when nothing was watched.
    pub per_api_day: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl Rate {
    pub fn new(count: u64, apis: u64, watched: Duration) -> Rate {
        let api_days = float(apis) * watched.as_secs_f64() / 86_400.0;
        if api_days <= 0.0 {
            return Rate {
                count,
                ..Rate::default()
            };
        }
        let n = float(count);
        let low = if count == 0 {
            0.0
        } else {
            n * (1.0 - 1.0 / (9.0 * n) - Z / (3.0 * n.sqrt())).powi(3)
        };
        let more = n + 1.0;
        let high = more * (1.0 - 1.0 / (9.0 * more) + Z / (3.0 * more.sqrt())).powi(3);
        Rate {
            count,
            api_days: rounded(api_days),
            per_api_day: Some(rounded(n / api_days)),
            low: Some(rounded(low.max(0.0) / api_days)),
            high: Some(rounded(high / api_days)),
        }
    }
}

/// Lengths of time: how many, the one in the middle, and the one that nine of ten do not exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub count: u64,
    #[serde(rename = "median_seconds", with = "maybe_seconds")]
    pub median: Option<Duration>,
    #[serde(rename = "p90_seconds", with = "maybe_seconds")]
    pub p90: Option<Duration>,
}

impl Spread {
    /// Of lengths in any order.
    pub fn new(lengths: impl IntoIterator<Item = Duration>) -> Spread {
        let mut lengths: Vec<Duration> = lengths.into_iter().collect();
        lengths.sort_unstable();
        Spread {
            count: amount(lengths.len()),
            median: quantile(&lengths, 0.5),
            p90: quantile(&lengths, 0.9),
        }
    }
}

/// Of sorted lengths, with straight lines between them: type 7 of Hyndman and Fan, "Sample
/// quantiles in statistical packages", The American Statistician 50 (1996), which most tools use.
fn quantile(sorted: &[Duration], q: f64) -> Option<Duration> {
    let last = sorted.len().checked_sub(1)?;
    let place = float(amount(last)) * q;
    let below = (0..=last)
        .rev()
        .find(|&index| float(amount(index)) <= place)?;
    let above = (below + 1).min(last);
    let share = place - float(amount(below));
    Some(sorted[below] + (sorted[above] - sorted[below]).mul_f64(share))
}

/// The harmonic mean of how much of what was said is right and how much of what is right was said
/// (van Rijsbergen, *Information Retrieval*, 1979).
pub(super) fn f1(precision: Ratio, recall: Ratio) -> Option<f64> {
    let (precision, recall) = (precision.share?, recall.share?);
    let sum = precision + recall;
    Some(if sum > 0.0 {
        rounded(2.0 * precision * recall / sum)
    } else {
        0.0
    })
}

/// None of nothing.
pub(super) fn mean(values: impl IntoIterator<Item = u64>) -> Option<f64> {
    let (sum, count) = values
        .into_iter()
        .fold((0_u64, 0_u64), |(sum, count), value| {
            (sum + value, count + 1)
        });
    (count > 0).then(|| rounded(float(sum) / float(count)))
}

/// The median, as [`quantile`] has it; values that are not numbers do not count.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let middle = f64::midpoint(values[last / 2], values[last.div_ceil(2)]);
    Some(rounded(middle))
}

/// To a millionth: there is no more in such figures, and it is read back as it was written.
pub(super) fn rounded(figure: f64) -> f64 {
    (figure * 1e6).round() / 1e6
}

pub(super) fn amount(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Counts here are far below 2⁵³, up to which a float is exact.
#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "see above"
)]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// Lengths of time as a number of seconds, for those who compute with the JSON.
pub(super) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::score) fn serialize<S: Serializer>(
        length: &Duration,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_f64(length.as_secs_f64())
    }

    pub(in crate::score) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// Like [`seconds`], for what may be absent.
pub(super) mod maybe_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(in crate::score) fn serialize<S: Serializer>(
        length: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match length {
            Some(length) => to.serialize_some(&length.as_secs_f64()),
            None => to.serialize_none(),
        }
    }

    pub(in crate::score) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Option::<f64>::deserialize(from)?
            .map(|seconds| Duration::try_from_secs_f64(seconds).map_err(D::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(got: Option<f64>, want: f64) {
        assert!(
            got.is_some_and(|got| (got - want).abs() < 5e-4),
            "{got:?} {want}"
        );
    }

    /// Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in
    /// Medicine 17 (1998), table I.
    #[test]
    fn intervals_of_shares_are_those_of_the_literature() {
        for (count, of, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let ratio = Ratio::new(count, of);
            near(ratio.low, low);
            near(ratio.high, high);
        }
        assert_eq!(Ratio::new(29, 29).high, Some(1.0));
        assert_eq!(Ratio::new(0, 0), Ratio::default());
    }

    /// The exact ones of Garwood (1936): 0 to 3.689 for none, 4.795 to 18.390 for ten.
    #[test]
    fn intervals_of_rates_are_close_to_the_exact_ones() {
        let day = Duration::from_secs(86_400);
        let none = Rate::new(0, 1, day);
        assert_eq!((none.per_api_day, none.low), (Some(0.0), Some(0.0)));
        assert!((none.high.unwrap() - 3.689).abs() < 0.06, "{none:?}");
        let ten = Rate::new(10, 5, day);
        assert_eq!(ten.per_api_day, Some(2.0));
        assert!((ten.low.unwrap() * 5.0 - 4.795).abs() < 0.02, "{ten:?}");
        assert!((ten.high.unwrap() * 5.0 - 18.390).abs() < 0.02, "{ten:?}");
        assert_eq!(Rate::new(3, 0, day).per_api_day, None);
    }

    #[test]
    fn the_middle_of_an_even_number_is_between_two() {
        let secs = |secs: &[u64]| Spread::new(secs.iter().map(|&secs| Duration::from_secs(secs)));
        assert_eq!(secs(&[]), Spread::default());
        assert_eq!(secs(&[7]).p90, Some(Duration::from_secs(7)));
        assert_eq!(secs(&[4, 1]).median, Some(Duration::from_millis(2500)));
        assert_eq!(secs(&[9, 1, 5]).median, Some(Duration::from_secs(5)));
        let ten = secs(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(ten.p90, Some(Duration::from_secs(10)));
        assert_eq!(median([3.0, 1.0, f64::NAN, 2.0, 4.0]), Some(2.5));
    }
}
