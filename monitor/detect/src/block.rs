//! Windows of some seconds, summed up until there is enough of them to judge.

use std::time::Duration;

use monitor_core::Time;
use serde::{Deserialize, Serialize};

use crate::detector::Sample;

/// How much is enough.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Enough {
    pub(crate) time: Duration,
    pub(crate) calls: u64,
}

/// What was gathered, and from when on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Block<T> {
    pub(crate) start: Time,
    pub(crate) calls: u64,
    pub(crate) sum: T,
}

/// Gathers one block after another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Blocks<T> {
    begun: Option<Block<T>>,
}

impl<T> Default for Blocks<T> {
    fn default() -> Blocks<T> {
        Blocks { begun: None }
    }
}

impl<T: Default> Blocks<T> {
    /// Adds a window of so many calls; the block, when it is whole with it.
    pub(crate) fn add(
        &mut self,
        sample: &Sample<'_>,
        calls: u64,
        enough: Enough,
        sum_up: impl FnOnce(&mut T),
    ) -> Option<Block<T>> {
        let block = self.begun.get_or_insert_with(|| Block {
            start: sample.start,
            calls: 0,
            sum: T::default(),
        });
        block.calls = block.calls.saturating_add(calls);
        sum_up(&mut block.sum);
        if sample.end().since(block.start) < enough.time || block.calls < enough.calls {
            return None;
        }
        self.begun.take()
    }

    /// Begins anew with the next window.
    pub(crate) fn drop_begun(&mut self) {
        self.begun = None;
    }
}
