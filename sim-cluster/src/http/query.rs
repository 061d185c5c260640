//! What a URL's query asks for.

use crate::client::ListOptions;
use crate::selector::{FieldSelector, LabelSelector};
use crate::status::{Cause, Status};
use crate::verbs::{DeleteOptions, Propagation};

/// A word that is none of those that a parameter may be.
pub(super) fn unsupported(options: &str, field: &str, word: &str, supported: &[&str]) -> Status {
    let supported: Vec<String> = supported.iter().map(|it| format!("{it:?}")).collect();
    let message = format!(
        "Unsupported value: {word:?}: supported values: {}",
        supported.join(", ")
    );
    Status::invalid_option(
        options,
        Cause {
            field: field.to_owned(),
            reason: "FieldValueNotSupported",
            message,
        },
    )
}

/// The parameters of a request, as they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    pub(super) fn parse(query: Option<&str>) -> Query {
        let pairs = url::form_urlencoded::parse(query.unwrap_or("").as_bytes())
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        Query { pairs }
    }

    /// Empty when absent.
    pub(super) fn text(&self, key: &str) -> &str {
        self.pairs
            .iter()
            .find(|(it, _)| it == key)
            .map_or("", |(_, value)| value)
    }

    pub(super) fn truth(&self, key: &str) -> bool {
        matches!(self.text(key), "true" | "1")
    }

    /// # Errors
    /// 400 for what is no number.
    pub(super) fn number(&self, key: &str) -> Result<Option<u64>, Status> {
        match self.text(key) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Status::bad_request(format!("invalid value {text:?} of parameter {key}"))
            }),
        }
    }

    pub(super) fn selection(&self) -> Result<ListOptions, Status> {
        Ok(ListOptions {
            labels: LabelSelector::parse(self.text("labelSelector"))?,
            fields: FieldSelector::parse(self.text("fieldSelector"))?,
        })
    }

    /// `options` is the kind that the request's parameters form, such as `CreateOptions`.
    pub(super) fn dry_run(&self, options: &str) -> Result<bool, Status> {
        match self.text("dryRun") {
            "" => Ok(false),
            "All" => Ok(true),
            other => Err(unsupported(options, "dryRun", other, &["All"])),
        }
    }

    /// Those of a deletion, over what its body says.
    pub(super) fn delete_options(&self, body: &serde_json::Value) -> Result<DeleteOptions, Status> {
        let written = match self.text("propagationPolicy") {
            "" => crate::object::text(body, &["propagationPolicy"]),
            written => written,
        };
        let propagation = match written {
            "" if body["orphanDependents"] == true => Some(Propagation::Orphan),
            "" => None,
            "Orphan" => Some(Propagation::Orphan),
            "Background" => Some(Propagation::Background),
            "Foreground" => Some(Propagation::Foreground),
            other => {
                let supported = ["Foreground", "Background", "Orphan", "nil"];
                return Err(unsupported(
                    "DeleteOptions",
                    "propagationPolicy",
                    other,
                    &supported,
                ));
            }
        };
        let precondition = |key: &str| body["preconditions"][key].as_str().map(str::to_owned);
        Ok(DeleteOptions {
            propagation,
            grace_period_seconds: self
                .number("gracePeriodSeconds")?
                .or_else(|| body["gracePeriodSeconds"].as_u64()),
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
        })
    }
}
