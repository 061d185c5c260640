//! Types of expressions, as far as a schema tells them.

use crate::structural::{Kind, Node};

/// What an expression can be.
#[derive(Clone, Debug)]
pub(super) enum Type<'a> {
    /// Known only when it is evaluated.
    Dynamic,
    Boolean,
    Int,
    Unsigned,
    Double,
    Text,
    Bytes,
    Timestamp,
    Duration,
    Null,
    List(Box<Type<'a>>),
    /// Keys are texts.
    Map(Box<Type<'a>>),
    /// An object with fields.
    Object(&'a Node),
    /// `metadata`: two names.
    Metadata,
}

impl<'a> Type<'a> {
    pub(super) fn of(node: &'a Node) -> Type<'a> {
        match (node.kind, node.limits.format.as_str()) {
            (Kind::Any | Kind::IntOrString, _) => Type::Dynamic,
            (Kind::String, "date-time" | "date") => Type::Timestamp,
            (Kind::String, "duration") => Type::Duration,
            (Kind::String, "byte") => Type::Bytes,
            (Kind::String, _) => Type::Text,
            (Kind::Integer, _) => Type::Int,
            (Kind::Number, _) => Type::Double,
            (Kind::Boolean, _) => Type::Boolean,
            (Kind::Array, _) => {
                let items = node.items.as_deref().map_or(Type::Dynamic, Type::of);
                Type::List(Box::new(items))
            }
            (Kind::Object, _) => match node.additional.as_deref() {
                Some(values) => Type::Map(Box::new(Type::of(values))),
                None => Type::Object(node),
            },
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Type::Dynamic => "dyn".to_owned(),
            Type::Boolean => "bool".to_owned(),
            Type::Int => "int".to_owned(),
            Type::Unsigned => "uint".to_owned(),
            Type::Double => "double".to_owned(),
            Type::Text => "string".to_owned(),
            Type::Bytes => "bytes".to_owned(),
            Type::Timestamp => "timestamp".to_owned(),
            Type::Duration => "duration".to_owned(),
            Type::Null => "null".to_owned(),
            Type::List(items) => format!("list({})", items.name()),
            Type::Map(values) => format!("map(string, {})", values.name()),
            Type::Object(_) | Type::Metadata => "object".to_owned(),
        }
    }

    fn is_scalar(&self) -> bool {
        matches!(
            self,
            Type::Boolean
                | Type::Int
                | Type::Unsigned
                | Type::Double
                | Type::Text
                | Type::Bytes
                | Type::Timestamp
                | Type::Duration
        )
    }

    /// Whether both are known to be plain values, of different kinds.
    pub(super) fn clashes(&self, other: &Type<'_>) -> bool {
        self.is_scalar()
            && other.is_scalar()
            && std::mem::discriminant(self) != std::mem::discriminant(other)
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Type::Int | Type::Unsigned | Type::Double)
    }
}
