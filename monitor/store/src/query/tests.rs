//! The language: trees of queries, the errors that people see, and the way back to text.

use expect_test::{Expect, expect};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Bound, FieldMatch, Part, Position, Query, Value, parse};

fn check(text: &str, expected: Expect) {
    let shown = match parse(text) {
        Ok(query) => query.to_string(),
        Err(error) => format!("error at {}: {}", error.position, error.message),
    };
    expected.assert_eq(&shown);
}

#[test]
fn terms_are_joined_by_and() {
    check("", expect![""]);
    check("connection refused", expect!["connection AND refused"]);
    check(r#""two words" x"#, expect![r#""two words" AND x"#]);
    check("a AND b OR c d", expect!["(a AND b) OR (c AND d)"]);
    check("a && (b || !c)", expect!["a AND (b OR NOT c)"]);
    check("-a NOT b - c", expect![r"NOT a AND NOT b AND \- AND c"]);
    check("(((a)))", expect!["a"]);
    check("android ORDER", expect!["android AND ORDER"]);
}

#[test]
fn fields_take_values_ranges_and_groups() {
    check("service:cart", expect!["service:cart"]);
    check(
        r#"error.type:"time out""#,
        expect![r#"error.type:"time out""#],
    );
    check("status:>=500", expect![r#"status:>="500""#]);
    check("status:<500", expect![r#"status:<"500""#]);
    check("status:[500 TO 599]", expect![r#"status:["500" TO "599"]"#]);
    check("time:{2026-01-01 TO *]", expect![r#"time:>"2026-01-01""#]);
    check("x:{1 TO 2]", expect![r#"x:{"1" TO "2"]"#]);
    check("duration:>250ms", expect![r#"duration:>"250ms""#]);
    check("trace_id:*", expect!["trace_id:*"]);
    check("route:/orders/{id}", expect!["route:/orders/{id}"]);
    check("path:/a/*/b?", expect!["path:/a/*/b?"]);
    check(
        "level:(warn OR error)",
        expect!["level:warn OR level:error"],
    );
    check("level:(-debug)", expect!["NOT level:debug"]);
}

#[test]
fn what_only_looks_like_syntax_is_text() {
    check(
        "https://shop.example/a:b",
        expect![r"https\://shop.example/a\:b"],
    );
    check("18:27:18", expect![r"18\:27\:18"]);
    check("[getUser]", expect![r"\[getUser]"]);
    check(r"service\:cart", expect![r"service\:cart"]);
    check(r#"\"a\ b\""#, expect![r#"\"a\ b\""#]);
}

#[test]
fn errors_say_where_and_what_was_expected() {
    check("(a b", expect!["error at 1: this `(` is never closed"]);
    check("a b)", expect!["error at 4: this `)` closes nothing"]);
    check(
        "a AND",
        expect!["error at 6: expected a term, found the end"],
    );
    check("OR b", expect!["error at 1: expected a term before `OR`"]);
    check(
        "a ()",
        expect!["error at 4: expected a term before this `)`"],
    );
    check(
        r#"msg:"open"#,
        expect![[r#"error at 5: this `"` is never closed"#]],
    );
    check(
        "status:",
        expect!["error at 8: expected a value after `status:`"],
    );
    check(
        "status: 500",
        expect!["error at 8: expected a value after `status:`"],
    );
    check(
        "status:[500 599]",
        expect!["error at 13: expected `TO` between the ends of the range"],
    );
    check(
        "status:[500 TO 599",
        expect!["error at 8: this range is never closed by `]` or `}`"],
    );
    check(
        "status:[ TO 599]",
        expect!["error at 13: expected `TO` between the ends of the range"],
    );
    check(
        "status:>",
        expect!["error at 9: expected a value to compare with"],
    );
    check(
        "status:>5*",
        expect!["error at 9: a comparison takes no wildcards"],
    );
    check(
        r"a\",
        expect![[r"error at 2: expected a character after `\`"]],
    );
    check(
        &"(".repeat(100),
        expect!["error at 65: more than 64 levels of nesting"],
    );
    check(
        &"-".repeat(100),
        expect!["error at 65: more than 64 levels of nesting"],
    );
}

fn literal() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        r#"[a-zA-Z0-9:/*?"\\()\[\]{}<>=! .-]{1,6}"#,
        "AND|OR|NOT|TO|&&",
        "\\PC{1,4}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let part = prop_oneof![
        2 => literal().prop_map(Part::Literal),
        1 => Just(Part::AnyRun),
        1 => Just(Part::AnyOne),
    ];
    prop_oneof![
        literal().prop_map(Value::Quoted),
        vec(part, 1..4).prop_map(|parts| {
            // As the parser makes them: literals and runs joined.
            let mut joined: Vec<Part> = Vec::new();
            for part in parts {
                match (joined.last_mut(), part) {
                    (Some(Part::Literal(text)), Part::Literal(more)) => text.push_str(&more),
                    (Some(Part::AnyRun), Part::AnyRun) => {}
                    (_, part) => joined.push(part),
                }
            }
            Value::Bare(joined)
        }),
    ]
}

fn field() -> impl Strategy<Value = Query> {
    let bound =
        (literal(), any::<bool>()).prop_map(|(value, inclusive)| Bound { value, inclusive });
    let matches = prop_oneof![
        value().prop_map(|value| match value {
            Value::Bare(parts) if parts == [Part::AnyRun] => FieldMatch::Exists,
            value => FieldMatch::Is(value),
        }),
        (prop::option::of(bound.clone()), prop::option::of(bound)).prop_map(|(low, high)| {
            match (low, high) {
                (None, None) => FieldMatch::Exists,
                (low, high) => FieldMatch::Range { low, high },
            }
        }),
    ];
    ("[a-z_@][a-z0-9_.@/-]{0,5}", matches).prop_map(|(name, matches)| Query::Field {
        name,
        at: Position::default(),
        matches,
    })
}

fn query() -> impl Strategy<Value = Query> {
    let leaf = prop_oneof![value().prop_map(Query::Text), field()];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Query::Not(Box::new(one))),
            vec(inner.clone(), 2..4).prop_map(|all| {
                let mut flat = Vec::new();
                for query in all {
                    match query {
                        Query::And(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                Query::And(flat)
            }),
            vec(inner, 2..4).prop_map(|all| {
                let mut flat = Vec::new();
                for query in all {
                    match query {
                        Query::Or(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                Query::Or(flat)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_displayed_parses_back(query in query()) {
        let text = query.to_string();
        prop_assert_eq!(parse(&text), Ok(query), "{}", text);
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,60}|[ ()\\[\\]{}:\"*?\\\\<>=!aANDORTO-]{0,40}") {
        if let Ok(query) = parse(&text) {
            let shown = query.to_string();
            prop_assert_eq!(parse(&shown), Ok(query), "{}", shown);
        }
    }
}
