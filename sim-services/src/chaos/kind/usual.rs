//! Values of parameters that are not given.

use std::time::Duration;

use crate::random::Dist;

pub(super) fn ms<const MS: u64>() -> Duration {
    Duration::from_millis(MS)
}

pub(super) fn secs<const SECS: u64>() -> Duration {
    Duration::from_secs(SECS)
}

pub(super) fn tenth() -> f64 {
    0.1
}

pub(super) fn fifth() -> f64 {
    0.2
}

pub(super) fn half() -> f64 {
    0.5
}

pub(super) fn most() -> f64 {
    0.9
}

pub(super) fn all() -> f64 {
    1.0
}

pub(super) fn a_little() -> f64 {
    1.15
}

pub(super) fn peak() -> f64 {
    1.6
}

pub(super) fn two() -> f64 {
    2.0
}

pub(super) fn four() -> f64 {
    4.0
}

pub(super) fn five() -> u32 {
    5
}

pub(super) fn six() -> f64 {
    6.0
}

pub(super) fn eight() -> f64 {
    8.0
}

pub(super) fn many() -> f64 {
    200.0
}

pub(super) fn a_minute_and_a_half() -> i64 {
    90_000
}

pub(super) fn lock_held() -> Dist {
    Dist::Exponential {
        mean: Duration::from_millis(120),
    }
}

pub(super) fn internal_error() -> u16 {
    500
}

pub(super) fn unauthorised() -> u16 {
    401
}

pub(super) fn illegal_state() -> String {
    "IllegalStateException".into()
}

pub(super) fn illegal_argument() -> String {
    "IllegalArgumentException".into()
}

pub(super) fn null_pointer() -> String {
    "NullPointerException".into()
}
