//! The functions that rules can call: CEL's own, cel-go's strings, and Kubernetes' libraries
//! (`k8s.io/apiserver/pkg/cel/library`: lists, regex, urls, ip, cidr, quantity, sets).

use std::cmp::Ordering;
use std::sync::{Arc, LazyLock};

use cel::common::types::{CelInt, CelList, CelString, DYN_TYPE, LIST_TYPE};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError, Value};
use regex::Regex;

use super::{budget, network, quantity};

/// What rules are compiled and evaluated in.
pub(super) fn environment() -> Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut env = Env::stdlib();
        add_all(&mut env).expect("every function is declared once; a test compiles with it");
        Arc::new(env)
    });
    Arc::clone(&ENVIRONMENT)
}

fn add_all(env: &mut Env) -> Result<(), DeclarationError> {
    cel::extensions::strings(env)?;
    budget::add(env)?;
    network::add(env)?;
    quantity::add(env)?;
    for (name, function) in [
        ("isSorted", is_sorted as cel::common::functions::Function),
        ("sum", sum),
        ("min", smallest),
        ("max", largest),
    ] {
        env.add_member_overload(name, &format!("list_{name}"), LIST_TYPE, vec![], function)?;
    }
    env.add_member_overload(
        "indexOf",
        "list_index_of",
        LIST_TYPE,
        vec![DYN_TYPE],
        index_of,
    )?;
    env.add_member_overload(
        "lastIndexOf",
        "list_last_index_of",
        LIST_TYPE,
        vec![DYN_TYPE],
        last_index_of,
    )?;
    for (name, function) in [
        (
            "sets.contains",
            set_contains as cel::common::functions::Function,
        ),
        ("sets.equivalent", set_equivalent),
        ("sets.intersects", set_intersects),
    ] {
        env.add_overload(name, name, vec![LIST_TYPE, LIST_TYPE], function)?;
    }
    cel::add_member_overload!(env, fn find: (CelString, CelString) -> Result<CelString>)?;
    cel::add_member_overload!(env, fn find_all: (CelString, CelString) -> Result<CelList>)?;
    cel::add_member_overload!(env, fn find_some: (CelString, CelString, CelInt) -> Result<CelList>, name = "findAll")?;
    Ok(())
}

/// A list of values, as CEL's owned form of them.
fn list_of(value: Option<&CowVal<'_, '_>>) -> Result<Arc<Vec<Value>>, ExecutionError> {
    let value = value.ok_or(ExecutionError::MissingArgumentOrTarget)?;
    match Value::try_from(value.as_ref())? {
        Value::List(items) => Ok(items),
        other => Err(ExecutionError::unsupported_target_type(other)),
    }
}

fn given<'b, 'v>(value: Value) -> Result<CowVal<'b, 'v>, ExecutionError> {
    Ok(CowVal::Owned(Box::<dyn Val>::try_from(value)?))
}

fn order(one: &Value, other: &Value) -> Result<Ordering, ExecutionError> {
    one.partial_cmp(other)
        .ok_or_else(|| ExecutionError::ValuesNotComparable(one.clone(), other.clone()))
}

fn is_sorted<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let items = list_of(args.first())?;
    for pair in items.windows(2) {
        if order(&pair[0], &pair[1])? == Ordering::Greater {
            return given(Value::Bool(false));
        }
    }
    given(Value::Bool(true))
}

fn sum<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let items = list_of(args.first())?;
    let mut total: Option<Value> = None;
    for item in items.iter() {
        let overflow = |with: &Value| ExecutionError::Overflow("add", with.clone(), item.clone());
        total = Some(match (&total, item) {
            (None, item) => item.clone(),
            (Some(one @ Value::Int(a)), Value::Int(b)) => {
                Value::Int(a.checked_add(*b).ok_or_else(|| overflow(one))?)
            }
            (Some(one @ Value::UInt(a)), Value::UInt(b)) => {
                Value::UInt(a.checked_add(*b).ok_or_else(|| overflow(one))?)
            }
            (Some(Value::Float(a)), Value::Float(b)) => Value::Float(a + b),
            (Some(one @ Value::Duration(a)), Value::Duration(b)) => {
                Value::Duration(a.checked_add(b).ok_or_else(|| overflow(one))?)
            }
            (Some(one), other) => {
                let (one, other) = (one.clone(), other.clone());
                return Err(ExecutionError::UnsupportedBinaryOperator("sum", one, other));
            }
        });
    }
    given(total.unwrap_or(Value::Int(0)))
}

fn extreme<'b, 'v>(
    args: &[CowVal<'b, 'v>],
    name: &str,
    wanted: Ordering,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let items = list_of(args.first())?;
    let mut found: Option<&Value> = None;
    for item in items.iter() {
        let is_better = match found {
            Some(found) => order(item, found)? == wanted,
            None => true,
        };
        if is_better {
            found = Some(item);
        }
    }
    match found {
        Some(found) => given(found.clone()),
        None => Err(ExecutionError::function_error(
            name,
            format!("{name} called on empty list"),
        )),
    }
}

fn smallest<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    extreme(&args, "min", Ordering::Less)
}

fn largest<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    extreme(&args, "max", Ordering::Greater)
}

fn place<'b, 'v>(found: Option<usize>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let place = found.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1);
    given(Value::Int(place))
}

fn index_of<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let items = list_of(args.first())?;
    let wanted = wanted(args.get(1))?;
    place(items.iter().position(|item| *item == wanted))
}

fn last_index_of<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let items = list_of(args.first())?;
    let wanted = wanted(args.get(1))?;
    place(items.iter().rposition(|item| *item == wanted))
}

fn wanted(value: Option<&CowVal<'_, '_>>) -> Result<Value, ExecutionError> {
    Value::try_from(
        value
            .ok_or(ExecutionError::MissingArgumentOrTarget)?
            .as_ref(),
    )
}

/// Sets are small: what is compared with what is paid for by nobody else, so it is bounded here.
fn two_sets(args: &[CowVal<'_, '_>]) -> Result<[Arc<Vec<Value>>; 2], ExecutionError> {
    const MOST_PAIRS: usize = 1_000_000;
    let (one, other) = (list_of(args.first())?, list_of(args.get(1))?);
    if one.len().saturating_mul(other.len()) > MOST_PAIRS {
        return Err(ExecutionError::function_error(
            budget::CHARGE,
            "sets are too large",
        ));
    }
    Ok([one, other])
}

fn set_contains<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [one, other] = two_sets(&args)?;
    given(Value::Bool(other.iter().all(|item| one.contains(item))))
}

fn set_equivalent<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [one, other] = two_sets(&args)?;
    let same =
        other.iter().all(|item| one.contains(item)) && one.iter().all(|item| other.contains(item));
    given(Value::Bool(same))
}

fn set_intersects<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [one, other] = two_sets(&args)?;
    given(Value::Bool(one.iter().any(|item| other.contains(item))))
}

fn regex(pattern: &CelString<'_>) -> Result<Regex, ExecutionError> {
    Regex::new(pattern.inner())
        .map_err(|error| ExecutionError::function_error("find", format!("Illegal regex: {error}")))
}

fn find(
    text: &CelString<'_>,
    pattern: &CelString<'_>,
) -> Result<CelString<'static>, ExecutionError> {
    let found = regex(pattern)?
        .find(text.inner())
        .map_or(String::new(), |found| found.as_str().to_owned());
    Ok(CelString::from(found))
}

fn find_all(
    text: &CelString<'_>,
    pattern: &CelString<'_>,
) -> Result<CelList<'static>, ExecutionError> {
    find_some(text, pattern, &CelInt::from(-1))
}

fn find_some(
    text: &CelString<'_>,
    pattern: &CelString<'_>,
    most: &CelInt,
) -> Result<CelList<'static>, ExecutionError> {
    let most = usize::try_from(*most.inner()).unwrap_or(usize::MAX);
    let found: Vec<Box<dyn Val>> = regex(pattern)?
        .find_iter(text.inner())
        .take(most)
        .map(|found| -> Box<dyn Val> { Box::new(CelString::from(found.as_str().to_owned())) })
        .collect();
    Ok(CelList::from(found))
}
