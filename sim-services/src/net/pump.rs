//! One direction of one connection that crosses a wire between environments.

use std::collections::VecDeque;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::futures::Notified;
use tokio::time::{Instant, sleep_until};

use super::link::Direction;
use crate::meter::count;

const CHUNK: usize = 16 * 1024;

/// A new buffer is taken when less than this is left of the old one.
const SMALLEST_READ: usize = 2 * 1024;

/// Bytes on the way at once, as TCP's window limits them; then the sender has to wait.
const WINDOW: usize = 256 * 1024;

/// On its way.
struct Chunk {
    bytes: Bytes,
    sent: Instant,
    due: Instant,
    /// Has been held back by a partition.
    blocked: bool,
}

/// Carries bytes until one of the ends is closed. Chunks arrive in the order in which they were
/// sent, however long each of them took; nothing arrives while the wire is partitioned.
pub(super) async fn pump(
    wire: &Direction,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) {
    let mut buffer = BytesMut::new();
    let mut on_the_way = VecDeque::<Chunk>::new();
    let mut bytes_on_the_way = 0;
    let mut last_due = Instant::now();
    let mut open = true;
    while open || !on_the_way.is_empty() {
        let mut quality = wire.quality();
        let mut changed = None;
        if quality.partition {
            changed = Some(wire.changed());
            quality = wire.quality();
        }
        if quality.partition {
            for chunk in on_the_way.iter_mut().filter(|chunk| !chunk.blocked) {
                chunk.blocked = true;
                count(&wire.meter.blocked);
                wire.mark(&quality);
            }
        }
        if buffer.capacity() < SMALLEST_READ {
            buffer.reserve(CHUNK);
        }
        let due = on_the_way.front().map(|chunk| chunk.due);
        tokio::select! {
            biased;
            () = notified(changed) => {}
            () = sleep_until(wire.clock.early(due.unwrap_or(last_due))), if due.is_some() && !quality.partition => {
                if wire.quality().partition {
                    continue;
                }
                let Some(chunk) = on_the_way.pop_front() else { continue };
                bytes_on_the_way -= chunk.bytes.len();
                wire.count_arrived(chunk.bytes.len(), chunk.sent);
                if to.write_all(&chunk.bytes).await.is_err() {
                    // Whoever should read is gone; the other direction tells the sender.
                    return;
                }
            }
            read = from.read_buf(&mut buffer), if open && bytes_on_the_way < WINDOW => {
                // The end of the stream travels as an empty chunk.
                open = read.is_ok_and(|length| length > 0);
                let bytes = buffer.split().freeze();
                let (due, quality) = wire.arrival(bytes.len());
                last_due = last_due.max(due);
                bytes_on_the_way += bytes.len();
                if quality.partition {
                    count(&wire.meter.blocked);
                }
                on_the_way.push_back(Chunk {
                    bytes,
                    sent: Instant::now(),
                    due: last_due,
                    blocked: quality.partition,
                });
            }
        }
    }
    // It is closed for the reader as well; an error says that it was already.
    to.shutdown().await.unwrap_or_default();
}

/// Never when there is nothing to wait for.
async fn notified(changed: Option<Pin<Box<Notified<'_>>>>) {
    match changed {
        Some(changed) => changed.await,
        None => std::future::pending().await,
    }
}
