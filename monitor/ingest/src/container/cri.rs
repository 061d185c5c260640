//! The Kubernetes CRI log format: `time stream tags text`.
//!
//! <https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md>

use monitor_core::Time;

use super::{Output, Piece};

pub(super) fn parse(line: &str) -> Option<Piece<'_>> {
    let (time, rest) = line.split_once(' ')?;
    let (output, rest) = rest.split_once(' ')?;
    // A line without text may come without the blank behind its tag.
    let (tags, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let output = Output::parse(output)?;
    // Tags are separated by colons; the first is P or F, others are reserved.
    let partial = match tags.split(':').next()? {
        "P" => true,
        "F" => false,
        _ => return None,
    };
    Some(Piece {
        time: Some(time.parse::<Time>().ok()?),
        output,
        partial,
        text: text.into(),
    })
}
