//! CEL rules of schemas: `x-kubernetes-validations` (KEP-2876).
//!
//! A rule is parsed and checked against its schema once, when the CRD is written; evaluating it
//! costs what [`Budget`] allows at most. Left out: equality of sets and maps that ignores order,
//! the `authorizer`, and the libraries `format` and `semver`.

use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr};
use cel::common::types::CelOptional;
use cel::common::value::Val;
use cel::{Context, ExecutionError, IdedExpr, Value as CelValue};
use serde_json::Value;

use super::{Kind, Node};
use crate::status::Cause;

mod budget;
mod check;
mod functions;
mod names;
mod network;
mod quantity;
mod types;
mod values;

pub(super) use budget::Budget;

/// The length up to which rules and messages are read.
const MOST_LETTERS: usize = 16 * 1024;
/// Stacks of two megabytes hold twice as many levels where `cel` is compiled with optimisation, as
/// it is in every profile of this workspace.
const MOST_LEVELS: usize = 200;

/// One compiled rule.
#[derive(Debug)]
pub(super) struct Rule {
    source: String,
    condition: IdedExpr,
    message: String,
    message_expression: Option<IdedExpr>,
    reason: &'static str,
    /// Below the place of the rule: `.spec.min`; empty for the place itself.
    field_path: String,
    is_transition: bool,
    optional_old: bool,
}

impl Rule {
    /// Compiles a rule for its place.
    ///
    /// # Errors
    /// The field of the rule that is wrong, and why.
    pub(super) fn compile(rule: &Value, node: &Node) -> Result<Rule, (&'static str, String)> {
        let text = |name: &str| rule[name].as_str().unwrap_or("");
        let source = text("rule");
        if source.trim().is_empty() {
            return Err(("rule", "Required value: rule is not specified".to_owned()));
        }
        let optional_old = rule["optionalOldSelf"] == true;
        let compile = |name: &'static str, wanted: check::Wanted| {
            let source = text(name);
            compiled(source, node, optional_old, wanted)
                .map_err(|why| (name, format!("Invalid value: {source:?}: {why}")))
        };
        let (condition, uses_old) = compile("rule", check::Wanted::Boolean)?;
        let message_expression = match text("messageExpression") {
            "" => None,
            _ => Some(compile("messageExpression", check::Wanted::Text)?.0),
        };
        if text("message").contains('\n') {
            let why = format!(
                "Invalid value: {:?}: message must not contain line breaks",
                text("message")
            );
            return Err(("message", why));
        }
        let reason = match text("reason") {
            "" | "FieldValueInvalid" => "FieldValueInvalid",
            "FieldValueRequired" => "FieldValueRequired",
            "FieldValueForbidden" => "FieldValueForbidden",
            "FieldValueDuplicate" => "FieldValueDuplicate",
            other => {
                let why = format!(
                    "Unsupported value: {other:?}: supported values: \"FieldValueDuplicate\", \
                     \"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\""
                );
                return Err(("reason", why));
            }
        };
        let field_path = text("fieldPath");
        if !leads_somewhere(node, field_path) {
            let why = format!(
                "Invalid value: {field_path:?}: fieldPath must be a valid path: does not refer to a valid field"
            );
            return Err(("fieldPath", why));
        }
        Ok(Rule {
            source: source.to_owned(),
            condition,
            message: text("message").trim().to_owned(),
            message_expression,
            reason,
            field_path: field_path.to_owned(),
            is_transition: uses_old,
            optional_old,
        })
    }

    /// Whether the rule is about a change.
    pub(super) fn is_transition(&self) -> bool {
        self.is_transition
    }

    /// What the rule has against a value, if anything.
    pub(super) fn check(
        &self,
        node: &Node,
        new: &Value,
        old: Option<&Value>,
        path: &str,
        budget: &Budget,
    ) -> Option<Cause> {
        if self.is_transition && old.is_none() && !self.optional_old {
            return None;
        }
        let mut context = Context::with_env(functions::environment());
        context.add_variable_as_val("@budget", Box::new(budget.clone()));
        context.add_variable_from_value("self", values::of(node, new));
        if self.is_transition {
            let old = old.map(|old| values::of(node, old));
            if self.optional_old {
                let old = old.and_then(|old| Box::<dyn Val>::try_from(old).ok());
                context.add_variable_as_val("oldSelf", Box::new(CelOptional::from(old)));
            } else if let Some(old) = old {
                context.add_variable_from_value("oldSelf", old);
            }
        }
        let refuse = |reason, field, why: &str| {
            let kind = match node.kind {
                Kind::IntOrString => "string",
                kind => kind.name(),
            };
            let message = match reason {
                "FieldValueRequired" => format!("Required value: {why}"),
                "FieldValueForbidden" => format!("Forbidden: {why}"),
                "FieldValueDuplicate" => format!("Duplicate value: \"{kind}\""),
                _ => format!("Invalid value: \"{kind}\": {why}"),
            };
            Some(Cause {
                field,
                reason,
                message,
            })
        };
        match CelValue::resolve(&self.condition, &context) {
            Ok(CelValue::Bool(true)) => None,
            Ok(CelValue::Bool(false)) => {
                let field = self.field_of(path);
                refuse(self.reason, field, &self.said(&context))
            }
            Ok(_) => refuse(
                "FieldValueInvalid",
                path.to_owned(),
                "the rule has no boolean for an answer",
            ),
            Err(error) => {
                let why = match &error {
                    ExecutionError::FunctionError { function, .. } if function == budget::CHARGE => {
                        "validation failed due to running out of cost budget, no further validation rules will be run".to_owned()
                    }
                    error => format!("{} evaluating rule: {}", told(error), self.source),
                };
                refuse("FieldValueInvalid", path.to_owned(), &why)
            }
        }
    }

    fn field_of(&self, path: &str) -> String {
        let whole = format!("{path}{}", self.field_path);
        match whole.strip_prefix('.') {
            Some(rest) if path.is_empty() => rest.to_owned(),
            _ => whole,
        }
    }

    fn said(&self, context: &Context<'_, '_>) -> String {
        let expression = self.message_expression.as_ref();
        if let Some(Ok(CelValue::String(said))) =
            expression.map(|expression| CelValue::resolve(expression, context))
        {
            let said = said.trim();
            if !said.is_empty() && !said.contains('\n') {
                return said.to_owned();
            }
        }
        if self.message.is_empty() {
            format!("failed rule: {}", self.source.trim())
        } else {
            self.message.clone()
        }
    }
}

/// An error as the API server words it.
fn told(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        error => error.to_string(),
    }
}

/// Parses an expression, checks it, and makes it pay for what it does. Tells whether it looks at
/// the old value.
fn compiled(
    source: &str,
    node: &Node,
    optional_old: bool,
    wanted: check::Wanted,
) -> Result<(IdedExpr, bool), String> {
    if source.len() > MOST_LETTERS {
        return Err(format!("must be no more than {MOST_LETTERS} bytes"));
    }
    let environment: Arc<cel::Env> = functions::environment();
    let program = environment
        .compile(source)
        .map_err(|error| format!("compilation failed: {error}"))?;
    let deep = depth(program.expression());
    if deep > MOST_LEVELS {
        return Err(format!(
            "compilation failed: expressions nest {MOST_LEVELS} levels deep at most, and this one {deep}"
        ));
    }
    check::check(&program, node, optional_old, wanted)
        .map_err(|why| format!("compilation failed: {why}"))?;
    let uses_old = program.references().has_variable("oldSelf");
    let mut expression = program.expression().clone();
    budget::charge(&mut expression);
    Ok((expression, uses_old))
}

/// Whether a path such as `.spec.min` or `.labels['a.b']` names a field of the schema.
fn leads_somewhere(node: &Node, path: &str) -> bool {
    let mut node = node;
    let mut rest = path;
    while !rest.is_empty() {
        let name;
        if let Some(quoted) = rest.strip_prefix("['") {
            let Some(end) = quoted.find("']") else {
                return false;
            };
            (name, rest) = (&quoted[..end], &quoted[end + 2..]);
        } else if let Some(plain) = rest.strip_prefix('.') {
            let end = plain.find(['.', '[']).unwrap_or(plain.len());
            (name, rest) = (&plain[..end], &plain[end..]);
        } else {
            return false;
        }
        match node.child(name) {
            Some(child) => node = child,
            None => return false,
        }
    }
    true
}

/// How deep an expression nests: evaluating it takes that much stack.
fn depth(expression: &IdedExpr) -> usize {
    let deepest = |parts: &mut dyn Iterator<Item = &IdedExpr>| parts.map(depth).max().unwrap_or(0);
    1 + match &expression.expr {
        Expr::Call(call) => deepest(&mut call.target.as_deref().into_iter().chain(&call.args)),
        Expr::Comprehension(comprehension) => deepest(
            &mut [
                &comprehension.iter_range,
                &comprehension.accu_init,
                &comprehension.loop_cond,
                &comprehension.loop_step,
                &comprehension.result,
            ]
            .into_iter(),
        ),
        Expr::List(list) => deepest(&mut list.elements.iter()),
        Expr::Map(map) => deepest(&mut map.entries.iter().flat_map(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => [&entry.key, &entry.value].into_iter().chain(None),
            EntryExpr::StructField(field) => [&field.value, &field.value].into_iter().chain(None),
        })),
        Expr::Select(select) => depth(&select.operand),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => 0,
    }
}

/// An expression that stands for a name.
fn ident(name: &str) -> IdedExpr {
    IdedExpr {
        id: 0,
        expr: Expr::Ident(name.to_owned()),
    }
}
