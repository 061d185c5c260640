//! Whether a runtime wrote a file, which its first line tells.

use super::{Assembler, Runtime};

/// What the lines of one file are.
#[derive(Debug)]
pub struct Shape(State);

#[derive(Debug)]
enum State {
    Undecided {
        /// The next line may be the rest of one whose beginning was taken for a line before.
        rest: bool,
    },
    Plain,
    Runtime(Assembler),
}

impl Shape {
    /// Of a file that is read from `offset` bytes on.
    pub fn from_offset(offset: u64) -> Shape {
        Shape(State::Undecided { rest: offset > 0 })
    }

    /// Takes note of a line that comes next, and who puts such lines together. `None` when no runtime wrote
    /// it: it is a line as it is.
    pub fn of(&mut self, line: &str) -> Option<&mut Assembler> {
        if let State::Undecided { rest } = self.0
            && !line.is_empty()
        {
            self.0 = match Runtime::recognise(line) {
                Some(runtime) => State::Runtime(Assembler::new(runtime)),
                None if rest => State::Undecided { rest: false },
                None => State::Plain,
            };
        }
        self.assembler()
    }

    /// Who puts the lines together, if a runtime is known to have written the file.
    pub fn assembler(&mut self) -> Option<&mut Assembler> {
        match &mut self.0 {
            State::Runtime(assembler) => Some(assembler),
            State::Undecided { .. } | State::Plain => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "2026-11-21T18:00:00.000000001Z stdout F hello";

    #[test]
    fn the_first_line_tells() {
        let mut of_runtime = Shape::from_offset(0);
        assert!(of_runtime.of("").is_none());
        assert!(of_runtime.of(ENTRY).is_some());
        assert!(of_runtime.of("not of the runtime").is_some());

        let mut plain = Shape::from_offset(0);
        assert!(plain.of("hello").is_none());
        assert!(plain.of(ENTRY).is_none());
    }

    #[test]
    fn where_reading_goes_on_the_first_line_may_be_a_rest() {
        let mut of_runtime = Shape::from_offset(70);
        assert!(of_runtime.of("lo").is_none());
        assert!(of_runtime.of(ENTRY).is_some());

        let mut plain = Shape::from_offset(70);
        assert!(plain.of("lo").is_none());
        assert!(plain.of("hello").is_none());
        assert!(plain.of(ENTRY).is_none());
    }
}
