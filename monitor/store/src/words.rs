//! What a word is, for indexing, for queries, and for checking phrases: one definition.
//!
//! A word is a longest run of alphanumeric characters, lower-cased, compared by its first
//! [`MAX_WORD`] bytes. Whether a character belongs to a word depends on that character alone, so a
//! text can be taken apart piecewise as long as no run is cut: layouts rely on this.

/// Longer runs (base64, padding) are cut here: the term dictionary is no place for them.
pub(crate) const MAX_WORD: usize = 128;

pub(crate) fn is_word_char(character: char) -> bool {
    character.is_alphanumeric()
}

/// Calls `found` with every word of `text`. `buffer` is scratch space, to be used again.
pub(crate) fn for_each_word(text: &str, buffer: &mut String, mut found: impl FnMut(&str)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !is_word_byte(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        let mut ascii = true;
        while at < bytes.len() && is_word_byte(bytes[at]) {
            ascii &= bytes[at].is_ascii();
            at += 1;
        }
        // Every byte above 127 was taken for a word's, so these are character boundaries.
        let run = &text[start..at];
        if ascii {
            buffer.clear();
            buffer.push_str(&run[..run.len().min(MAX_WORD)]);
            buffer.make_ascii_lowercase();
            found(buffer);
        } else {
            for word in run.split(|character| !is_word_char(character)) {
                if !word.is_empty() {
                    lower_into(word, buffer);
                    found(buffer);
                }
            }
        }
    }
}

/// The words of `text` in order.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut buffer = String::new();
    let mut words = Vec::new();
    for_each_word(text, &mut buffer, |word| words.push(word.to_owned()));
    words
}

fn lower_into(word: &str, buffer: &mut String) {
    buffer.clear();
    for character in word.chars().flat_map(char::to_lowercase) {
        if buffer.len() + character.len_utf8() > MAX_WORD {
            break;
        }
        buffer.push(character);
    }
}

/// ASCII letters and digits, and all of what is not ASCII (to be looked at as characters).
fn is_word_byte(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = byte >= 128 || (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        table
    };
    TABLE[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_lower_case_runs() {
        assert_eq!(
            words("blk_-42 Größe:ÄB calculate time：16 x.Y#7"),
            [
                "blk",
                "42",
                "größe",
                "äb",
                "calculate",
                "time",
                "16",
                "x",
                "y",
                "7"
            ]
        );
    }

    proptest! {
        #[test]
        fn words_are_runs_of_word_characters(text in any::<String>()) {
            let expected: Vec<String> = text
                .split(|c| !is_word_char(c))
                .filter(|run| !run.is_empty())
                .map(|run| {
                    let mut buffer = String::new();
                    lower_into(run, &mut buffer);
                    buffer
                })
                .collect();
            prop_assert_eq!(words(&text), expected);
        }
    }
}
