//! The platform, from the outside.

mod load;
