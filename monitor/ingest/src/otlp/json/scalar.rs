//! Numbers, enums and ids as protobuf's JSON form writes them.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// An unsigned 64-bit integer: a number or a decimal string.
#[derive(Clone, Copy, Default)]
pub(super) struct Unsigned(pub(super) u64);

/// A signed 64-bit integer: a number or a decimal string.
#[derive(Clone, Copy, Default)]
pub(super) struct Signed(pub(super) i64);

/// A double: a number, or a string for what JSON has no number for (`NaN`, `Infinity`).
#[derive(Clone, Copy, Default)]
pub(super) struct Double(pub(super) f64);

/// An enum: its number as the specification asks, or its name as protobuf libraries write it.
pub(super) enum Enumeration {
    Number(i32),
    Name(String),
}

/// Bytes in hexadecimal. Text that is none becomes a single byte, which no id can be: the record
/// is then judged like one with an id of the wrong length.
#[derive(Clone, Default)]
pub(super) struct HexId(pub(super) Vec<u8>);

impl Enumeration {
    /// The number; unknown names are 0, as unknown numbers would be.
    pub(super) fn number(value: Option<Enumeration>, named: impl Fn(&str) -> Option<i32>) -> i32 {
        match value {
            None => 0,
            Some(Enumeration::Number(number)) => number,
            Some(Enumeration::Name(name)) => named(&name).unwrap_or_default(),
        }
    }
}

/// A number or a string that holds one.
struct NumberOrText<T>(PhantomData<T>);

impl<T> Visitor<'_> for NumberOrText<T>
where
    T: FromStr + TryFrom<i64> + TryFrom<u64>,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer or a string with one")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::try_from(number).map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    /// Senders written in JavaScript write large integers as doubles such as `1.7e18`.
    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        let wrong = || E::invalid_value(Unexpected::Float(number), &self);
        if number.fract() != 0.0 || number.abs() >= 18_446_744_073_709_551_615.0 {
            return Err(wrong());
        }
        format!("{number:.0}").parse().map_err(|_| wrong())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse()
            .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Unsigned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unsigned, D::Error> {
        deserializer
            .deserialize_any(NumberOrText(PhantomData))
            .map(Unsigned)
    }
}

impl<'de> Deserialize<'de> for Signed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Signed, D::Error> {
        deserializer
            .deserialize_any(NumberOrText(PhantomData))
            .map(Signed)
    }
}

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Double, D::Error> {
        struct DoubleVisitor;
        #[expect(clippy::cast_precision_loss, reason = "JSON's numbers are doubles")]
        impl Visitor<'_> for DoubleVisitor {
            type Value = Double;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Double, E> {
                Ok(Double(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Double, E> {
                Ok(Double(number as f64))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Double, E> {
                Ok(Double(number as f64))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Double, E> {
                text.parse()
                    .map(Double)
                    .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(DoubleVisitor)
    }
}

impl<'de> Deserialize<'de> for Enumeration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Enumeration, D::Error> {
        struct EnumerationVisitor;
        impl Visitor<'_> for EnumerationVisitor {
            type Value = Enumeration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number or name of an enum's value")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Enumeration, E> {
                Ok(Enumeration::Number(i32::try_from(number).unwrap_or(0)))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Enumeration, E> {
                Ok(Enumeration::Number(i32::try_from(number).unwrap_or(0)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Enumeration, E> {
                Ok(Enumeration::Name(text.to_owned()))
            }
        }
        deserializer.deserialize_any(EnumerationVisitor)
    }
}

impl<'de> Deserialize<'de> for HexId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HexId, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Ok(HexId(hex(&text).unwrap_or_else(|| vec![1])))
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || digits.len() > 64 {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            u8::try_from(high << 4 | low).ok()
        })
        .collect()
}
