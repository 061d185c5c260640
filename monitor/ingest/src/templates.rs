//! Message templates, mined online: `Took 19.05 seconds to build` → `Took <*> seconds to build`.
//!
//! Called by the pipeline with each record's message, one [`Miner`] per service, and by the
//! `templates` command with a whole file ([`mine_file`]). A message is first masked (`scan`,
//! `classify`: numbers, ids, addresses and paths are variables by their looks), which needs no
//! memory of other messages; then the miner learns which of the remaining words vary (`family`).
//! What a record means, and how often a template occurs over time, is left to the engine.
//!
//! The method is of Drain's family (He et al., "Drain: An Online Log Parsing Approach with Fixed
//! Depth Tree", ICWS 2017): messages of one layout are compared word by word. It differs in two
//! ways. Tokens are split at punctuation as well, so that `uid=0` is a name and a value. And words
//! are not merged by similarity but by evidence: a position becomes a variable when enough
//! different words were seen in it while everything else was equal, and how many are enough depends
//! on what stands there, so that `started` and `stopped` stay two templates.

mod classify;
mod family;
mod file;
mod hash;
mod miner;
mod scan;
mod template;

pub use file::mine_file;
pub use miner::{Limits, Miner};
