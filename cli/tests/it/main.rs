//! The binary as its user meets it.

mod crash;
mod help;
mod process;
mod replay;
