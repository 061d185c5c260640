//! Docker's json-file: one JSON object a line; a text without final line feed is a piece.
//!
//! <https://docs.docker.com/engine/logging/drivers/json-file/>

use std::borrow::Cow;

use monitor_core::Time;
use serde::Deserialize;

use super::{Output, Piece};

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    stream: Option<Cow<'a, str>>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
}

impl Entry<'_> {
    fn output(&self) -> Option<Output> {
        Output::parse(self.stream.as_deref()?)
    }

    fn time(&self) -> Option<Time> {
        self.time.as_deref()?.parse().ok()
    }
}

pub(super) fn parse(line: &str) -> Option<Piece<'_>> {
    // Any JSON log may have a field `log`; the runtime's has all three.
    if !line.starts_with('{') {
        return None;
    }
    let entry: Entry<'_> = serde_json::from_str(line).ok()?;
    let output = entry.output()?;
    let time = Some(entry.time()?);
    let partial = !entry.log.ends_with('\n');
    Some(Piece {
        time,
        output,
        partial,
        text: without_line_end(entry.log),
    })
}

fn without_line_end(text: Cow<'_, str>) -> Cow<'_, str> {
    let kept = text.strip_suffix('\n').map_or(text.len(), |line| {
        line.strip_suffix('\r').unwrap_or(line).len()
    });
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..kept]),
        Cow::Owned(mut text) => {
            text.truncate(kept);
            Cow::Owned(text)
        }
    }
}

/// A value that holds what Docker wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwrapped {
    /// The texts of all entries, in order, without the last one's line end.
    pub text: String,
    /// The first entry's.
    pub time: Option<Time>,
    /// The first entry's.
    pub output: Option<Output>,
}

/// Unwraps a value that may hold several Docker entries, one behind the other or one a line, as
/// recorded data sets do. `None` when it is anything else; then it is text by itself.
pub fn unwrap_docker_json(value: &str) -> Option<Unwrapped> {
    if !value.trim_start().starts_with('{') {
        return None;
    }
    let mut unwrapped: Option<Unwrapped> = None;
    let mut entries = serde_json::Deserializer::from_str(value).into_iter::<Entry<'_>>();
    loop {
        let read_to = entries.byte_offset();
        let entry = match entries.next() {
            None => break,
            Some(Ok(entry)) => entry,
            Some(Err(_)) => {
                // Damaged behind its first entries: what cannot be read is kept as it is.
                let readable = unwrapped.as_mut()?;
                readable.text.push_str(value[read_to..].trim_start());
                break;
            }
        };
        let (time, output) = (entry.time(), entry.output());
        // `log` alone would also fit an application's own JSON.
        if time.is_none() && output.is_none() {
            return None;
        }
        let whole = unwrapped.get_or_insert_with(|| Unwrapped {
            text: String::new(),
            time,
            output,
        });
        whole.text.push_str(&entry.log);
    }
    let mut unwrapped = unwrapped?;
    let kept = without_line_end(Cow::Borrowed(&unwrapped.text)).len();
    unwrapped.text.truncate(kept);
    Some(unwrapped)
}
