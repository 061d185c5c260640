//! The platform, from the outside.

mod score;
