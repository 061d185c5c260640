//! The one pass over every text: key words and the beginnings of tokens.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::config::Extra;
use super::edits::Edits;
use super::{keyed, shapes};

/// Words of which a secret's name consists. Found anywhere, also inside other words: the whole
/// name around one is looked at by `keyed`.
const KEY_WORDS: [&str; 20] = [
    "passw",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "api.key",
    "accesskey",
    "access_key",
    "access-key",
    "privatekey",
    "private_key",
    "private-key",
    "authorization",
    "cookie",
    "credential",
    "sessionid",
    "signature",
];

/// Beginnings of tokens and what else `shapes` knows.
const STARTS: [&str; 23] = [
    "@",
    "eyj",
    "bearer ",
    "basic ",
    "akia",
    "asia",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "xox",
    "aiza",
    "sk_live_",
    "rk_live_",
    "sk_test_",
    "glpat-",
    "npm_",
    "sk-",
    "ya29.",
    "hooks.slack.com/services/",
    "-----begin ",
];

#[derive(Debug)]
pub(super) struct Scanner {
    words: Option<AhoCorasick>,
    keys: usize,
}

impl Scanner {
    pub(super) fn new(own_keys: &[String]) -> Scanner {
        let words: Vec<&str> = own_keys
            .iter()
            .map(String::as_str)
            .filter(|key| !key.is_empty())
            .chain(KEY_WORDS)
            .collect();
        let keys = words.len();
        Scanner {
            // The automaton is refused only when it would have more than 2^31 states.
            words: AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::LeftmostLongest)
                .kind(Some(AhoCorasickKind::DFA))
                .build(words.into_iter().chain(STARTS))
                .ok(),
            keys,
        }
    }

    pub(super) fn find(&self, text: &str, extra: &Extra, edits: &mut Edits) {
        let Some(words) = &self.words else {
            return;
        };
        let mut end = 0;
        for found in words.find_iter(text) {
            // A value that was taken as a whole can hold key words itself.
            if found.start() < end {
                continue;
            }
            let taken = if found.pattern().as_usize() < self.keys {
                keyed::find(text, found.range(), extra.keys(), edits)
            } else {
                shapes::find(text, found.range(), edits)
            };
            end = taken.unwrap_or(end);
        }
    }
}
