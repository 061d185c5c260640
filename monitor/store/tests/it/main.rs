//! The store from the outside: what is acknowledged is kept, what is kept is found.

mod index;
mod model;
mod records;
