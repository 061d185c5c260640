//! What a user may add to, or take from, the built-in rules.

use monitor_core::Name;
use regex::Regex;

use super::edits::Edits;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedactConfig {
    /// Off: every text passes as it is.
    pub enabled: bool,
    /// Replaced besides the built-in ones.
    pub rules: Vec<Rule>,
    /// Names of fields whose values are replaced, besides the built-in ones; case, `-` and `_` do
    /// not matter.
    pub keys: Vec<String>,
    /// What matches one of these regular expressions as a whole is left as it is.
    pub allow: Vec<String>,
    /// Kinds that are not looked for.
    pub without: Vec<String>,
    /// Also replace telephone numbers in international notation.
    pub phone: bool,
}

impl Default for RedactConfig {
    fn default() -> RedactConfig {
        RedactConfig {
            enabled: true,
            rules: Vec::new(),
            keys: Vec::new(),
            allow: Vec::new(),
            without: Vec::new(),
            phone: false,
        }
    }
}

/// A user's own rule: what the pattern matches (its first group, when it has one) is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// A plain word: letters, digits, `-`, `_`.
    pub kind: String,
    pub pattern: String,
}

#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    #[error("`{pattern}` is not a regular expression")]
    Pattern {
        pattern: String,
        #[source]
        source: Box<regex::Error>,
    },
    #[error("`{kind}` cannot name a kind of secret: letters, digits, `-` and `_` only")]
    Kind { kind: String },
}

/// The user's part of the rules, compiled.
#[derive(Debug)]
pub(super) struct Extra {
    rules: Vec<(Name, Regex)>,
    allow: Vec<Regex>,
    without: Vec<String>,
    keys: Vec<String>,
}

/// `+` and 8 to 15 digits in at most six groups (ITU-T E.164 and E.123).
const PHONE: &str = r"(?:^|[^\w+])(\+[1-9]\d{0,2}(?:[ .-]?\(?\d{1,5}\)?){2,5})\b";

impl Extra {
    pub(super) fn new(config: RedactConfig) -> Result<Extra, RedactError> {
        let mut rules = Vec::new();
        if config.phone {
            rules.push((Name::from("phone"), compile(PHONE)?));
        }
        for Rule { kind, pattern } in config.rules {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if kind.is_empty() || kind.len() > 32 || !kind.chars().all(plain) {
                return Err(RedactError::Kind { kind });
            }
            rules.push((kind.into(), compile(&pattern)?));
        }
        let allow = config
            .allow
            .iter()
            .map(|pattern| compile(&format!("^(?:{pattern})$")))
            .collect::<Result<_, _>>()?;
        Ok(Extra {
            rules,
            allow,
            without: config.without,
            keys: config
                .keys
                .iter()
                .map(|key| super::keyed::plain(key))
                .collect(),
        })
    }

    pub(super) fn find(&self, text: &str, edits: &mut Edits) {
        for (kind, regex) in &self.rules {
            for found in regex.captures_iter(text) {
                if let Some(part) = found.get(1).or_else(|| found.get(0))
                    && !part.is_empty()
                    && !part.as_str().contains("[REDACTED:")
                    && !inside_replacement(text, part.start())
                {
                    edits.push(part.range(), kind);
                }
            }
        }
        if !self.without.is_empty() {
            edits.retain(|kind| !self.without.iter().any(|without| without == kind));
        }
    }

    pub(super) fn allows(&self, found: &str) -> bool {
        self.allow.iter().any(|regex| regex.is_match(found))
    }

    /// The user's own key names, plain.
    pub(super) fn keys(&self) -> &[String] {
        &self.keys
    }

    pub(super) fn skips(&self, kind: &str) -> bool {
        self.without.iter().any(|without| without == kind)
    }
}

/// A rule that matches the replacement's own words would never come to an end.
fn inside_replacement(text: &str, at: usize) -> bool {
    text[..at]
        .rfind("[REDACTED:")
        .is_some_and(|from| !text[from..at].contains(']'))
}

fn compile(pattern: &str) -> Result<Regex, RedactError> {
    Regex::new(pattern).map_err(|source| RedactError::Pattern {
        pattern: pattern.to_owned(),
        source: Box::new(source),
    })
}
