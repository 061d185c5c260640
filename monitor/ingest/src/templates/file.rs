//! The templates of a whole file: what every line's template is once all lines were seen.

use std::collections::BTreeMap;

use super::miner::{Limits, Miner};
use super::scan::scan;
use super::template::{Slot, is_unit};

/// The final template of each message, with `<*>` for each variable, in the order of the messages.
///
/// Unlike a stream, a file can be answered after the last line: a line that came before its
/// template was understood gets the same text as those after it.
pub fn mine_file<'m>(messages: impl Iterator<Item = &'m str>) -> Vec<String> {
    let mut miner = Miner::new(
        "",
        Limits {
            templates: 20_000,
            ..Limits::default()
        },
    );
    let (messages, templates): (Vec<&str>, Vec<u32>) = messages
        .map(|message| (message, miner.mine_at(message).0))
        .unzip();
    let templates: Vec<u32> = templates
        .into_iter()
        .map(|index| miner.survivor(index))
        .collect();
    let mut prefixes: BTreeMap<u32, Vec<Prefix>> = BTreeMap::new();
    let mut tokens = Vec::new();
    for (message, index) in messages.iter().zip(&templates) {
        let slots = &miner.template(*index).slots;
        scan(message, miner.limits().tokens, &mut tokens);
        if slots.len() != tokens.len() || slots.iter().all(|slot| slot.word().is_some()) {
            continue;
        }
        let prefixes = prefixes
            .entry(*index)
            .or_insert_with(|| vec![Prefix::default(); slots.len()]);
        for ((prefix, token), slot) in prefixes.iter_mut().zip(&tokens).zip(slots) {
            // `type=org.shop.Cart` has a value of its own, the prefix belongs to it.
            let named = message.as_bytes()[..token.start as usize].ends_with(b"=");
            if *slot == Slot::Variable {
                prefix.add(if token.variable || named {
                    ""
                } else {
                    token.text(message)
                });
            }
        }
    }
    let texts: BTreeMap<u32, String> = templates
        .iter()
        .map(|index| {
            let prefixes = prefixes.get(index).map_or(&[][..], Vec::as_slice);
            let text = miner
                .template(*index)
                .text(|slot| prefixes.get(slot).map_or("", Prefix::text));
            (*index, text)
        })
        .collect();
    let texts = with_empty_values(without_optional_units(texts));
    templates.iter().map(|index| texts[index].clone()).collect()
}

/// Unites templates that differ only in whether brackets hold a value: `from <*> () at <*>` is
/// `from <*> (<*>) at <*>` with an empty one.
fn with_empty_values(mut texts: BTreeMap<u32, String>) -> BTreeMap<u32, String> {
    let empty = |text: &str| text.replace("(<*>)", "()").replace("[<*>]", "[]");
    let mut full: BTreeMap<String, String> = BTreeMap::new();
    for text in texts.values() {
        let known = full.entry(empty(text)).or_default();
        if text.len() > known.len() {
            known.clone_from(text);
        }
    }
    for text in texts.values_mut() {
        text.clone_from(&full[&empty(text)]);
    }
    texts
}

/// Unites templates that differ only in whether a unit stands behind a number: where one has none
/// (its values bring their own), all have none.
fn without_optional_units(texts: BTreeMap<u32, String>) -> BTreeMap<u32, String> {
    let mut bare: BTreeMap<String, Vec<Vec<Option<&str>>>> = BTreeMap::new();
    for text in texts.values() {
        let (key, units) = units(text);
        let seen = bare.entry(key).or_default();
        if !seen.contains(&units) {
            seen.push(units);
        }
    }
    texts
        .values()
        .map(|text| {
            let (key, own) = units(text);
            let all = &bare[&key];
            let mut parts = key.split("<*>");
            let mut united = parts.next().unwrap_or_default().to_owned();
            for (place, part) in parts.enumerate() {
                united.push_str("<*>");
                if let Some(unit) = own[place]
                    && all.iter().all(|units| units[place].is_some())
                {
                    united.push(' ');
                    united.push_str(unit);
                }
                united.push_str(part);
            }
            united
        })
        .zip(texts.keys())
        .map(|(text, index)| (*index, text))
        .collect()
}

/// The text without the units behind its variables, and these.
fn units(text: &str) -> (String, Vec<Option<&str>>) {
    let mut parts = text.split("<*>");
    let mut key = parts.next().unwrap_or_default().to_owned();
    let mut units = Vec::new();
    for part in parts {
        key.push_str("<*>");
        let word = part
            .strip_prefix(' ')
            .map(|rest| {
                rest.split(|c: char| !c.is_ascii_alphanumeric())
                    .next()
                    .unwrap_or_default()
            })
            .filter(|word| is_unit(word));
        units.push(word);
        key.push_str(word.map_or(part, |word| &part[word.len() + 1..]));
    }
    (key, units)
}

/// The dotted beginning that all values of a variable share: `org.shop.` of two class names.
#[derive(Clone, Debug, Default)]
struct Prefix(Option<String>);

impl Prefix {
    fn add(&mut self, value: &str) {
        let shared = match &self.0 {
            None => value,
            Some(known) => {
                let length = known
                    .bytes()
                    .zip(value.bytes())
                    .take_while(|(left, right)| left == right)
                    .count();
                &value[..value.floor_char_boundary(length)]
            }
        };
        if self.0.as_deref() != Some(shared) {
            self.0 = Some(shared.to_owned());
        }
    }

    /// Up to the last dot, when it consists of at least two words.
    fn text(&self) -> &str {
        let known = self.0.as_deref().unwrap_or_default();
        let words = &known[..known.rfind('.').map_or(0, |dot| dot + 1)];
        let labels = words.bytes().filter(|b| *b == b'.').count();
        if labels >= 2 && words.bytes().all(|b| b.is_ascii_alphabetic() || b == b'.') {
            words
        } else {
            ""
        }
    }
}
