//! Decides which words of a layout vary: how much evidence makes a word a variable.
//!
//! Called by the miner when a message fits no template of its layout. The new message and the
//! templates that differ from it in the same few positions are a *family*; when it shows enough
//! different words in each of these positions, its members are one template.

use super::template::{Slot, Template, is_unit};

/// Slots above this are not compared; layouts that long are masked well enough.
const MAX_SLOTS: usize = 128;

/// The templates to merge with the newcomer, and the positions that become variables.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Family {
    pub(super) members: Vec<u32>,
    pub(super) positions: u128,
}

/// What becomes of a position that varies.
pub(super) fn generalised(slot: &Slot) -> Slot {
    match slot {
        Slot::Word(word) if is_unit(word) => Slot::Unit,
        Slot::Unit => Slot::Unit,
        Slot::Word(_) | Slot::Variable => Slot::Variable,
    }
}

/// Finds the family of `slots` among `candidates`, all of one layout.
///
/// Of several, the one with the fewest differing positions; among these the largest.
pub(super) fn find<'t>(
    slots: &[Slot],
    gaps: &[Box<str>],
    candidates: impl Iterator<Item = (u32, &'t Template)> + Clone,
) -> Option<Family> {
    if slots.len() > MAX_SLOTS {
        return None;
    }
    let words = slots.iter().filter_map(Slot::word).count();
    let mut masks: Vec<u128> = Vec::new();
    for (_, template) in candidates.clone() {
        let mask = difference(slots, &template.slots);
        let differing = mask.count_ones() as usize;
        // Half of the words must agree, or the messages only happen to be laid out alike.
        if mask != 0 && differing * 2 <= words.max(2) && !masks.contains(&mask) {
            masks.push(mask);
        }
    }
    masks.sort_unstable_by_key(|mask| (mask.count_ones(), *mask));
    let mut best: Option<Family> = None;
    for mask in masks {
        if best
            .as_ref()
            .is_some_and(|best| best.positions.count_ones() < mask.count_ones())
        {
            break;
        }
        let members: Vec<(u32, &Template)> = candidates
            .clone()
            .filter(|(_, template)| difference(slots, &template.slots) & !mask == 0)
            .collect();
        if is_one_template(slots, gaps, &members, mask)
            && best
                .as_ref()
                .is_none_or(|best| best.members.len() < members.len())
        {
            best = Some(Family {
                members: members.iter().map(|(index, _)| *index).collect(),
                positions: mask,
            });
        }
    }
    best
}

/// The positions at which a template does not take in what the newcomer has, as a bit set.
fn difference(newcomer: &[Slot], template: &[Slot]) -> u128 {
    newcomer
        .iter()
        .zip(template)
        .enumerate()
        .filter(|(_, (left, right))| match right {
            Slot::Variable => false,
            Slot::Unit => !left.word().is_none_or(is_unit),
            Slot::Word(_) => left != right,
        })
        .fold(0, |mask, (position, _)| mask | 1 << position)
}

fn is_one_template(
    slots: &[Slot],
    gaps: &[Box<str>],
    members: &[(u32, &Template)],
    positions: u128,
) -> bool {
    let left = slots
        .iter()
        .enumerate()
        .filter(|(position, slot)| {
            positions >> position & 1 == 0
                && slot.word().is_some_and(|word| {
                    word.len() > 1 && word.bytes().any(|b| b.is_ascii_alphabetic())
                })
        })
        .count();
    if left == 0 {
        return false;
    }
    let many = positions.count_ones() > 1;
    bits(positions).all(|position| {
        let mut values: Vec<Option<&str>> = members
            .iter()
            .map(|(_, template)| template.slots[position].word())
            .chain([slots[position].word()])
            .collect();
        values.sort_unstable();
        values.dedup();
        // Masked in one of them: it varies.
        if values.first() == Some(&None) {
            return true;
        }
        let mut enough = evidence(slots, gaps, position, &values);
        // Two names that change together may be one fixed pair each time.
        if many {
            let digits = values
                .iter()
                .flatten()
                .all(|value| value.bytes().any(|b| b.is_ascii_digit()));
            enough = if digits { enough.max(3) } else { enough * 2 };
        }
        if left == 1 {
            enough += enough / 2;
        }
        values.len() >= enough
    })
}

fn bits(mask: u128) -> impl Iterator<Item = usize> {
    (0..MAX_SLOTS).filter(move |position| mask >> position & 1 == 1)
}

/// How many different values make the position a variable.
fn evidence(slots: &[Slot], gaps: &[Box<str>], position: usize, values: &[Option<&str>]) -> usize {
    let before = gaps[position].as_bytes();
    let mut all = values.iter().flatten();
    if position > 0
        && before == b" "
        && slots[position - 1] == Slot::Variable
        && all.clone().all(|value| is_unit(value))
    {
        return 2;
    }
    // States and verbs of protocols: `NEW`, `GET`. Each is its own event until there are many.
    let capitals = all
        .clone()
        .all(|value| value.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
    if capitals && !before.ends_with(b"=") {
        return 8;
    }
    // `key=value`, `"value"`: written to hold a value.
    if before.ends_with(b"=") {
        return 2;
    }
    if before.ends_with(b"\"") || before.ends_with(b"'") {
        return 3;
    }
    let previous = position
        .checked_sub(1)
        .filter(|_| before == b" ")
        .and_then(|previous| slots[previous].word());
    if previous.is_some_and(announces_a_name) {
        return 2;
    }
    if all
        .clone()
        .all(|value| value.bytes().any(|b| b.is_ascii_digit()))
        || all.clone().all(|value| is_identifier(value))
    {
        return 3;
    }
    if previous.is_some_and(|word| matches!(word, "for" | "from" | "by" | "to" | "of")) {
        return 3;
    }
    if before.ends_with(b": ") || before.ends_with(b":") {
        return 5;
    }
    // The first word of a message is mostly its verb.
    if position == 0 {
        return 10;
    }
    if all.all(|value| value.bytes().all(|b| !b.is_ascii_lowercase())) {
        return 8;
    }
    6
}

/// Words that a name follows.
fn announces_a_name(word: &str) -> bool {
    matches!(
        word.to_ascii_lowercase().as_str(),
        "class"
            | "user"
            | "username"
            | "host"
            | "hostname"
            | "node"
            | "named"
            | "login"
            | "account"
            | "uid"
            | "realm"
            | "tenant"
            | "customer"
            | "queue"
            | "topic"
            | "bucket"
            | "table"
            | "database"
    )
}

/// Looks like the name of a thing rather than a word of a sentence: `my_table`, `com.shop.Cart`,
/// `OrderService`.
fn is_identifier(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() > 2
        && (bytes
            .iter()
            .any(|b| matches!(b, b'.' | b'_' | b'/' | b'@' | b'$' | b'#'))
            || bytes
                .windows(2)
                .any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase()))
}
