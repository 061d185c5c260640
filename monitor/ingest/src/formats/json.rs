//! JSON of any shape: flattened while it is read, then each field goes where its name says.

use std::borrow::Cow;
use std::fmt;

use monitor_core::{Message, Name};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::aliases::meaning;
use super::facts::Scalar;
use super::fields::{self, Collect, located};
use super::json_kind::{self, Kind};
use super::{Parsed, Reason, Stream, detach, text, time};

/// Deeper than any log record; far from the reader's own limit of 128.
const DEEPEST: usize = 32;
/// More leaves than this are dropped: an attribute list is not a document store.
const MOST_FIELDS: usize = 256;
/// Elements of a list that are kept.
const MOST_ELEMENTS: usize = 8;
const INDICES: [&str; MOST_ELEMENTS] = ["0", "1", "2", "3", "4", "5", "6", "7"];
/// Longer paths are no names, and their sum would not be linear in the text.
const LONGEST_PATH: usize = 256;

/// Reads `text` as one JSON object. On failure `parsed.unrecognised` says why, and the text is
/// to be treated as free text.
pub(super) fn parse(text: &str, stream: &mut Stream<'_>, parsed: &mut Parsed) -> bool {
    let mut leaves = Leaves {
        list: Vec::with_capacity(24),
        too_deep: false,
        muted: false,
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = Node {
        leaves: &mut leaves,
        path: &mut String::new(),
        depth: 0,
        key: Cow::Borrowed(""),
    }
    .deserialize(&mut reader)
    .and_then(|()| reader.end());
    if read.is_err() {
        parsed.unrecognised = Some(if leaves.too_deep {
            Reason::TooDeep
        } else {
            Reason::BrokenJson
        });
        return false;
    }
    take(text, leaves.list, stream, parsed);
    true
}

/// One leaf of the tree: its dotted path and its value.
#[derive(Debug)]
pub(super) struct Leaf<'t> {
    pub(super) path: Cow<'t, str>,
    pub(super) value: LeafValue<'t>,
}

#[derive(Debug)]
pub(super) enum LeafValue<'t> {
    Str(Cow<'t, str>),
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl LeafValue<'_> {
    pub(super) fn scalar(&self) -> Scalar<'_> {
        match self {
            LeafValue::Str(text) => Scalar::Str(text),
            LeafValue::Int(number) => Scalar::Int(*number),
            LeafValue::Float(number) => Scalar::Float(*number),
            LeafValue::Bool(truth) => Scalar::Bool(*truth),
        }
    }
}

fn take(whole: &str, leaves: Vec<Leaf<'_>>, stream: &mut Stream<'_>, parsed: &mut Parsed) {
    let kind = json_kind::of(&leaves);
    if kind == Kind::Docker
        && let Some(inner) = leaves.iter().find(|leaf| leaf.path == "log")
        && let LeafValue::Str(line) = &inner.value
    {
        unwrap_container(whole, line, &leaves, stream, parsed);
        return;
    }
    parsed.format = Some(kind.name());
    parsed.attributes.reserve(leaves.len());
    let mut collect = Collect::new(whole, stream, parsed, kind.duration_unit());
    for leaf in &leaves {
        let field = json_kind::special(kind, &leaf.path).unwrap_or_else(|| meaning(&leaf.path));
        collect.put(&leaf.path, field, leaf.value.scalar());
    }
    let message = collect.finish();
    kind.finish(&leaves, parsed);
    fields::tell(whole, message, stream, parsed);
}

/// A container runtime's wrapper that reached us unopened: the line inside is the record.
fn unwrap_container(
    whole: &str,
    line: &str,
    leaves: &[Leaf<'_>],
    stream: &mut Stream<'_>,
    parsed: &mut Parsed,
) {
    let carrier = leaves
        .iter()
        .find(|leaf| leaf.path == "time")
        .and_then(|leaf| match &leaf.value {
            LeafValue::Str(text) => time::parse(text, stream.clock),
            _ => None,
        });
    let outer = stream.clock;
    stream.clock.carrier = carrier.or(outer.carrier);
    if stream.nested(line, parsed) {
        match located(whole, line) {
            Message::Within(range) => super::shift(&mut parsed.message, range.start as usize),
            Message::Decoded(_) => detach(&mut parsed.message, line),
        }
    } else {
        parsed.unrecognised = None;
        text::facts(line, parsed, stream.durations);
        parsed.format = Some(Kind::Docker.name());
        let said = line.trim_ascii_end();
        parsed.message = located(whole, &said[text::after_ids(said)..]);
    }
    stream.clock = outer;
    parsed.time = parsed.time.or(carrier);
    for leaf in leaves {
        if !matches!(&*leaf.path, "log" | "time") {
            parsed
                .attributes
                .push((Name::from(&*leaf.path), leaf.value.scalar().to_value()));
        }
    }
}

#[derive(Debug)]
struct Leaves<'t> {
    list: Vec<Leaf<'t>>,
    too_deep: bool,
    muted: bool,
}

/// Reads one value and appends its leaves.
struct Node<'l, 'p, 't> {
    leaves: &'l mut Leaves<'t>,
    /// The path of the container that holds the value; empty at the top.
    path: &'p mut String,
    depth: usize,
    key: Cow<'t, str>,
}

impl<'t> Node<'_, '_, 't> {
    fn leaf<E>(self, value: LeafValue<'t>) -> Result<(), E> {
        if !self.leaves.muted
            && self.leaves.list.len() < MOST_FIELDS
            && self.path.len() + self.key.len() <= LONGEST_PATH
        {
            let path = if self.path.is_empty() {
                self.key
            } else {
                Cow::Owned(format!("{}.{}", self.path, self.key))
            };
            self.leaves.list.push(Leaf { path, value });
        }
        Ok(())
    }

    /// Enters the container that this value is; the length to cut the path back to afterwards.
    fn enter<E: Error>(&mut self) -> Result<usize, E> {
        if self.depth > DEEPEST {
            self.leaves.too_deep = true;
            return Err(E::custom("nested too deep"));
        }
        let outer = self.path.len();
        if self.depth > 0 {
            if outer > 0 {
                self.path.push('.');
            }
            // Once too long it stays too long, whatever is cut here: its leaves are dropped.
            if self.path.len() <= LONGEST_PATH {
                self.path.push_str(&self.key);
            }
        }
        Ok(outer)
    }
}

impl<'t> DeserializeSeed<'t> for Node<'_, '_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, reader: D) -> Result<(), D::Error> {
        if self.depth == 0 {
            reader.deserialize_map(self)
        } else {
            reader.deserialize_any(self)
        }
    }
}

impl<'t> Visitor<'t> for Node<'_, '_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'t str) -> Result<(), E> {
        self.leaf(LeafValue::Str(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.leaf(LeafValue::Str(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.leaf(LeafValue::Int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        match i64::try_from(number) {
            Ok(number) => self.leaf(LeafValue::Int(number)),
            // Datadog's decimal ids need all 64 bits.
            Err(_) => self.leaf(LeafValue::Str(Cow::Owned(number.to_string()))),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.leaf(LeafValue::Float(number))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<(), E> {
        self.leaf(LeafValue::Bool(truth))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'t>>(mut self, mut map: A) -> Result<(), A::Error> {
        let outer = self.enter()?;
        while let Some(key) = map.next_key_seed(Key)? {
            map.next_value_seed(Node {
                leaves: self.leaves,
                path: self.path,
                depth: self.depth + 1,
                key,
            })?;
        }
        self.path.truncate(outer);
        Ok(())
    }

    /// A list of scalars becomes one text, `a, b`; of a list of objects the first few are
    /// flattened under their index.
    fn visit_seq<A: SeqAccess<'t>>(mut self, mut sequence: A) -> Result<(), A::Error> {
        let outer = self.enter()?;
        let first = self.leaves.list.len();
        let was_muted = self.leaves.muted;
        let mut index = 0;
        loop {
            // The rest is checked but not kept.
            self.leaves.muted = was_muted || index >= MOST_ELEMENTS;
            let element = Node {
                leaves: self.leaves,
                path: self.path,
                depth: self.depth + 1,
                key: Cow::Borrowed(INDICES.get(index).unwrap_or(&"")),
            };
            if sequence.next_element_seed(element)?.is_none() {
                break;
            }
            index += 1;
        }
        self.leaves.muted = was_muted;
        self.join_scalars(first);
        self.path.truncate(outer);
        Ok(())
    }
}

impl Node<'_, '_, '_> {
    fn join_scalars(&mut self, first: usize) {
        let prefix = self.path.len() + 1;
        let elements = self.leaves.list.get(first..).unwrap_or_default();
        let all_scalar = !elements.is_empty()
            && elements.iter().all(|leaf| {
                leaf.path
                    .get(prefix..)
                    .is_some_and(|rest| INDICES.contains(&rest))
            });
        if !all_scalar {
            return;
        }
        let mut joined = String::new();
        for leaf in elements {
            if !joined.is_empty() {
                joined.push_str(", ");
            }
            joined.push_str(&leaf.value.scalar().to_value().to_string());
        }
        self.leaves.list.truncate(first);
        self.leaves.list.push(Leaf {
            path: Cow::Owned(self.path.clone()),
            value: LeafValue::Str(Cow::Owned(joined)),
        });
    }
}

struct Key;

impl<'t> DeserializeSeed<'t> for Key {
    type Value = Cow<'t, str>;

    fn deserialize<D: Deserializer<'t>>(self, reader: D) -> Result<Cow<'t, str>, D::Error> {
        reader.deserialize_str(Key)
    }
}

impl<'t> Visitor<'t> for Key {
    type Value = Cow<'t, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'t str) -> Result<Cow<'t, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Cow<'t, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}
