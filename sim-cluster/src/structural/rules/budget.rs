//! What evaluating rules may cost.
//!
//! CEL has no loops without end, but loops over lists within loops over lists, and strings that
//! double at every step. So parsed rules are rewritten: every list that is looped over and every
//! result that can be large is handed through a function that charges its size. What is counted is
//! deterministic, unlike time.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cel::common::ast::{CallExpr, EntryExpr, Expr, operators};
use cel::common::types::{
    CelBytes, CelInt, CelString, DYN_TYPE, INT_TYPE, LIST_TYPE, STRING_TYPE, Type,
};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError, IdedExpr};

use super::ident;

/// The function that charges; nobody can write its name in a rule.
pub(super) const CHARGE: &str = "@charge";

/// For all rules of one request: a step of a loop, an item of a list or 16 bytes of a text cost 1.
const OF_A_REQUEST: u64 = 1_000_000;
const BYTES_FOR_ONE: usize = 16;

/// Refuses formats that ask for more digits than anybody reads.
const PRECISE: &str = "@precise";
const MOST_DIGITS: usize = 3;

static TYPE: Type = Type::new_unspecified_type("@budget");

/// What is left to spend, shared by all rules of a request.
#[derive(Clone, Debug)]
pub(in crate::structural) struct Budget(Arc<AtomicU64>);

impl Budget {
    pub(in crate::structural) fn of_request() -> Budget {
        Budget(Arc::new(AtomicU64::new(OF_A_REQUEST)))
    }

    fn spend(&self, cost: u64) -> Result<(), ExecutionError> {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(cost), Ordering::Relaxed);
        if left < cost {
            return Err(ExecutionError::function_error(CHARGE, "out of budget"));
        }
        Ok(())
    }
}

impl Val for Budget {
    fn get_type(&self) -> &Type {
        &TYPE
    }

    fn cel_type() -> &'static Type {
        &TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Budget {}

pub(super) fn add(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(CHARGE, "charge", vec![DYN_TYPE, DYN_TYPE], charged)?;
    env.add_overload(PRECISE, "precise", vec![STRING_TYPE], precise)?;
    let (text, list) = (|| STRING_TYPE, || LIST_TYPE);
    let mut add = |name: &str, id: &str, mut args: Vec<Type>, function| {
        args.insert(0, DYN_TYPE);
        env.add_overload(name, id, args, function)
    };
    add(
        "@replace",
        "replace",
        vec![text(), text(), text()],
        replaced,
    )?;
    add(
        "@replace",
        "replace_some",
        vec![text(), text(), text(), INT_TYPE],
        replaced,
    )?;
    add("@join", "join", vec![list()], joined)?;
    add("@join", "join_by", vec![list(), text()], joined)
}

fn precise<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let format = args.pop().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    let letters = text_of(Some(&format))?;
    let mut digits = 0;
    for letter in letters.chars() {
        digits = if letter.is_ascii_digit() {
            digits + 1
        } else {
            0
        };
        if digits > MOST_DIGITS {
            let why = "numbers in a format have three digits at most";
            return Err(ExecutionError::function_error("format", why));
        }
    }
    Ok(format)
}

fn text_of<'a>(value: Option<&'a CowVal<'_, '_>>) -> Result<&'a str, ExecutionError> {
    let value = value.ok_or(ExecutionError::MissingArgumentOrTarget)?;
    let text = value.as_ref().downcast_ref::<CelString<'_>>();
    let text = text.ok_or_else(|| ExecutionError::UnexpectedType {
        got: value.get_type().name().to_owned(),
        want: "string".to_owned(),
    })?;
    Ok(text.inner())
}

/// The budget pays for the text that is going to be made.
fn pay_for_text(budget: Option<&CowVal<'_, '_>>, bytes: usize) -> Result<(), ExecutionError> {
    match budget.and_then(|budget| budget.downcast_ref::<Budget>()) {
        Some(budget) => budget.spend(u64::try_from(bytes / BYTES_FOR_ONE).unwrap_or(u64::MAX)),
        None => Err(ExecutionError::MissingArgumentOrTarget),
    }
}

/// `text.replace(from, to)`, or the first few only.
fn replaced<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let (text, from, to) = (
        text_of(args.get(1))?,
        text_of(args.get(2))?,
        text_of(args.get(3))?,
    );
    let most = match args.get(4).and_then(|count| count.downcast_ref::<CelInt>()) {
        Some(count) => usize::try_from(*count.inner()).unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    let found = text.matches(from).take(most).count();
    pay_for_text(
        args.first(),
        text.len().saturating_add(found.saturating_mul(to.len())),
    )?;
    Ok(CowVal::owned(CelString::from(
        text.replacen(from, to, found),
    )))
}

/// `list.join()`, `list.join(separator)`.
fn joined<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let separator = if args.len() > 2 {
        text_of(args.get(2))?
    } else {
        ""
    };
    let list = args.get(1).ok_or(ExecutionError::MissingArgumentOrTarget)?;
    let mut parts = Vec::new();
    let mut bytes = 0_usize;
    if let Some(items) = list.as_iterable() {
        let mut items = items.iter();
        while let Some(item) = items.next() {
            let part = item.downcast_ref::<CelString<'_>>();
            let part = part.ok_or_else(|| ExecutionError::UnexpectedType {
                got: item.get_type().name().to_owned(),
                want: "string".to_owned(),
            })?;
            bytes = bytes.saturating_add(part.inner().len() + separator.len());
            parts.push(part.inner());
        }
    }
    pay_for_text(args.first(), bytes)?;
    Ok(CowVal::owned(CelString::from(parts.join(separator))))
}

fn charged<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let value = args.pop().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    let budget = args.pop().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    if let Some(budget) = budget.downcast_ref::<Budget>() {
        pay(budget, value.as_ref())?;
    }
    Ok(value)
}

/// Pays for a value with all that is in it, and stops counting when it cannot.
fn pay(budget: &Budget, value: &dyn Val) -> Result<(), ExecutionError> {
    let bytes = if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        text.inner().len()
    } else if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        bytes.inner().len()
    } else {
        0
    };
    budget.spend(1 + u64::try_from(bytes / BYTES_FOR_ONE).unwrap_or(u64::MAX))?;
    if let Some(items) = value.as_iterable() {
        let mut items = items.iter();
        while let Some(item) = items.next() {
            pay(budget, item)?;
        }
    }
    Ok(())
}

/// Rewrites an expression so that it pays.
pub(super) fn charge(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Call(call) => {
            let appends = is_append(call);
            for argument in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
                charge(argument);
            }
            if appends {
                return;
            }
            match call.func_name.as_str() {
                operators::EQUALS | operators::NOT_EQUALS | operators::IN => {
                    call.args.iter_mut().for_each(wrap);
                }
                operators::ADD => wrap(expression),
                // The other operators, and what macros are made of, cost nothing to speak of.
                name if name.starts_with(['_', '@', '!', '-']) => {}
                _ => function(expression),
            }
        }
        Expr::Comprehension(comprehension) => {
            for part in [
                &mut comprehension.iter_range,
                &mut comprehension.loop_cond,
                &mut comprehension.loop_step,
                &mut comprehension.result,
            ] {
                charge(part);
            }
            wrap(&mut comprehension.iter_range);
        }
        // What is put into a list or a map is copied.
        Expr::List(list) => list.elements.iter_mut().for_each(copied),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    copied(&mut entry.key);
                    copied(&mut entry.value);
                }
            }
        }
        Expr::Select(select) => charge(&mut select.operand),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {}
    }
}

fn copied(expression: &mut IdedExpr) {
    charge(expression);
    wrap(expression);
}

/// A function pays for what it looks at and for what it makes; where the one says little about the
/// other, it is another function that pays beforehand.
fn function(expression: &mut IdedExpr) {
    let Expr::Call(call) = &mut expression.expr else {
        return;
    };
    let is_bounded = matches!(call.func_name.as_str(), "replace" | "join");
    if is_bounded && let Some(target) = call.target.take() {
        let mut arguments = vec![ident("@budget"), *target];
        arguments.append(&mut call.args);
        call.func_name.insert(0, '@');
        call.args = arguments;
        call.args.iter_mut().skip(1).for_each(wrap);
        return;
    }
    if call.func_name == "format"
        && let Some(target) = call.target.take()
    {
        call.target = Some(Box::new(IdedExpr {
            id: target.id,
            expr: Expr::Call(CallExpr {
                func_name: PRECISE.to_owned(),
                target: None,
                args: vec![*target],
            }),
        }));
    } else if let Some(target) = &mut call.target
        && !is_name(target)
    {
        wrap(target);
    }
    call.args.iter_mut().for_each(wrap);
    wrap(expression);
}

/// `@result + [item]`, which loops are evaluated by in place as long as they look like this.
fn is_append(call: &CallExpr) -> bool {
    let is_result = |e: &IdedExpr| matches!(&e.expr, Expr::Ident(name) if name.starts_with('@'));
    call.func_name == operators::ADD && call.args.first().is_some_and(is_result)
}

/// `optional` of `optional.of(x)` is no value.
fn is_name(expression: &IdedExpr) -> bool {
    matches!(expression.expr, Expr::Ident(_))
}

fn wrap(expression: &mut IdedExpr) {
    let inner = std::mem::take(expression);
    if matches!(inner.expr, Expr::Literal(_)) {
        *expression = inner;
        return;
    }
    *expression = IdedExpr {
        id: inner.id,
        expr: Expr::Call(CallExpr {
            func_name: CHARGE.to_owned(),
            target: None,
            args: vec![ident("@budget"), inner],
        }),
    };
}
