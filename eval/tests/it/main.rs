//! The evaluation as a whole, on files.

mod nab;
mod petshop;
mod quiet;
