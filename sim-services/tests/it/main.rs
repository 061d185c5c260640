//! The platform, from the outside.

mod service;
