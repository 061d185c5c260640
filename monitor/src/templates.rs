//! Templates of a whole file, for `crosswatch templates`.

use std::collections::BTreeMap;

use monitor_core::{Message, Time};
use monitor_ingest::formats::Recognizer;
use monitor_ingest::templates::mine_file;

/// The template of each line. With `headers`, what a recognised format puts before the message is
/// left out first.
pub fn of_lines<'a>(lines: impl Iterator<Item = &'a str>, headers: bool) -> Vec<String> {
    if !headers {
        let lines: Vec<&str> = lines.collect();
        return mine_file(lines.into_iter());
    }
    let mut recognizer = Recognizer::new();
    let messages: Vec<String> = lines
        .map(|line| {
            let parsed = recognizer.parse(line, None, Time::EPOCH);
            match parsed.message {
                Message::Within(range) => line
                    .get(range.start as usize..range.end as usize)
                    .unwrap_or(line)
                    .to_owned(),
                Message::Decoded(text) => text.into(),
            }
        })
        .collect();
    mine_file(messages.iter().map(String::as_str))
}

/// Each template and how many lines have it, the most frequent first.
pub fn count(templates: &[String]) -> Vec<(&str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for template in templates {
        *counts.entry(template).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_a_template_without_its_header() {
        let lines = [
            "2026-03-01 10:00:00,123 INFO  [main] shop.Cart - added item 17 to cart 8",
            "2026-03-01 10:00:01,456 INFO  [main] shop.Cart - added item 23 to cart 9",
        ];
        let templates = of_lines(lines.into_iter(), true);
        assert_eq!(templates, vec!["added item <*> to cart <*>"; 2]);
        assert_eq!(count(&templates), vec![("added item <*> to cart <*>", 2)]);
    }
}
