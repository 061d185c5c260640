//! Amounts such as `500m` and `1Gi`: the `quantity` library.
//!
//! `k8s.io/apimachinery/pkg/api/resource` and `k8s.io/apiserver/pkg/cel/library/quantity.go`.

use std::any::Any;
use std::cmp::Ordering;

use cel::common::types::{CelBool, CelDouble, CelInt, CelString, Type};
use cel::common::value::{StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

static TYPE: Type = Type::new_unspecified_type("kubernetes.Quantity");

/// In units of 10⁻⁹, finer than which Kubernetes does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quantity(i128);

const UNIT: i128 = 1_000_000_000;

impl Quantity {
    pub(super) fn parse(text: &str) -> Option<Quantity> {
        let end = text
            .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-'))
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (sign, digits) = match number.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !are_digits(whole) || !are_digits(fraction)
        {
            return None;
        }
        // More digits than this are beyond what Kubernetes keeps.
        let fraction = fraction.get(..fraction.len().min(9))?;
        let mantissa: i128 = format!("0{whole}{fraction}").parse().ok()?;
        let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        let (up, down) = multiplier(suffix)?;
        let value = mantissa.checked_mul(UNIT)?.checked_mul(up)?;
        // What is lost is rounded up, away from nothing.
        let by = scale.checked_mul(down)?;
        let rounded = value / by + i128::from(value % by != 0);
        Some(Quantity(sign * rounded))
    }
}

/// By what a suffix multiplies and divides.
fn multiplier(suffix: &str) -> Option<(i128, i128)> {
    let binary = |power: u32| Some((1024_i128.checked_pow(power)?, 1));
    let decimal = |power: u32| Some((10_i128.checked_pow(power)?, 1));
    match suffix {
        "" => Some((1, 1)),
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1000)),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let factor = 10_i128.checked_pow(power.unsigned_abs())?;
            Some(if power < 0 { (1, factor) } else { (factor, 1) })
        }
    }
}

impl Val for Quantity {
    fn get_type(&self) -> &Type {
        &TYPE
    }

    fn cel_type() -> &'static Type {
        &TYPE
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Quantity>() == Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(*self)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Quantity {}

pub(super) fn add(env: &mut Env) -> Result<(), DeclarationError> {
    cel::add_overload!(env, fn quantity: (CelString) -> Result<Quantity>)?;
    cel::add_overload!(env, fn is_quantity: (CelString) -> CelBool)?;
    cel::add_member_overload!(env, fn is_integer: (Quantity) -> CelBool)?;
    cel::add_member_overload!(env, fn as_integer: (Quantity) -> Result<CelInt>)?;
    cel::add_member_overload!(env, fn as_approximate_float: (Quantity) -> CelDouble)?;
    cel::add_member_overload!(env, fn sign: (Quantity) -> CelInt)?;
    cel::add_member_overload!(env, fn plus: (Quantity, Quantity) -> Result<Quantity>, name = "add")?;
    cel::add_member_overload!(env, fn minus: (Quantity, Quantity) -> Result<Quantity>, name = "sub")?;
    cel::add_member_overload!(env, fn plus_int: (Quantity, CelInt) -> Result<Quantity>, name = "add")?;
    cel::add_member_overload!(env, fn minus_int: (Quantity, CelInt) -> Result<Quantity>, name = "sub")?;
    cel::add_member_overload!(env, fn is_less_than: (Quantity, Quantity) -> CelBool)?;
    cel::add_member_overload!(env, fn is_greater_than: (Quantity, Quantity) -> CelBool)?;
    cel::add_member_overload!(env, fn compare_to: (Quantity, Quantity) -> CelInt)?;
    Ok(())
}

fn quantity(text: &CelString<'_>) -> Result<Quantity, ExecutionError> {
    Quantity::parse(text.inner()).ok_or_else(|| {
        let why = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
        ExecutionError::function_error("quantity", why)
    })
}

fn is_quantity(text: &CelString<'_>) -> CelBool {
    CelBool::from(Quantity::parse(text.inner()).is_some())
}

fn is_integer(this: &Quantity) -> CelBool {
    CelBool::from(this.0 % UNIT == 0 && i64::try_from(this.0 / UNIT).is_ok())
}

fn as_integer(this: &Quantity) -> Result<CelInt, ExecutionError> {
    let whole = (this.0 % UNIT == 0).then_some(this.0 / UNIT);
    let whole = whole.and_then(|whole| i64::try_from(whole).ok());
    whole.map(CelInt::from).ok_or_else(|| {
        ExecutionError::function_error("asInteger", "cannot convert value to integer")
    })
}

#[expect(clippy::cast_precision_loss, reason = "approximate by name")]
fn as_approximate_float(this: &Quantity) -> CelDouble {
    CelDouble::from(this.0 as f64 / UNIT as f64)
}

fn sign(this: &Quantity) -> CelInt {
    CelInt::from(match this.0.cmp(&0) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    })
}

fn checked(sum: Option<i128>) -> Result<Quantity, ExecutionError> {
    sum.map(Quantity)
        .ok_or_else(|| ExecutionError::function_error("quantity", "overflow"))
}

fn plus(this: &Quantity, other: &Quantity) -> Result<Quantity, ExecutionError> {
    checked(this.0.checked_add(other.0))
}

fn minus(this: &Quantity, other: &Quantity) -> Result<Quantity, ExecutionError> {
    checked(this.0.checked_sub(other.0))
}

fn plus_int(this: &Quantity, other: &CelInt) -> Result<Quantity, ExecutionError> {
    checked(this.0.checked_add(i128::from(*other.inner()) * UNIT))
}

fn minus_int(this: &Quantity, other: &CelInt) -> Result<Quantity, ExecutionError> {
    checked(this.0.checked_sub(i128::from(*other.inner()) * UNIT))
}

fn is_less_than(this: &Quantity, other: &Quantity) -> CelBool {
    CelBool::from(this < other)
}

fn is_greater_than(this: &Quantity, other: &Quantity) -> CelBool {
    CelBool::from(this > other)
}

fn compare_to(this: &Quantity, other: &Quantity) -> CelInt {
    CelInt::from(match this.cmp(other) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_those_of_kubernetes() {
        let parse = |text| Quantity::parse(text).map(|quantity| quantity.0);
        assert_eq!(parse("1"), Some(UNIT));
        assert_eq!(parse("500m"), Some(UNIT / 2));
        assert_eq!(parse("1.5Gi"), parse("1536Mi"));
        assert_eq!(parse("1e3"), parse("1k"));
        assert_eq!(parse("-0.5"), Some(-UNIT / 2));
        assert_eq!(parse("1.0000000001"), Some(UNIT));
        for wrong in ["", "Gi", "1 Gi", "1KiB", "1..2", "--1", "1e"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
