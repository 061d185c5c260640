//! What is expected, held against what came.

use regex::Regex;
use serde_json::Value;

/// Where two differ, one line each. Objects may have more than is expected; lists may not.
///
/// A text in angle brackets stands for any text of its kind: `<any>`, `<uid>`, `<time>`,
/// `<micro time>`, `<version>`, `<address>`, `<like EXPRESSION>`, `<contains TEXT>`, `<not TEXT>`.
pub(super) fn differences(expected: &Value, got: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(expected, got, String::new(), &mut found);
    found
}

fn compare(expected: &Value, got: &Value, at: String, found: &mut Vec<String>) {
    match (expected, got) {
        (Value::Object(wanted), Value::Object(there)) => {
            for (key, wanted) in wanted {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                match there.get(key) {
                    Some(there) => compare(wanted, there, at, found),
                    None => found.push(format!("{at}: expected {wanted}, got nothing")),
                }
            }
        }
        (Value::Array(wanted), Value::Array(there)) => {
            if wanted.len() != there.len() {
                let (expects, has) = (wanted.len(), there.len());
                found.push(format!("{at}: expected {expects} items, got {has}: {got}"));
                return;
            }
            for (index, (wanted, there)) in wanted.iter().zip(there).enumerate() {
                compare(wanted, there, format!("{at}/{index}"), found);
            }
        }
        (Value::String(wanted), _) if wanted.starts_with('<') && wanted.ends_with('>') => {
            if !stands_for(&wanted[1..wanted.len() - 1], got) {
                found.push(format!("{at}: expected {wanted}, got {got}"));
            }
        }
        _ if expected == got => {}
        _ => found.push(format!("{at}: expected {expected}, got {got}")),
    }
}

fn stands_for(word: &str, got: &Value) -> bool {
    let Some(text) = got.as_str() else {
        return word == "any";
    };
    let like = |expression: &str| Regex::new(expression).unwrap().is_match(text);
    let time = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d";
    match word {
        "any" => true,
        "uid" => like("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
        "time" => like(&format!("{time}Z$")),
        "micro time" => like(&format!(r"{time}\.\d{{6}}Z$")),
        "version" => like("^[1-9][0-9]*$"),
        "address" => text.parse::<std::net::IpAddr>().is_ok(),
        _ => match word.split_once(' ') {
            Some(("like", expression)) => like(expression),
            Some(("contains", part)) => text.contains(part),
            Some(("not", other)) => text != other,
            _ => panic!("<{word}> is not known"),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn more_than_is_expected_is_no_difference() {
        let got = json!({ "a": 1, "b": [{ "c": "x", "d": 2 }], "e": null });
        assert_eq!(differences(&json!({ "b": [{ "c": "x" }] }), &got), [""; 0]);
    }

    #[test]
    fn differences_say_where_they_are() {
        let expected = json!({ "a": 1, "b": [1, 2], "c": { "d/e": "x" }, "f": [] });
        let got = json!({ "a": "1", "b": [1], "c": {}, "f": [0] });
        assert_eq!(
            differences(&expected, &got),
            [
                "/a: expected 1, got \"1\"",
                "/b: expected 2 items, got 1: [1]",
                "/c/d~1e: expected \"x\", got nothing",
                "/f: expected 0 items, got 1: [0]",
            ]
        );
    }

    #[test]
    fn words_in_angle_brackets_stand_for_texts_of_their_kind() {
        let fits = |word: &str, text: &str| differences(&json!(word), &json!(text)).is_empty();
        assert!(fits("<uid>", "7c6f4a9e-0000-4b1c-9a7e-123456789abc"));
        assert!(!fits("<uid>", "7c6f4a9e"));
        assert!(fits("<time>", "2026-11-21T18:00:00Z"));
        assert!(!fits("<time>", "2026-11-21T18:00:00.000001Z"));
        assert!(fits("<micro time>", "2026-11-21T18:00:00.000001Z"));
        assert!(fits("<version>", "17") && !fits("<version>", "0"));
        assert!(fits("<address>", "10.0.0.1") && !fits("<address>", "None"));
        assert!(fits("<like ^a+$>", "aa") && !fits("<like ^a+$>", "ab"));
        assert!(fits("<contains b c>", "ab cd") && !fits("<contains b c>", "abc"));
        assert!(fits("<not a>", "b") && !fits("<not a>", "a"));
        assert!(!differences(&json!("<uid>"), &json!(1)).is_empty());
    }
}
