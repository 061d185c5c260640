//! Bodies in Kubernetes' protobuf, read into JSON.
//!
//! kubectl's typed commands (`create namespace`, `create role`, `auth can-i`, `drain`) send such
//! bodies since 1.32 and know no other way. Answers are always in JSON, which those clients accept
//! as well. A kind that is not in the table is refused as the API server refuses protobuf for
//! custom resources.
//!
//! Source: <https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding>.

mod table;
mod wire;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use self::table::{Field, Kind, Many};
use self::wire::{Content, Fault, Reader};
use crate::status::Status;

/// What stands before every such body.
const MAGIC: &[u8] = b"k8s\0";

/// The object of a body.
pub(super) fn read(body: &[u8]) -> Result<Value, Status> {
    let broken = |fault: Fault| {
        Status::bad_request(format!(
            "the body of the request cannot be read as application/vnd.kubernetes.protobuf: {fault}"
        ))
    };
    let body = body.strip_prefix(MAGIC).ok_or_else(|| {
        Status::bad_request(
            "provided data does not appear to be a protobuf message, expected prefix \
             [107 56 115 0]",
        )
    })?;
    let envelope = Envelope::read(body).map_err(broken)?;
    let name = message_name(envelope.api_version, envelope.kind);
    let Some(fields) = table::message(&name) else {
        return Err(super::body::unknown_format());
    };
    let mut object = message(envelope.raw, fields).map_err(broken)?;
    object.insert("apiVersion".to_owned(), json!(envelope.api_version));
    object.insert("kind".to_owned(), json!(envelope.kind));
    Ok(Value::Object(object))
}

/// `runtime.Unknown`: what kind of object there is, and the object.
#[derive(Default)]
struct Envelope<'a> {
    api_version: &'a str,
    kind: &'a str,
    raw: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn read(body: &'a [u8]) -> Result<Envelope<'a>, Fault> {
        let mut envelope = Envelope::default();
        let mut fields = Reader::new(body);
        while let Some((number, content)) = fields.next()? {
            match (number, content) {
                (1, Content::Bytes(type_meta)) => {
                    let mut fields = Reader::new(type_meta);
                    while let Some((number, content)) = fields.next()? {
                        match (number, content) {
                            (1, Content::Bytes(bytes)) => envelope.api_version = text(bytes)?,
                            (2, Content::Bytes(bytes)) => envelope.kind = text(bytes)?,
                            _ => {}
                        }
                    }
                }
                (2, Content::Bytes(raw)) => envelope.raw = raw,
                _ => {}
            }
        }
        Ok(envelope)
    }
}

/// `rbac.authorization.k8s.io/v1` and `Role` give `rbac/v1.Role`.
fn message_name(api_version: &str, kind: &str) -> String {
    if kind == "DeleteOptions" {
        // Sent in the group of what is deleted.
        return "meta/v1.DeleteOptions".to_owned();
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    let group = group.split('.').next().unwrap_or(group);
    format!("{group}/{version}.{kind}")
}

fn message(bytes: &[u8], fields: &table::Message) -> Result<Map<String, Value>, Fault> {
    let mut object = Map::new();
    let mut reader = Reader::new(bytes);
    while let Some((number, content)) = reader.next()? {
        let Some(field) = fields.get(&number) else {
            continue;
        };
        let mismatch = Fault::Mismatch(number);
        let Some(name) = field.name else {
            if let Value::Object(inner) = one(field.kind, content, mismatch)? {
                object.extend(inner);
            }
            continue;
        };
        match field.many {
            Many::One => {
                let value = one(field.kind, content, mismatch)?;
                if field.keeps_empty || !says_nothing(field, &value) {
                    object.insert(name.to_owned(), value);
                }
            }
            Many::List => {
                let list = object.entry(name).or_insert_with(|| json!([]));
                if let Value::Array(list) = list {
                    add(list, field.kind, content, mismatch)?;
                }
            }
            Many::Map => {
                let (key, value) = entry(field.kind, content, mismatch)?;
                object.entry(name).or_insert_with(|| json!({}))[key] = value;
            }
        }
    }
    Ok(object)
}

/// Go writes values that are not pointers even where nobody set them.
fn says_nothing(field: &Field, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Object(_) | Value::Array(_) => matches!(field.kind, Kind::Items),
    }
}

/// One item of a list, or many numbers in one (packed) field.
fn add(list: &mut Vec<Value>, kind: Kind, content: Content, fault: Fault) -> Result<(), Fault> {
    if let (Kind::Number | Kind::Truth, Content::Bytes(packed)) = (kind, content) {
        let mut numbers = Reader::new(packed);
        while let Some(number) = numbers.packed()? {
            list.push(one(kind, Content::Varint(number), fault)?);
        }
    } else {
        list.push(one(kind, content, fault)?);
    }
    Ok(())
}

/// An entry of a map: a message of a key and a value.
fn entry<'a>(kind: Kind, content: Content<'a>, fault: Fault) -> Result<(&'a str, Value), Fault> {
    let Content::Bytes(bytes) = content else {
        return Err(fault);
    };
    let (mut key, mut value) = ("", None);
    let mut reader = Reader::new(bytes);
    while let Some((number, content)) = reader.next()? {
        match (number, content) {
            (1, Content::Bytes(bytes)) => key = text(bytes)?,
            (2, content) => value = Some(one(kind, content, fault)?),
            _ => {}
        }
    }
    match value {
        Some(value) => Ok((key, value)),
        None => Ok((key, one(kind, Content::Bytes(&[]), fault)?)),
    }
}

fn one(kind: Kind, content: Content, fault: Fault) -> Result<Value, Fault> {
    let bytes = match (kind, content) {
        // Negative numbers are written as 64 bits, whatever their kind.
        (Kind::Number, Content::Varint(number)) => return Ok(json!(number.cast_signed())),
        (Kind::Truth, Content::Varint(number)) => return Ok(json!(number != 0)),
        (Kind::Number | Kind::Truth, _) => return Err(fault),
        (_, Content::Bytes(bytes)) => bytes,
        _ => return Err(fault),
    };
    match kind {
        Kind::Message(name) => {
            let fields = table::message(name).ok_or(fault)?;
            message(bytes, fields).map(Value::Object)
        }
        Kind::Bytes => Ok(json!(BASE64_STANDARD.encode(bytes))),
        Kind::Time => time(bytes, false),
        Kind::MicroTime => time(bytes, true),
        Kind::Quantity => Ok(json!(text(field_bytes(bytes, 1)?)?)),
        Kind::Port => port(bytes),
        Kind::Raw => match field_bytes(bytes, 1)? {
            [] => Ok(Value::Null),
            raw => serde_json::from_slice(raw).map_err(|_| Fault::Json),
        },
        Kind::Items => {
            let mut items = Vec::new();
            let mut reader = Reader::new(bytes);
            while let Some((number, content)) = reader.next()? {
                if let (1, Content::Bytes(bytes)) = (number, content) {
                    items.push(text(bytes)?);
                }
            }
            Ok(json!(items))
        }
        Kind::Text | Kind::Number | Kind::Truth => Ok(json!(text(bytes)?)),
    }
}

/// The bytes of the last field with a number; none where it is missing.
fn field_bytes(message: &[u8], wanted: u64) -> Result<&[u8], Fault> {
    let mut found: &[u8] = &[];
    let mut reader = Reader::new(message);
    while let Some((number, content)) = reader.next()? {
        if let Content::Bytes(bytes) = content
            && number == wanted
        {
            found = bytes;
        }
    }
    Ok(found)
}

/// `intstr.IntOrString`: type, number, text.
fn port(bytes: &[u8]) -> Result<Value, Fault> {
    let (mut is_text, mut number, mut written) = (false, 0, "");
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next()? {
        match field {
            (1, Content::Varint(kind)) => is_text = kind == 1,
            (2, Content::Varint(value)) => number = value.cast_signed(),
            (3, Content::Bytes(bytes)) => written = text(bytes)?,
            _ => {}
        }
    }
    Ok(if is_text {
        json!(written)
    } else {
        json!(number)
    })
}

/// Null where there is none: Go writes a time that nobody set as an empty message.
fn time(bytes: &[u8], with_micros: bool) -> Result<Value, Fault> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut reader = Reader::new(bytes);
    while let Some((number, content)) = reader.next()? {
        match (number, content) {
            (1, Content::Varint(value)) => seconds = value.cast_signed(),
            (2, Content::Varint(value)) => nanos = value.cast_signed(),
            _ => {}
        }
    }
    if (seconds, nanos) == (0, 0) {
        return Ok(Value::Null);
    }
    let nanos = i32::try_from(nanos).map_err(|_| Fault::Time)?;
    let time = jiff::Timestamp::new(seconds, nanos).map_err(|_| Fault::Time)?;
    let format = if with_micros {
        "%Y-%m-%dT%H:%M:%S.%6fZ"
    } else {
        "%Y-%m-%dT%H:%M:%SZ"
    };
    Ok(json!(time.strftime(format).to_string()))
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::Text)
}

#[cfg(test)]
mod tests;
