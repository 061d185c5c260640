//! Numbers that identify people and accounts: cards, IBANs, national ids.
//!
//! A candidate is a word of digits and capitals, or a few of them with one and the same separator
//! between. Those with check digits are verified; those without need their dashes or a word before
//! them that says what they are.

use smallvec::SmallVec;

use super::checks;
use super::edits::Edits;

/// The shortest number looked for has nine characters, so one of every nine bytes is inside it.
const SHORTEST: usize = 9;
/// IBANs have up to 34 characters.
const LONGEST: usize = 36;
/// How far back a word such as `ssn` is looked for.
const CONTEXT: usize = 40;

const fn in_number(byte: u8) -> bool {
    byte.is_ascii_digit() || byte.is_ascii_uppercase()
}

const fn joins(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.')
}

pub(super) fn find(text: &str, edits: &mut Edits) {
    let bytes = text.as_bytes();
    let mut at = SHORTEST - 1;
    while at < bytes.len() {
        if !in_number(bytes[at]) && !joins(bytes[at]) {
            at += SHORTEST;
            continue;
        }
        // The whole run of candidates around the sample.
        let member = |b: &&u8| in_number(**b) || joins(**b);
        let start = at - bytes[..at].iter().rev().take_while(member).count();
        let end = at + bytes[at..].iter().take_while(member).count();
        if end - start >= SHORTEST
            && bytes[start..end]
                .iter()
                .filter(|b| b.is_ascii_digit())
                .count()
                >= 6
        {
            run(bytes, start, end, edits);
        }
        at = end + SHORTEST;
    }
}

#[derive(Clone, Copy, Debug)]
struct Word {
    start: usize,
    end: usize,
}

/// Looks at every word, and every group of words, of a run.
fn run(bytes: &[u8], start: usize, end: usize, edits: &mut Edits) {
    let mut at = start;
    while at < end {
        if !in_number(bytes[at]) {
            at += 1;
            continue;
        }
        let word_end = at + bytes[at..end].iter().take_while(|b| in_number(**b)).count();
        let found = if bounded_before(bytes, at) {
            group(
                bytes,
                Word {
                    start: at,
                    end: word_end,
                },
                end,
            )
        } else {
            None
        };
        at = match found {
            Some((stop, kind)) => {
                edits.add(at..stop, kind);
                stop
            }
            None => word_end,
        };
    }
}

/// Not the tail of a longer name or number.
fn bounded_before(bytes: &[u8], start: usize) -> bool {
    let Some(before) = start.checked_sub(1).map(|at| bytes[at]) else {
        return true;
    };
    // The `n` of an escaped line break is not part of a name.
    let escape = matches!(before, b'n' | b'r' | b't') && start >= 2 && bytes[start - 2] == b'\\';
    if escape {
        return true;
    }
    let joined = matches!(before, b'-' | b'.' | b'/')
        && start >= 2
        && bytes[start - 2].is_ascii_alphanumeric();
    !before.is_ascii_alphanumeric() && before != b'_' && before < 128 && !joined
}

fn bounded_after(bytes: &[u8], end: usize) -> bool {
    let Some(after) = bytes.get(end) else {
        return true;
    };
    let joined = matches!(after, b'-' | b'.' | b'/')
        && bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric);
    !after.is_ascii_alphanumeric() && *after != b'_' && *after < 128 && !joined
}

/// The number that begins with the word, alone or with the words after it.
fn group(bytes: &[u8], first: Word, end: usize) -> Option<(usize, &'static str)> {
    let mut text: SmallVec<[u8; LONGEST]> = SmallVec::new();
    let mut lengths: SmallVec<[usize; 12]> = SmallVec::new();
    let mut words: SmallVec<[Word; 12]> = SmallVec::new();
    let mut word = first;
    let mut separator = None;
    loop {
        let length = word.end - word.start;
        if text.len() + length > 34 || words.len() >= 12 {
            break;
        }
        text.extend_from_slice(&bytes[word.start..word.end]);
        lengths.push(length);
        words.push(word);
        let next = word.end + 1;
        let join = bytes.get(word.end).copied().filter(|b| joins(*b));
        // A CPF has dots and a dash at the end: `123.456.789-09`.
        let mixed =
            join == Some(b'-') && separator == Some(b'.') && lengths.as_slice() == [3, 3, 3];
        if join.is_none()
            || next >= end
            || !in_number(bytes[next])
            || separator.is_some() && join != separator && !mixed
        {
            break;
        }
        separator = join;
        let stop = next
            + bytes[next..end]
                .iter()
                .take_while(|b| in_number(**b))
                .count();
        word = Word {
            start: next,
            end: stop,
        };
    }
    // The longest reading that checks out.
    for count in (1..=words.len()).rev() {
        let last = words[count - 1];
        if bounded_after(bytes, last.end)
            && let Some(kind) = identify(bytes, first.start, &text, &lengths[..count], separator)
        {
            return Some((last.end, kind));
        }
        let length = lengths[count - 1];
        text.truncate(text.len() - length);
    }
    None
}

fn identify(
    bytes: &[u8],
    start: usize,
    text: &[u8],
    groups: &[usize],
    separator: Option<u8>,
) -> Option<&'static str> {
    let digits = text.iter().all(u8::is_ascii_digit);
    let single = groups.len() == 1;
    let context = |words: &[&str]| mentions(bytes, start, words);
    if digits && is_card(bytes, start, text, groups) {
        return Some("card");
    }
    if !digits {
        let compact = single || groups[..groups.len() - 1].iter().all(|group| *group == 4);
        if compact && checks::iban(text) {
            return Some("iban");
        }
        if single && (checks::dni(text) || checks::codice_fiscale(text)) {
            return Some("national-id");
        }
        if checks::nino(text)
            && matches!(groups, [9] | [2, 2, 2, 2, 1])
            && (groups.len() == 5 || context(&["nino", "insurance", "ni number", "ni_number"]))
        {
            return Some("national-id");
        }
    }
    let national = match text.len() {
        9 if digits => {
            checks::ssn(text)
                && (groups == [3, 2, 4] && separator != Some(b'.')
                    || single && context(&["ssn", "social security", "social_security"]))
        }
        11 if digits => {
            groups == [3, 3, 3, 2] && separator != Some(b' ') && checks::cpf(text)
                || single && context(&["cpf"]) && checks::cpf(text)
                || (single || groups == [2, 3, 3, 3])
                    && context(&["steuer", "tax id", "tax_id", "taxid", "idnr", "tin"])
                    && checks::german_tax_id(text)
        }
        15 => matches!(groups, [15] | [1, 2, 2, 2, 3, 3, 2] | [13, 2]) && checks::nir(text),
        _ => false,
    };
    national.then_some("national-id")
}

/// Whether it is a payment card: issued, checked, and written as one.
fn is_card(bytes: &[u8], start: usize, digits: &[u8], groups: &[usize]) -> bool {
    if !(13..=19).contains(&digits.len()) || !checks::issued(digits) || !checks::luhn(digits) {
        return false;
    }
    match groups {
        // Identifiers of 13 and of 17 to 19 digits are common, cards of that length are rare.
        [14..=16] => !is_id(bytes, start),
        [_] => mentions(bytes, start, &["card", "pan", "visa", "credit"]),
        [4, 4, 4, 4] | [4, 6, 5] | [4, 6, 4] | [4, 4, 4, 4, 1..=3] | [4, 3, 3, 3] => true,
        _ => false,
    }
}

/// Whether the number at `start` is the value of a name that ends in `id`, or stands behind a
/// trace or span id: one span id in two thousand has no letter among its sixteen digits.
fn is_id(bytes: &[u8], start: usize) -> bool {
    let before = bytes[..start].trim_ascii_end();
    let marks = before
        .iter()
        .rev()
        .take_while(|b| matches!(b, b'"' | b'\'' | b':' | b'=' | b' ' | b'\\' | b','))
        .count();
    let separated = &before[..before.len() - marks];
    let word = separated
        .iter()
        .rev()
        .take(40)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        .count();
    super::keyed::names_an_id(&separated[separated.len() - word..])
}

/// Whether one of the words stands shortly before.
fn mentions(bytes: &[u8], start: usize, words: &[&str]) -> bool {
    let before = &bytes[start.saturating_sub(CONTEXT)..start];
    words.iter().any(|word| {
        before
            .windows(word.len())
            .any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
    })
}
