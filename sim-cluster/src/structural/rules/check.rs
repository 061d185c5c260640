//! Whether a rule makes sense for its schema: names that exist, fields that exist, functions that
//! exist, and a boolean in the end. Where types are not known, anything goes until evaluation.

use cel::IdedExpr;
use cel::Program;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators,
};

use super::names::escaped;
use super::types::Type;
use crate::structural::Node;

/// What an expression is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Boolean,
    Text,
}

/// Checks a program whose `self` is of the node.
///
/// # Errors
/// In the words of cel-go: `ERROR: <input>:1:5: undefined field 'foo'`, with the line.
pub(super) fn check(
    program: &Program,
    node: &Node,
    optional_old: bool,
    wanted: Wanted,
) -> Result<(), String> {
    let old = if optional_old {
        Type::Dynamic
    } else {
        Type::of(node)
    };
    let mut checker = Checker {
        program,
        scope: vec![
            ("self".to_owned(), Type::of(node)),
            ("oldSelf".to_owned(), old),
        ],
    };
    let found = checker.expression(program.expression())?;
    match (wanted, &found) {
        (_, Type::Dynamic) | (Wanted::Boolean, Type::Boolean) | (Wanted::Text, Type::Text) => {
            Ok(())
        }
        (Wanted::Boolean, _) => Err("must evaluate to a bool".to_owned()),
        (Wanted::Text, _) => Err("must evaluate to a string".to_owned()),
    }
}

struct Checker<'a> {
    program: &'a Program,
    /// Names, the innermost last.
    scope: Vec<(String, Type<'a>)>,
}

impl<'a> Checker<'a> {
    fn fail<T>(&self, at: &IdedExpr, why: &str) -> Result<T, String> {
        let info = self.program.source_info();
        let start = info.offset_for(at.id).map_or(0, |(start, _)| start);
        let start = usize::try_from(start).unwrap_or(0);
        let before: String = info.source.chars().take(start).collect();
        let line = before.matches('\n').count();
        let column = before.chars().rev().take_while(|c| *c != '\n').count();
        let text = info.source.lines().nth(line).unwrap_or("");
        Err(format!(
            "ERROR: <input>:{}:{}: {why}\n | {text}\n | {}^",
            line + 1,
            column + 1,
            ".".repeat(column)
        ))
    }

    fn expression(&mut self, expression: &IdedExpr) -> Result<Type<'a>, String> {
        match &expression.expr {
            Expr::Unspecified => Ok(Type::Dynamic),
            Expr::Literal(value) => Ok(match value {
                LiteralValue::Boolean(_) => Type::Boolean,
                LiteralValue::Bytes(_) => Type::Bytes,
                LiteralValue::Double(_) => Type::Double,
                LiteralValue::Int(_) => Type::Int,
                LiteralValue::Null => Type::Null,
                LiteralValue::String(_) => Type::Text,
                LiteralValue::UInt(_) => Type::Unsigned,
            }),
            Expr::Ident(name) => self.name(expression, name),
            Expr::Select(select) => self.select(expression, select),
            Expr::Call(call) => self.call(expression, call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::List(list) => {
                let mut items = Type::Dynamic;
                for (at, element) in list.elements.iter().enumerate() {
                    let found = self.expression(element)?;
                    if at == 0 {
                        items = found;
                    }
                }
                Ok(Type::List(Box::new(items)))
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.expression(&entry.key)?;
                        self.expression(&entry.value)?;
                    }
                }
                Ok(Type::Map(Box::new(Type::Dynamic)))
            }
            Expr::Struct(literal) => {
                let why = format!(
                    "undeclared reference to '{}' (in container '')",
                    literal.type_name
                );
                self.fail(expression, &why)
            }
        }
    }

    fn name(&self, at: &IdedExpr, name: &str) -> Result<Type<'a>, String> {
        if let Some((_, found)) = self.scope.iter().rev().find(|(known, _)| known == name) {
            return Ok(found.clone());
        }
        if name.starts_with('@') || TYPES.contains(&name) {
            return Ok(Type::Dynamic);
        }
        self.fail(
            at,
            &format!("undeclared reference to '{name}' (in container '')"),
        )
    }

    fn select(&mut self, at: &IdedExpr, select: &SelectExpr) -> Result<Type<'a>, String> {
        let operand = self.expression(&select.operand)?;
        let found = self.field(at, &operand, &select.field)?;
        Ok(if select.test { Type::Boolean } else { found })
    }

    fn field(&self, at: &IdedExpr, of: &Type<'a>, name: &str) -> Result<Type<'a>, String> {
        let undefined = || self.fail(at, &format!("undefined field '{name}'"));
        match of {
            Type::Dynamic => Ok(Type::Dynamic),
            Type::Map(values) => Ok((**values).clone()),
            Type::Metadata => match name {
                "name" | "generateName" => Ok(Type::Text),
                _ => undefined(),
            },
            Type::Object(node) => {
                if node.is_resource {
                    match name {
                        "apiVersion" | "kind" => return Ok(Type::Text),
                        "metadata" => return Ok(Type::Metadata),
                        _ => {}
                    }
                }
                let mut fields = node.properties.iter();
                match fields.find(|(field, _)| escaped(field).as_deref() == Some(name)) {
                    Some((_, child)) => Ok(Type::of(child)),
                    None => undefined(),
                }
            }
            other => self.fail(
                at,
                &format!("type '{}' does not support field selection", other.name()),
            ),
        }
    }

    fn call(&mut self, at: &IdedExpr, call: &CallExpr) -> Result<Type<'a>, String> {
        let mut arguments = Vec::with_capacity(call.args.len());
        for argument in &call.args {
            arguments.push(self.expression(argument)?);
        }
        if let Some(target) = &call.target {
            let namespace = match &target.expr {
                Expr::Ident(name) if NAMESPACES.contains(&name.as_str()) => Some(name),
                _ => None,
            };
            if namespace.is_none() {
                self.expression(target)?;
            }
            return self.function(at, &call.func_name);
        }
        let operator = call.func_name.as_str();
        let mut given = arguments.iter().cloned();
        let (first, second) = (given.next(), given.next());
        let first = first.unwrap_or(Type::Dynamic);
        let second = second.unwrap_or(Type::Dynamic);
        let clash = || {
            let said: Vec<String> = arguments.iter().map(Type::name).collect();
            let why = format!(
                "found no matching overload for '{operator}' applied to '({})'",
                said.join(", ")
            );
            self.fail(at, &why)
        };
        let is_boolean = |found: &Type<'_>| matches!(found, Type::Boolean | Type::Dynamic);
        match operator {
            operators::LOGICAL_AND | operators::LOGICAL_OR
                if !is_boolean(&first) || !is_boolean(&second) =>
            {
                clash()
            }
            operators::LOGICAL_NOT if !is_boolean(&first) => clash(),
            operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::NOT_STRICTLY_FALSE
            | operators::IN => Ok(Type::Boolean),
            operators::EQUALS | operators::NOT_EQUALS if first.clashes(&second) => clash(),
            operators::EQUALS | operators::NOT_EQUALS => Ok(Type::Boolean),
            operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS => {
                let both_numbers = first.is_number() && second.is_number();
                if first.clashes(&second) && !both_numbers {
                    clash()
                } else {
                    Ok(Type::Boolean)
                }
            }
            operators::CONDITIONAL => Ok(second),
            operators::INDEX => match first {
                Type::List(items) | Type::Map(items) => Ok(*items),
                _ => Ok(Type::Dynamic),
            },
            operators::OPT_INDEX | operators::OPT_SELECT => Ok(Type::Dynamic),
            operators::ADD | operators::SUBSTRACT => {
                let is_time = |t: &Type<'_>| matches!(t, Type::Timestamp | Type::Duration);
                match () {
                    () if is_time(&first) || is_time(&second) => Ok(Type::Dynamic),
                    () if first.clashes(&second) => clash(),
                    () => Ok(first),
                }
            }
            operators::MULTIPLY | operators::DIVIDE | operators::MODULO => {
                if first.clashes(&second) {
                    clash()
                } else {
                    Ok(first)
                }
            }
            operators::NEGATE => Ok(first),
            name => self.function(at, name),
        }
    }

    /// What a function makes.
    fn function(&self, at: &IdedExpr, name: &str) -> Result<Type<'a>, String> {
        let text = || Type::List(Box::new(Type::Text));
        Ok(match name {
            "contains"
            | "startsWith"
            | "endsWith"
            | "matches"
            | "isSorted"
            | "isURL"
            | "isIP"
            | "isCIDR"
            | "isQuantity"
            | "isInteger"
            | "isGreaterThan"
            | "isLessThan"
            | "hasValue"
            | "containsIP"
            | "containsCIDR"
            | "isCanonical"
            | "isLoopback"
            | "isUnspecified"
            | "isGlobalUnicast"
            | "isLinkLocalUnicast"
            | "isLinkLocalMulticast"
            | "bool"
            | "intersects"
            | "equivalent" => Type::Boolean,
            "size" | "indexOf" | "lastIndexOf" | "int" | "asInteger" | "compareTo" | "sign"
            | "prefixLength" | "family" | "getFullYear" | "getMonth" | "getDate"
            | "getDayOfMonth" | "getDayOfWeek" | "getDayOfYear" | "getHours" | "getMinutes"
            | "getSeconds" | "getMilliseconds" => Type::Int,
            "string" | "charAt" | "join" | "lowerAscii" | "upperAscii" | "replace"
            | "substring" | "trim" | "format" | "quote" | "find" | "getScheme" | "getHost"
            | "getHostname" | "getPort" | "getEscapedPath" => Type::Text,
            "double" | "asApproximateFloat" => Type::Double,
            "uint" => Type::Unsigned,
            "bytes" => Type::Bytes,
            "duration" => Type::Duration,
            "timestamp" => Type::Timestamp,
            "findAll" | "split" => text(),
            // Their results are of a type of their own, or of that of their arguments.
            "dyn" | "type" | "url" | "getQuery" | "ip" | "cidr" | "masked" | "quantity" | "add"
            | "sub" | "sum" | "min" | "max" | "of" | "ofNonZeroValue" | "none" | "value" | "or"
            | "orValue" | "optMap" | "optFlatMap" | "reverse" => Type::Dynamic,
            name if name.starts_with('@') => Type::Dynamic,
            name => {
                return self.fail(
                    at,
                    &format!("undeclared reference to '{name}' (in container '')"),
                );
            }
        })
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Result<Type<'a>, String> {
        let range = self.expression(&comprehension.iter_range)?;
        let (first, second) = match range {
            Type::List(items) => (*items, Type::Dynamic),
            Type::Map(values) => (Type::Text, *values),
            Type::Dynamic | Type::Object(_) | Type::Metadata => (Type::Dynamic, Type::Dynamic),
            other => {
                let why = format!(
                    "expression of type '{}' cannot be range of a comprehension (must be list, map, or dynamic)",
                    other.name()
                );
                return self.fail(&comprehension.iter_range, &why);
            }
        };
        let start = self.expression(&comprehension.accu_init)?;
        let depth = self.scope.len();
        self.scope
            .push((comprehension.accu_var.clone(), Type::Dynamic));
        self.scope.push((comprehension.iter_var.clone(), first));
        if let Some(name) = &comprehension.iter_var2 {
            self.scope.push((name.clone(), second));
        }
        let step = self
            .expression(&comprehension.loop_cond)
            .and_then(|_| self.step(comprehension));
        self.scope.truncate(depth);
        let step = step?;
        self.scope
            .push((comprehension.accu_var.clone(), Type::Dynamic));
        let result = self.expression(&comprehension.result);
        self.scope.truncate(depth);
        Ok(match (start, result?) {
            (Type::Boolean, _) => Type::Boolean,
            (Type::List(_), _) => step,
            (_, result) => result,
        })
    }

    /// The type that a loop adds up, for loops that make lists.
    fn step(&mut self, comprehension: &ComprehensionExpr) -> Result<Type<'a>, String> {
        self.expression(&comprehension.loop_step)?;
        let appended = |expression: &IdedExpr| match &expression.expr {
            Expr::Call(call) if call.func_name == operators::ADD => call.args.get(1).cloned(),
            _ => None,
        };
        let list = match &comprehension.loop_step.expr {
            Expr::Call(call) if call.func_name == operators::CONDITIONAL => {
                call.args.get(1).and_then(appended)
            }
            _ => appended(&comprehension.loop_step),
        };
        match list {
            Some(list) => self.expression(&list),
            None => Ok(Type::Dynamic),
        }
    }
}

/// Names of types that rules can compare with: `type(x) == int`.
const TYPES: &[&str] = &[
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
];

/// What stands before the dot of a function without being a value.
const NAMESPACES: &[&str] = &["ip", "optional", "sets", "strings"];
