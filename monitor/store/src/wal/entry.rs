//! The bytes of one entry of the log.
//!
//! Little-endian, 36 bytes before the payload:
//!
//! | at | bytes | what |
//! | --- | --- | --- |
//! | 0 | 4 | magic, to find the next entry after a damaged one |
//! | 4 | 4 | CRC-32C (RFC 3720) of everything after it |
//! | 8 | 8 | seq |
//! | 16 | 8 | the highest seq known to be on disk when this entry was made |
//! | 24 | 4 | length of the payload before compression |
//! | 28 | 4 | length of the payload |
//! | 32 | 1 | 0 plain, 1 LZ4 block |
//! | 33 | 1 | version of the payload's encoding |
//! | 34 | 2 | zero |
//!
//! The payload is a `Batch` in postcard's format.

use monitor_core::Batch;

use super::{Seq, WalError};

const MAGIC: [u8; 4] = *b"CWe\x01";
pub(crate) const HEADER: usize = 36;
const VERSION: u8 = 1;
/// Far above what a receiver takes in one request; bounds what a damaged length can make us do.
pub(crate) const MAX_PAYLOAD: usize = 256 << 20;
/// Below this, compressing does not pay.
const MIN_COMPRESS: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) seq: Seq,
    pub(crate) synced: Seq,
    raw_len: usize,
    compressed: bool,
    version: u8,
    payload: &'a [u8],
}

impl Entry<'_> {
    pub(crate) fn len(&self) -> usize {
        HEADER + self.payload.len()
    }
}

/// Buffers that are used again for every batch.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    raw: Vec<u8>,
    compressed: Vec<u8>,
}

/// Appends the entry to `out`; on error `out` is as before.
pub(crate) fn encode(
    seq: Seq,
    synced: Seq,
    batch: &Batch,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), WalError> {
    scratch.raw.clear();
    let mut raw =
        postcard::to_extend(batch, std::mem::take(&mut scratch.raw)).map_err(WalError::Encode)?;
    if raw.len() > MAX_PAYLOAD {
        return Err(WalError::TooLarge {
            bytes: raw.len(),
            limit: MAX_PAYLOAD,
        });
    }
    let mut compressed = false;
    if raw.len() >= MIN_COMPRESS {
        scratch
            .compressed
            .resize(lz4_flex::block::get_maximum_output_size(raw.len()), 0);
        if let Ok(length) = lz4_flex::block::compress_into(&raw, &mut scratch.compressed) {
            scratch.compressed.truncate(length);
            compressed = length < raw.len() - raw.len() / 8;
        }
    }
    let payload = if compressed {
        &scratch.compressed
    } else {
        &raw
    };
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&synced.to_le_bytes());
    out.extend_from_slice(&(raw.len() as u32).to_le_bytes());
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&[u8::from(compressed), VERSION, 0, 0]);
    out.extend_from_slice(payload);
    let crc = crc32c::crc32c(&out[start + 8..]);
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
    raw.clear();
    scratch.raw = raw;
    Ok(())
}

/// The entry at the start of `bytes`; `None` when there is no whole and undamaged one.
pub(crate) fn parse(bytes: &[u8]) -> Option<Entry<'_>> {
    let header = bytes.get(..HEADER)?;
    if header[..4] != MAGIC {
        return None;
    }
    let raw_len = u32_at(header, 24);
    let length = u32_at(header, 28);
    if raw_len > MAX_PAYLOAD || length > MAX_PAYLOAD {
        return None;
    }
    let whole = bytes.get(..HEADER + length)?;
    if crc32c::crc32c(&whole[8..]) as usize != u32_at(header, 4) {
        return None;
    }
    Some(Entry {
        seq: u64_at(header, 8),
        synced: u64_at(header, 16),
        raw_len,
        compressed: header[32] == 1,
        version: header[33],
        payload: &whole[HEADER..],
    })
}

/// Where the next undamaged entry after `from` with a seq of at least `at_least` begins.
pub(crate) fn find_next(bytes: &[u8], from: usize, at_least: Seq) -> Option<usize> {
    (from..bytes.len().saturating_sub(HEADER - 1)).find(|&at| {
        bytes[at..].starts_with(&MAGIC)
            && parse(&bytes[at..]).is_some_and(|entry| entry.seq >= at_least)
    })
}

pub(crate) fn decode(entry: &Entry<'_>) -> Result<Batch, WalError> {
    let failed = |source| WalError::Decode {
        seq: entry.seq,
        source,
    };
    if entry.version != VERSION {
        return Err(failed(postcard::Error::DeserializeBadEncoding));
    }
    let decompressed;
    let raw = if entry.compressed {
        decompressed = lz4_flex::block::decompress(entry.payload, entry.raw_len)
            .map_err(|_| failed(postcard::Error::DeserializeBadEncoding))?;
        &decompressed[..]
    } else {
        entry.payload
    };
    postcard::from_bytes(raw).map_err(failed)
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut buffer = [0; 8];
    buffer.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(buffer)
}
