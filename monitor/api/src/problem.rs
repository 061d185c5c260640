//! Errors, as RFC 9457 "Problem Details for HTTP APIs" has them.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of every answer with a status of 400 or above, sent as `application/problem+json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem for programs: `urn:crosswatch:problem:bad-parameter`.
    #[serde(rename = "type")]
    #[schema(example = "urn:crosswatch:problem:bad-parameter")]
    pub kind: String,
    /// The kind for people; the same for every problem of this type.
    pub title: String,
    /// The HTTP status, repeated for those who see only the body.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// Where: the query parameter or path part at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Where within that parameter, in characters from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// `what is wrong (in `where`); what to do`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        if let Some(parameter) = &self.parameter {
            write!(f, " (in `{parameter}`")?;
            if let Some(position) = self.position {
                write!(f, " at character {position}")?;
            }
            f.write_str(")")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}
