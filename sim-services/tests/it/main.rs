//! The platform, from the outside.

mod chaos;
