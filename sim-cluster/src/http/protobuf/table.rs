//! Which numbers the fields of Kubernetes' messages have (`fields.txt`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A message's fields by number.
pub(super) type Message = BTreeMap<u64, Field>;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    /// In JSON; `None` where the fields of the message within stand beside the others.
    pub(super) name: Option<&'static str>,
    pub(super) kind: Kind,
    pub(super) many: Many,
    /// An empty value says something.
    pub(super) keeps_empty: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Many {
    One,
    List,
    /// From texts.
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Truth,
    /// In JSON, base64.
    Bytes,
    Time,
    MicroTime,
    Quantity,
    /// A number or a text.
    Port,
    /// JSON.
    Raw,
    /// A message around a list of texts.
    Items,
    Message(&'static str),
}

/// By name: `core/v1.Pod`.
pub(super) fn message(name: &str) -> Option<&'static Message> {
    static MESSAGES: LazyLock<BTreeMap<&'static str, Message>> =
        LazyLock::new(|| parse(include_str!("fields.txt")));
    MESSAGES.get(name)
}

/// What is no line of a table is skipped; a test reads the table strictly.
fn parse(table: &'static str) -> BTreeMap<&'static str, Message> {
    let mut messages = BTreeMap::new();
    let mut current = "";
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let Some(written) = line.strip_prefix(' ') else {
            current = line;
            messages.insert(current, Message::new());
            continue;
        };
        if let (Some((number, field)), Some(message)) = (field(written), messages.get_mut(current))
        {
            message.insert(number, field);
        }
    }
    messages
}

fn field(line: &'static str) -> Option<(u64, Field)> {
    let mut words = line.split(' ');
    let number = words.next()?.parse().ok()?;
    let name = words.next()?;
    let written = words.next()?;
    let keeps_empty = written.ends_with('!');
    let written = written.trim_end_matches('!');
    let (many, written) = if let Some(item) = written.strip_prefix("[]") {
        (Many::List, item)
    } else if let Some(value) = written.strip_prefix("{}") {
        (Many::Map, value)
    } else {
        (Many::One, written)
    };
    let kind = match written {
        "string" => Kind::Text,
        "int" => Kind::Number,
        "bool" => Kind::Truth,
        "bytes" => Kind::Bytes,
        "time" => Kind::Time,
        "microtime" => Kind::MicroTime,
        "quantity" => Kind::Quantity,
        "port" => Kind::Port,
        "raw" => Kind::Raw,
        "items" => Kind::Items,
        name if name.contains('/') => Kind::Message(name),
        _ => return None,
    };
    let field = Field {
        name: Some(name).filter(|name| *name != "."),
        kind,
        many,
        keeps_empty,
    };
    Some((number, field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{Shape, builtin};

    const TABLE: &str = include_str!("fields.txt");

    #[test]
    fn every_line_of_the_table_is_understood() {
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix(' ') {
                Some(written) => assert!(field(written).is_some(), "{line}"),
                None => assert!(line.contains("/v") && line.contains('.'), "{line}"),
            }
        }
    }

    #[test]
    fn every_message_that_is_referred_to_is_there() {
        for (name, message) in parse(TABLE) {
            for field in message.values() {
                if let Kind::Message(other) = field.kind {
                    assert!(super::message(other).is_some(), "{name} refers to {other}");
                }
            }
        }
    }

    /// Names are checked against the other source of schemas that the crate has.
    #[test]
    fn fields_have_the_names_that_the_schemas_have() {
        let mut seen = 0;
        let groups = [
            ("core/v1", "v1"),
            ("apps/v1", "apps/v1"),
            ("batch/v1", "batch/v1"),
            ("rbac/v1", "rbac.authorization.k8s.io/v1"),
            ("policy/v1", "policy/v1"),
            ("networking/v1", "networking.k8s.io/v1"),
        ];
        for (name, _) in parse(TABLE) {
            let (group, kind) = name.split_once('.').unwrap();
            let known = groups.iter().find(|(it, _)| *it == group);
            let Some(shape) = known.and_then(|(_, version)| builtin::shape(version, kind)) else {
                continue;
            };
            check(name, &shape, name);
            seen += 1;
        }
        assert!(seen > 25, "{seen} kinds have a schema");
    }

    fn check(name: &str, shape: &Shape, at: &str) {
        for field in super::message(name).unwrap().values() {
            let Some(json) = field.name else {
                if let Kind::Message(inner) = field.kind {
                    check(inner, shape, at);
                }
                continue;
            };
            let Shape::Object(object) = shape else {
                panic!("{at} is no object");
            };
            assert!(object.fields.contains_key(json), "{at} has no field {json}");
            let below = shape.field(json);
            let below = match field.many {
                Many::One => below,
                Many::List => below.items(),
                Many::Map => below.field("any"),
            };
            if let Kind::Message(inner) = field.kind {
                check(inner, below, &format!("{at}.{json}"));
            }
        }
    }
}
