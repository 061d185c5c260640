//! The platform, from the outside.

mod net;
