//! The evaluation as a whole, on files.

mod nab;
mod nezha;
mod petshop;
