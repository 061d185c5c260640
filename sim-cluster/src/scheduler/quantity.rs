//! Amounts of resources, as Kubernetes writes them: `250m`, `1.5`, `64Mi`, `2G`, `1e3`.

use serde_json::Value;

/// In thousandths, rounded up. None when it cannot be read. Amounts beyond what 64 bits hold are
/// taken for the most that they do.
pub(crate) fn milli(written: &Value) -> Option<i64> {
    let text = match written {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let end = text
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let factor = match suffix {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0_f64.powi(2),
        "Gi" => 1024.0_f64.powi(3),
        "Ti" => 1024.0_f64.powi(4),
        "Pi" => 1024.0_f64.powi(5),
        "Ei" => 1024.0_f64.powi(6),
        exponent => 10_f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    let milli = number * factor * 1e3;
    // Tenths are not exact in binary; what is nearly whole is.
    let whole = milli.round();
    let milli = if (milli - whole).abs() < 1e-6 * whole.abs().max(1.0) {
        whole
    } else {
        milli.ceil()
    };
    #[expect(clippy::cast_possible_truncation, reason = "saturates, as documented")]
    Some(milli as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_read_as_kubernetes_writes_them() {
        let check = |written: Value, expected: Option<i64>| {
            assert_eq!(milli(&written), expected, "{written}");
        };
        check(json!("250m"), Some(250));
        check(json!("0.1"), Some(100));
        check(json!("1.5"), Some(1_500));
        check(json!(2), Some(2_000));
        check(json!("64Mi"), Some(67_108_864_000));
        check(json!("2G"), Some(2_000_000_000_000));
        check(json!("1e3"), Some(1_000_000));
        check(json!("1u"), Some(1));
        check(json!("much"), None);
        check(json!("1Q"), None);
        check(Value::Null, None);
    }
}
