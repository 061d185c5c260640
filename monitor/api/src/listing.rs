//! A part of a list, and how long the whole is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Listing<T> {
    /// The watermark: everything that happened before it has been judged. `null` before the first
    /// record.
    #[schema(format = DateTime)]
    pub at: Option<String>,
    /// All that match the filters, not only those in `items`.
    pub total: u64,
    pub items: Vec<T>,
}
