use super::*;

#[test]
fn how_far_two_ways_are_apart() {
    assert_eq!(apart(&[1, 2, 3], &[2, 3, 4, 5]), 3);
    assert_eq!(apart(&[], &[7]), 1);
    assert_eq!(apart(&[7], &[7]), 0);
}
