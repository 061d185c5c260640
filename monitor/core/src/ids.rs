//! Trace and span ids as W3C Trace Context writes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not an id of the expected kind.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {digits} hexadecimal digits that are not all zero")]
pub struct IdError {
    digits: usize,
}

/// 16 bytes, never all zero. 64-bit ids (B3, Datadog) are widened with leading zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TraceId([u8; 16]);

/// 8 bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// `None` for the all-zero id, which W3C Trace Context declares invalid.
    pub fn new(bytes: [u8; 16]) -> Option<TraceId> {
        (bytes != [0; 16]).then_some(TraceId(bytes))
    }

    pub fn from_slice(bytes: &[u8]) -> Option<TraceId> {
        TraceId::new(bytes.try_into().ok()?)
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SpanId {
    /// `None` for the all-zero id, which W3C Trace Context declares invalid.
    pub fn new(bytes: [u8; 8]) -> Option<SpanId> {
        (bytes != [0; 8]).then_some(SpanId(bytes))
    }

    pub fn from_slice(bytes: &[u8]) -> Option<SpanId> {
        SpanId::new(bytes.try_into().ok()?)
    }

    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl FromStr for TraceId {
    type Err = IdError;

    /// Accepts 32 digits, or 16 which are widened.
    fn from_str(text: &str) -> Result<TraceId, IdError> {
        let error = IdError { digits: 32 };
        let mut bytes = [0; 16];
        match text.len() {
            32 => decode_hex(text.as_bytes(), &mut bytes),
            16 => decode_hex(text.as_bytes(), &mut bytes[8..]),
            _ => None,
        }
        .and_then(|()| TraceId::new(bytes))
        .ok_or(error)
    }
}

impl FromStr for SpanId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<SpanId, IdError> {
        let mut bytes = [0; 8];
        if text.len() != 16 {
            return Err(IdError { digits: 16 });
        }
        decode_hex(text.as_bytes(), &mut bytes)
            .and_then(|()| SpanId::new(bytes))
            .ok_or(IdError { digits: 16 })
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn decode_hex(digits: &[u8], bytes: &mut [u8]) -> Option<()> {
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(())
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0u8; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    f.pad(std::str::from_utf8(&text[..bytes.len() * 2]).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zero_and_wrong_lengths_are_refused() {
        assert!(
            "00000000000000000000000000000000"
                .parse::<TraceId>()
                .is_err()
        );
        assert!("0000000000000000".parse::<SpanId>().is_err());
        assert!("abc".parse::<TraceId>().is_err());
        assert!("zzzzzzzzzzzzzzzz".parse::<SpanId>().is_err());
    }

    #[test]
    fn short_trace_ids_are_widened() {
        let wide: TraceId = "00000000000000001111222233334444".parse().unwrap();
        assert_eq!("1111222233334444".parse::<TraceId>().unwrap(), wide);
    }

    proptest! {
        #[test]
        fn ids_round_trip_through_text(trace in any::<[u8; 16]>(), span in any::<[u8; 8]>()) {
            if let Some(id) = TraceId::new(trace) {
                prop_assert_eq!(id.to_string().parse::<TraceId>().unwrap(), id);
            }
            if let Some(id) = SpanId::new(span) {
                prop_assert_eq!(id.to_string().parse::<SpanId>().unwrap(), id);
            }
        }
    }
}
