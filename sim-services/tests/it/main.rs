//! The platform, from the outside.
