//! Amounts as Kubernetes writes them: `250m`, `64Mi`, `1e3`, `1.5`.
//!
//! The kubelet needs them for memory limits and for the downward API only, so a float is exact
//! enough: every whole number of bytes up to 8 PiB has one.

/// The amount in base units (cores, bytes); none when it is not an amount.
pub(super) fn parse(written: &str) -> Option<f64> {
    let written = written.trim();
    let digits = written
        .find(|character: char| !(character.is_ascii_digit() || "+-.".contains(character)))
        .unwrap_or(written.len());
    let (number, suffix) = written.split_at(digits);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0_f64.powi(3),
        "Ti" => 1024.0_f64.powi(4),
        "Pi" => 1024.0_f64.powi(5),
        "Ei" => 1024.0_f64.powi(6),
        exponent if exponent.starts_with(['e', 'E']) => {
            return written.parse().ok().filter(|value: &f64| value.is_finite());
        }
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Some(number * factor)
}

/// How many times `divisor` fits, rounded up, as `resourceFieldRef` gives it; a divisor that says
/// nothing is 1.
pub(super) fn divided(amount: f64, divisor: &str) -> u64 {
    let divisor = parse(divisor)
        .filter(|divisor| *divisor > 0.0)
        .unwrap_or(1.0);
    let quotient = (amount / divisor).ceil();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped: a cast from a float saturates, and no amount is negative"
    )]
    let whole = quotient.max(0.0) as u64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_decimal_and_binary_suffixes() {
        let rows = [
            ("250m", Some(0.25)),
            ("2", Some(2.0)),
            ("1.5", Some(1.5)),
            ("64Mi", Some(67_108_864.0)),
            ("1k", Some(1000.0)),
            ("1e3", Some(1000.0)),
            ("1E", Some(1e18)),
            ("", None),
            ("64MB", None),
            ("much", None),
        ];
        for (written, expected) in rows {
            assert_eq!(parse(written), expected, "{written:?}");
        }
    }

    #[test]
    fn a_part_of_a_divisor_counts_as_a_whole() {
        assert_eq!(divided(0.25, "1"), 1);
        assert_eq!(divided(0.25, "1m"), 250);
        assert_eq!(divided(67_108_864.0, "1Mi"), 64);
        assert_eq!(divided(67_108_865.0, "1Mi"), 65);
        assert_eq!(divided(5.0, ""), 5);
    }
}
