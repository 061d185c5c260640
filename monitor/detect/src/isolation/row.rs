//! What the forest sees of one minute of one Api.
//!
//! All features are in multiples of what the Api's own minutes usually stray, so that those of a search
//! page and of a nightly export can be compared, and one forest serves all. Each is kept only as far as a
//! minute of twenty goes: further out is further out, which is for the detectors of single signals to weigh. So a
//! row cannot stand apart by one value, however wild, and does by a corner where no others are. How response
//! time and rate go together is a relation and kept in full.

/// What people may be told of.
pub(super) const QUANTITIES: usize = 4;
pub(super) const RATE: usize = 0;
pub(super) const TIME: usize = 1;
pub(super) const TAIL: usize = 2;
pub(super) const FAILURES: usize = 3;

pub(super) const FEATURES: usize = 9;
pub(super) type Row = [i8; FEATURES];

/// Places in a [`Row`]; the first four are the quantities themselves.
pub(super) const RATE_CHANGE: usize = 4;
pub(super) const TIME_CHANGE: usize = 5;
/// Response time beyond what is usual at this rate.
pub(super) const TIME_FOR_RATE: usize = 6;
/// Beyond what the hour of the day and of the week usually reaches.
pub(super) const RATE_AT_HOUR: usize = 7;
pub(super) const TIME_AT_HOUR: usize = 8;

/// What part of a feature tells of each quantity.
pub(super) fn tells_of(feature: usize) -> [f32; QUANTITIES] {
    let mut parts = [0.0; QUANTITIES];
    match feature {
        RATE | RATE_CHANGE | RATE_AT_HOUR => parts[RATE] = 1.0,
        TAIL | FAILURES => parts[feature] = 1.0,
        TIME_FOR_RATE => {
            parts[RATE] = 0.5;
            parts[TIME] = 0.5;
        }
        _ => parts[TIME] = 1.0,
    }
    parts
}

/// How often a split is on a feature, against the others: what two quantities say of each other is what
/// is looked for, and is one of many.
pub(super) fn weight(feature: usize) -> usize {
    if feature == TIME_FOR_RATE { 4 } else { 1 }
}

/// How far features are kept, and the relation of two, in spreads; in sixteenths.
const USUAL: f32 = 2.0;
const RELATION: f32 = 7.9;
const PARTS: f32 = 16.0;

pub(super) fn quantised(features: [f32; FEATURES]) -> Row {
    std::array::from_fn(|at| {
        let most = if at == TIME_FOR_RATE { RELATION } else { USUAL };
        #[expect(clippy::cast_possible_truncation, reason = "clamped")]
        {
            (features[at].clamp(-most, most) * PARTS).round() as i8
        }
    })
}
