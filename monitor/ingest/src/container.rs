//! Lines as container runtimes write them: Docker's json-file and Kubernetes' CRI format.
//!
//! Both cut long lines into pieces of 16 KiB; [`Assembler`] puts them together again. Called by
//! the file follower and by replays; recognising what the text inside is, is left to `formats`.

mod cri;
mod docker;
mod shape;

use monitor_core::Time;

pub use docker::{Unwrapped, unwrap_docker_json};
pub use shape::Shape;

use crate::decoded::{MAX_TEXT_BYTES, mark_cut};

/// Which output of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output {
    Stdout,
    Stderr,
}

impl Output {
    pub fn as_str(self) -> &'static str {
        match self {
            Output::Stdout => "stdout",
            Output::Stderr => "stderr",
        }
    }

    fn parse(text: &str) -> Option<Output> {
        match text {
            "stdout" => Some(Output::Stdout),
            "stderr" => Some(Output::Stderr),
            _ => None,
        }
    }
}

/// What a runtime wrote around a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    /// `{"log":"text\n","stream":"stdout","time":"…"}`
    Docker,
    /// `2026-11-21T10:05:00.123456789Z stdout F text`
    Cri,
}

impl Runtime {
    /// Which runtime wrote `line`, judged by its shape alone.
    pub fn recognise(line: &str) -> Option<Runtime> {
        if cri::parse(line).is_some() {
            Some(Runtime::Cri)
        } else if docker::parse(line).is_some() {
            Some(Runtime::Docker)
        } else {
            None
        }
    }
}

/// One piece of a line, or a whole line.
struct Piece<'a> {
    time: Option<Time>,
    output: Output,
    /// More of the same line follows.
    partial: bool,
    text: std::borrow::Cow<'a, str>,
}

/// A line of a container's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerLine {
    /// When the runtime read the line's first piece.
    pub time: Option<Time>,
    pub output: Output,
    pub text: String,
}

/// Unwraps the lines of one file and joins pieces; at most [`MAX_TEXT_BYTES`] of a line are kept.
#[derive(Debug)]
pub struct Assembler {
    runtime: Runtime,
    /// The unfinished lines: outputs interleave.
    pending: [Option<Pending>; 2],
    cut: u64,
}

#[derive(Debug)]
struct Pending {
    line: ContainerLine,
    lost: u64,
}

impl Pending {
    fn append(&mut self, text: &str) {
        let room = MAX_TEXT_BYTES.saturating_sub(self.line.text.len());
        // Once cut, nothing further fits, or the text would have a hole.
        let fitting = if self.lost > 0 {
            0
        } else {
            text.floor_char_boundary(room)
        };
        self.line.text.push_str(&text[..fitting]);
        self.lost += (text.len() - fitting) as u64;
    }

    fn finish(mut self, cut: &mut u64) -> ContainerLine {
        if self.lost > 0 {
            *cut += 1;
            mark_cut(&mut self.line.text, self.lost);
        }
        self.line
    }
}

impl Assembler {
    pub fn new(runtime: Runtime) -> Assembler {
        Assembler {
            runtime,
            pending: [None, None],
            cut: 0,
        }
    }

    /// Takes one line of the file: `Ok(None)` when more pieces must follow.
    ///
    /// # Errors
    ///
    /// A line that the runtime cannot have written is given back, to be kept as it is.
    pub fn push(&mut self, line: &str) -> Result<Option<ContainerLine>, NotOfRuntime> {
        let piece = match self.runtime {
            Runtime::Cri => cri::parse(line),
            Runtime::Docker => docker::parse(line),
        };
        let Some(piece) = piece else {
            return Err(NotOfRuntime);
        };
        let slot = &mut self.pending[piece.output as usize];
        let mut pending = slot.take().unwrap_or_else(|| Pending {
            line: ContainerLine {
                time: piece.time,
                output: piece.output,
                text: String::new(),
            },
            lost: 0,
        });
        pending.append(&piece.text);
        if piece.partial {
            *slot = Some(pending);
            Ok(None)
        } else {
            Ok(Some(pending.finish(&mut self.cut)))
        }
    }

    /// Whether a line waits for its next piece.
    pub fn is_pending(&self) -> bool {
        self.pending.iter().any(Option::is_some)
    }

    /// Gives up waiting: unfinished lines as they are.
    pub fn flush(&mut self) -> impl Iterator<Item = ContainerLine> {
        let cut = &mut self.cut;
        let pending = std::mem::take(&mut self.pending);
        pending
            .into_iter()
            .flatten()
            .map(|pending| pending.finish(cut))
    }

    /// Lines that were longer than we keep.
    pub fn cut(&self) -> u64 {
        self.cut
    }
}

/// The line is not in the file's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a line of the container runtime that wrote the rest of the file")]
pub struct NotOfRuntime;
