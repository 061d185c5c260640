//! The engine's state as bytes: a mark, a version, postcard.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::RestoreError;

const MARK: &[u8; 6] = b"cwengn";
/// Changes with the state's fields; an older snapshot is refused and learning starts afresh.
const VERSION: u16 = 19;

pub(crate) fn encode<T: Serialize>(state: &T) -> Vec<u8> {
    let mut bytes = MARK.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    postcard::to_extend(state, bytes)
        .expect("the state has no map with unknown length and Vec never refuses bytes")
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RestoreError> {
    let rest = bytes.strip_prefix(MARK).ok_or(RestoreError::NotASnapshot)?;
    let (version, rest) = rest
        .split_first_chunk::<2>()
        .ok_or(RestoreError::NotASnapshot)?;
    let found = u16::from_le_bytes(*version);
    if found != VERSION {
        return Err(RestoreError::Version {
            found,
            expected: VERSION,
        });
    }
    postcard::from_bytes(rest).map_err(RestoreError::Damaged)
}
