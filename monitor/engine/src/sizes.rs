//! How large answers are, by half-octaves.

use monitor_core::{Call, Name, Outcome};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::newcomers::Kind;

/// 0 for nothing at all, then the half-octave of the size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct SizeClass(u8);

impl SizeClass {
    pub(crate) fn of(bytes: u64) -> SizeClass {
        if bytes == 0 {
            return SizeClass(0);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 127"
        )]
        let half_octave = ((bytes as f64).log2() * 2.0) as u8;
        SizeClass(half_octave + 1)
    }

    /// The smallest and the largest size of the class, in bytes.
    fn range(self) -> (f64, f64) {
        let low = |class: u8| (f64::from(class) / 2.0).exp2();
        match self.0.checked_sub(1) {
            Some(class) => (low(class), low(class + 1)),
            None => (0.0, 0.0),
        }
    }
}

impl Kind for SizeClass {
    fn name(&self) -> Name {
        let (low, high) = self.range();
        if high == 0.0 {
            return "empty".into();
        }
        let (unit, name) = [(1e6, "MB"), (1e3, "kB")]
            .into_iter()
            .find(|(unit, _)| low >= *unit)
            .unwrap_or((1.0, "bytes"));
        let digits = usize::from(unit > 1.0 && high / unit < 10.0);
        format!("{:.digits$} to {:.digits$} {name}", low / unit, high / unit).into()
    }

    /// Answers are not all of one size, nor are half-octaves anything that they keep to. But an empty
    /// one is like no other.
    fn alike(&self) -> impl Iterator<Item = SizeClass> {
        let smaller = (self.0 > 1).then(|| SizeClass(self.0 - 1));
        let larger = (self.0 > 0).then(|| SizeClass(self.0.saturating_add(1)));
        smaller.into_iter().chain(larger)
    }
}

/// Successful answers whose size is known, by class, ascending.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sizes(SmallVec<[(SizeClass, u32); 2]>);

impl Sizes {
    /// What failed says nothing of what its answer would have been.
    pub(crate) fn add(&mut self, call: &Call) {
        if let Some(bytes) = call.response_bytes
            && call.status.outcome() == Outcome::Ok
        {
            self.count(SizeClass::of(bytes), 1);
        }
    }

    pub(crate) fn merge(&mut self, other: &Sizes) {
        for (class, answers) in &other.0 {
            self.count(*class, *answers);
        }
    }

    fn count(&mut self, class: SizeClass, answers: u32) {
        match self.0.binary_search_by_key(&class, |known| known.0) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(answers),
            Err(at) => self.0.insert(at, (class, answers)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn answers(&self) -> u64 {
        self.iter().map(|(_, answers)| answers).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SizeClass, u64)> + Clone {
        self.0
            .iter()
            .map(|(class, answers)| (class, u64::from(*answers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_class_is_said_in_the_unit_that_fits() {
        let said = [0, 1, 700, 5_000, 100_000, 30_000_000];
        let said = said.map(|bytes| SizeClass::of(bytes).name().to_string());
        assert_eq!(
            said,
            [
                "empty",
                "1 to 1 bytes",
                "512 to 724 bytes",
                "4.1 to 5.8 kB",
                "93 to 131 kB",
                "24 to 34 MB"
            ]
        );
    }

    proptest! {
        #[test]
        fn a_third_larger_is_alike_and_three_times_is_not(bytes in 4u64..1 << 50) {
            let alike: Vec<SizeClass> = SizeClass::of(bytes).alike().collect();
            let is_alike = |other: u64| {
                SizeClass::of(other) == SizeClass::of(bytes) || alike.contains(&SizeClass::of(other))
            };
            prop_assert!(is_alike(bytes + bytes / 3));
            prop_assert!(!is_alike(bytes * 3));
            prop_assert!(!is_alike(0));
        }
    }
}
