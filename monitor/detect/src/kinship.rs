//! What a model may begin with that others have learned.
//!
//! A new Api is seldom the first of its kind: the same route runs in another environment, or other
//! routes of the same service have been watched for long. What they have in common is borrowed as a
//! prior (empirical Bayes: H. Robbins, 1956): how failures and scatter are distributed, and never how
//! long its calls take or how many they are, since routes differ in these by nature. It weighs as few
//! observations, so that what the Api itself shows overrules it within some windows.
//!
//! Of several others the upper quartile counts: one chaotic sibling does not make a new Api blind,
//! and one that is calmer than the rest does not make it touchy.

/// Whom something is borrowed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinship {
    /// The same Api in another environment.
    Same,
    /// Another route of the same service.
    Sibling,
}

/// The value below which three quarters lie, an actual one; `None` of nothing.
pub(crate) fn upper_quartile(mut values: Vec<f64>) -> Option<f64> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let at = (3 * values.len().saturating_sub(1)).div_ceil(4);
    values.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_few_the_upper_ones_count_and_of_many_not_the_extreme() {
        assert_eq!(upper_quartile(vec![]), None);
        assert_eq!(upper_quartile(vec![f64::NAN, 7.0]), Some(7.0));
        assert_eq!(upper_quartile(vec![2.0, 1.0]), Some(2.0));
        assert_eq!(upper_quartile(vec![9.0, 1.0, 2.0, 3.0, 4.0]), Some(4.0));
    }
}
