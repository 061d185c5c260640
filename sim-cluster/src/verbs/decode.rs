//! What comes in, held against what its kind may hold.

use serde_json::Value;

use super::Request;
use crate::object;
use crate::registry::Custom;
use crate::shape::{builtin, check};
use crate::status::Status;

/// What becomes of fields that nobody knows (`fieldValidation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped, and the client is told.
    #[default]
    Warn,
    Strict,
}

impl FieldValidation {
    /// None for a word that is none of the three.
    pub(crate) fn parse(word: &str) -> Option<FieldValidation> {
        match word {
            "" | "Warn" => Some(FieldValidation::Warn),
            "Ignore" => Some(FieldValidation::Ignore),
            "Strict" => Some(FieldValidation::Strict),
            _ => None,
        }
    }
}

/// An object of a built-in kind as decoding into its type leaves it: without nulls and without
/// fields that nobody knows. Adds what the client is to be told.
pub(super) fn built_in(
    request: &Request,
    mut value: Value,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    without_nulls(&mut value);
    let shape = request.served.shape();
    let report = check::check(shape, &value);
    if let Some(why) = &report.undecodable {
        return Err(cannot_handle(request, why));
    }
    if !report.unknown.is_empty() {
        tell(request, &report.unknown, warnings)?;
        check::prune(shape, &mut value);
    }
    if !report.missing.is_empty() && request.subresource.is_empty() {
        let name = object::name(&value);
        return Err(Status::invalid(
            &request.served.kind_and_group(),
            name,
            &report.missing,
        ));
    }
    Ok(value)
}

/// An object of a definition's kind, pruned and completed as its schema says.
pub(super) fn custom(
    request: &Request,
    custom: &Custom,
    mut value: Value,
    warnings: &mut Vec<String>,
) -> Result<Value, Status> {
    warnings.extend(custom.warning.clone());
    if let Some(metadata) = value.get_mut("metadata") {
        without_nulls(metadata);
        let report = check::check(&builtin::metadata(), metadata);
        if let Some(why) = &report.undecodable {
            return Err(cannot_handle(request, why));
        }
        if !report.unknown.is_empty() {
            let unknown: Vec<String> = report
                .unknown
                .iter()
                .map(|field| format!("metadata.{field}"))
                .collect();
            tell(request, &unknown, warnings)?;
            check::prune(&builtin::metadata(), metadata);
        }
    }
    let unknown = custom.schema.prune(&mut value);
    if !unknown.is_empty() {
        tell(request, &unknown, warnings)?;
    }
    custom.schema.default(&mut value);
    Ok(value)
}

/// What becomes of fields that nobody knows.
fn tell(request: &Request, unknown: &[String], warnings: &mut Vec<String>) -> Result<(), Status> {
    match request.field_validation {
        FieldValidation::Strict => {
            let why = check::strict_error(unknown).unwrap_or_default();
            Err(cannot_handle(request, &why))
        }
        FieldValidation::Warn => {
            warnings.extend(
                unknown
                    .iter()
                    .map(|field| format!("unknown field \"{field}\"")),
            );
            Ok(())
        }
        FieldValidation::Ignore => Ok(()),
    }
}

fn cannot_handle(request: &Request, why: &str) -> Status {
    let resource = &request.served.resource;
    let message = if request.served.is_custom() {
        why.to_owned()
    } else {
        format!(
            "{} in version \"{}\" cannot be handled as a {}: {why}",
            resource.kind, resource.version, resource.kind
        )
    };
    Status::bad_request(message)
}

/// Fields that say nothing are not there, as for types that leave out what is empty.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}
