//! The templates of a whole file: what every line's template is once all lines were seen.

use super::miner::{Limits, Miner};

/// The final template of each message, with `<*>` for each variable, in the order of the messages.
///
/// Unlike a stream, a file can be answered after the last line: a line that came before its
/// template was understood gets the same text as those after it.
pub fn mine_file<'m>(messages: impl Iterator<Item = &'m str>) -> Vec<String> {
    let mut miner = Miner::new(
        "",
        Limits {
            templates: 20_000,
            ..Limits::default()
        },
    );
    let lines: Vec<u32> = messages.map(|message| miner.mine_at(message).0).collect();
    lines
        .into_iter()
        .map(|index| miner.template(miner.survivor(index)).text())
        .collect()
}
