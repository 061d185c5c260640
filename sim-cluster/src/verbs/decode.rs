//! What comes in, held against what its kind may hold.

use serde_json::Value;

use super::Request;
use crate::object;
use crate::shape::check;
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
    /// # Errors
    /// 400 for a word that is none of the three.
    pub(crate) fn parse(word: &str) -> Result<FieldValidation, Status> {
        match word {
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Ignore" => Ok(FieldValidation::Ignore),
            "Strict" => Ok(FieldValidation::Strict),
            other => Err(Status::bad_request(format!(
                "fieldValidation: Unsupported value: {other:?}: supported values: \"Ignore\", \
                 \"Strict\", \"Warn\""
            ))),
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
    let resource = &request.served.resource;
    if let Some(why) = &report.undecodable {
        return Err(Status::bad_request(format!(
            "{} in version \"{}\" cannot be handled as a {}: {why}",
            resource.kind, resource.version, resource.kind
        )));
    }
    if !report.unknown.is_empty() {
        match request.field_validation {
            FieldValidation::Strict => {
                let why = report.strict_error().unwrap_or_default();
                return Err(Status::bad_request(format!(
                    "{} in version \"{}\" cannot be handled as a {}: {why}",
                    resource.kind, resource.version, resource.kind
                )));
            }
            FieldValidation::Warn => warnings.extend(report.warnings()),
            FieldValidation::Ignore => {}
        }
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
