use super::*;

#[test]
fn how_far_two_ways_are_apart() {
    assert_eq!(apart(&vec![1, 2, 3], &vec![2, 3, 4, 5]), 3);
    assert_eq!(apart(&vec![], &vec![7]), 1);
    assert_eq!(apart(&vec![7], &vec![7]), 0);
}
