//! Route templates from raw paths: `/orders/8812/items` → `/orders/{id}/items`.
//!
//! Called by the pipeline for records that name a path but no route, one [`RouteLearner`] per
//! service. Three things make a segment a parameter, in this order: a route that the service's own
//! spans declare (`declared`), the looks of the segment (`segment`: numbers, UUIDs, dates,
//! tokens), and, for plain words, how many different ones were seen there (`tree`). Methods and
//! status codes are none of its business.

mod declared;
mod learner;
mod segment;
mod tree;

pub use declared::looks_like_template;
pub(crate) use learner::strip as path_of;
pub use learner::{OTHER, RouteLearner};
