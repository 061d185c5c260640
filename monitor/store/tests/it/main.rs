//! The store from the outside: what is acknowledged is kept, what is kept is found.

mod crash;
mod disk_full;
mod index;
mod model;
mod records;
mod search;
mod wal;
