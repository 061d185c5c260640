//! The definitions as others meet them: files, schemas, what is let through.

mod definitions;
mod experiments;
