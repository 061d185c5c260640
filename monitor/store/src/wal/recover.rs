//! What a crash leaves at the end of the log, and what is made of it.
//!
//! A torn tail is bytes that were written but never synced, hence never acknowledged: it is cut
//! off. Damage before something that was synced is another matter: it stays, and reading reports
//! it as lost. The two are told apart by the `synced` mark that every entry carries.

use super::{Segment, Seq, WalError, entry, failed};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalRecovery {
    /// The oldest seq that the log still has (equal to `next` when it has none).
    pub first: Seq,
    /// The seq that the next batch will get.
    pub next: Seq,
    /// Bytes of half-written entries that were removed from the end. Nothing of them had been
    /// acknowledged.
    pub cut_bytes: u64,
    /// Batches that had been acknowledged and are damaged in the last segment, as inclusive
    /// ranges. Damage in older segments shows when they are read.
    pub lost: Vec<(Seq, Seq)>,
}

/// Scans the last segment, cuts its torn tail, and returns the seq to go on with.
pub(super) fn recover_tail(
    segment: &mut Segment,
    recovery: &mut WalRecovery,
) -> Result<Seq, WalError> {
    let path = segment.path.clone();
    let bytes = std::fs::read(&path).map_err(failed("read", &path))?;
    let mut next = segment.first;
    let mut at = 0;
    while at < bytes.len() {
        match entry::parse(&bytes[at..]).filter(|entry| entry.seq == next) {
            Some(entry) => {
                at += entry.len();
                next += 1;
            }
            None => match next_acknowledged(&bytes, at, next) {
                Some((resumed, seq)) => {
                    recovery.lost.push((next, seq - 1));
                    at = resumed;
                    next = seq;
                }
                None => break,
            },
        }
    }
    recovery.cut_bytes = (bytes.len() - at) as u64;
    segment.bytes = at as u64;
    // Entries that were whole but not synced are kept; make sure that they stay.
    let file = super::open_for_writing(&path)?;
    if recovery.cut_bytes > 0 {
        file.set_len(at as u64).map_err(failed("truncate", &path))?;
    }
    file.sync_all().map_err(failed("sync", &path))?;
    Ok(next)
}

/// The first later entry that proves `next` had been synced before it was made.
fn next_acknowledged(bytes: &[u8], at: usize, next: Seq) -> Option<(usize, Seq)> {
    let mut from = at + 1;
    let mut first = None;
    while let Some(found) = entry::find_next(bytes, from, next + 1) {
        let entry = entry::parse(&bytes[found..])?;
        let (start, seq) = *first.get_or_insert((found, entry.seq));
        if entry.synced >= next {
            return Some((start, seq));
        }
        from = found + entry.len();
    }
    None
}
