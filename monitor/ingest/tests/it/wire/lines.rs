use monitor_ingest::lines::{Line, LineCounts, LineSplitter};
use proptest::prelude::*;

fn split(chunks: &[&[u8]], max_bytes: usize) -> (Vec<Line>, LineCounts) {
    let mut splitter = LineSplitter::new(0, max_bytes);
    let mut lines = Vec::new();
    for chunk in chunks {
        splitter.push(chunk, |line| lines.push(line));
    }
    lines.extend(splitter.finish());
    (lines, splitter.counts())
}

fn check(bytes: &[u8], expected: &[&str]) {
    let (lines, _) = split(&[bytes], 40);
    let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, expected);
}

#[test]
fn line_ends_of_every_kind() {
    check(b"one\ntwo\r\n\nthree", &["one", "two", "", "three"]);
    check(b"", &[]);
    check(b"\n", &[""]);
    check(b"a\rb\n", &["a\rb"]);
}

#[test]
fn a_long_line_is_cut_and_says_so() {
    let long = [b"x".repeat(50), b"\nnext\n".to_vec()].concat();
    let cut = format!("{}…[10 bytes cut]", "x".repeat(40));
    check(&long, &[&cut, "next"]);
    // The carriage return is a line end, not the byte that is too many.
    let exact = [b"y".repeat(40), b"\r\n".to_vec()].concat();
    check(&exact, &[&"y".repeat(40)]);
}

#[test]
fn a_character_is_not_cut_in_two() {
    let text = format!("{}ä\n", "x".repeat(39));
    let cut = format!("{}…[2 bytes cut]", "x".repeat(39));
    check(text.as_bytes(), &[&cut]);
}

#[test]
fn what_is_not_utf8_is_replaced_and_counted() {
    let (lines, counts) = split(&[b"caf\xe9 ol\xe9\nfine\n"], 40);
    assert_eq!(lines[0].text, "caf\u{FFFD} ol\u{FFFD}");
    assert_eq!(counts.invalid_utf8, 1);
}

#[test]
fn the_hole_of_a_truncated_file_is_skipped() {
    let bytes = [vec![0; 5000], b"after the hole\n".to_vec()].concat();
    let (lines, counts) = split(&[&bytes], 40);
    assert_eq!(lines[0].text, "after the hole");
    assert_eq!(lines[0].end, bytes.len() as u64);
    assert_eq!(counts.nul_bytes, 5000);
}

#[test]
fn ten_megabytes_without_a_line_end_stay_bounded() {
    let mut splitter = LineSplitter::new(0, 1000);
    for _ in 0..10_000 {
        splitter.push(&[b'z'; 1000], |_| panic!("no line is finished"));
    }
    let line = splitter.finish().unwrap();
    assert_eq!(
        line.text,
        format!("{}…[9999000 bytes cut]", "z".repeat(1000))
    );
    assert_eq!(line.end, 10_000_000);
    let all = format!("{splitter:?}").len();
    assert!(all < 1_000, "the splitter let go of the line");
}

/// Bytes that are mostly what splitters get wrong.
fn tricky_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => any::<u8>(),
        2 => Just(b'\n'),
        1 => Just(b'\r'),
        1 => Just(0u8),
        2 => Just(0xC3u8),
        2 => Just(0xA4u8),
        6 => b'a'..b'f',
    ];
    prop::collection::vec(byte, 0..300)
}

proptest! {
    #[test]
    fn lines_do_not_depend_on_the_chunks(
        bytes in tricky_bytes(),
        cuts in prop::collection::vec(0usize..300, 0..20),
    ) {
        let whole = split(&[&bytes], 20);
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= bytes.len()).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(split(&chunks, 20), whole);
    }

    #[test]
    fn reading_again_from_a_lines_end_gives_the_rest(bytes in tricky_bytes(), at in 0usize..20) {
        let (all, _) = split(&[&bytes], 20);
        if let Some(line) = all.get(at) {
            let mut again = LineSplitter::new(line.end, 20);
            let mut rest = Vec::new();
            let from = usize::try_from(line.end).unwrap();
            again.push(&bytes[from..], |line| rest.push(line));
            rest.extend(again.finish());
            prop_assert_eq!(&rest, &all[at + 1..]);
        }
    }
}
