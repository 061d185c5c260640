//! The hash behind template and shape ids.
//!
//! Ids are persisted, so the function is ours: it must never change with a dependency's version.
//! Folded multiplication over eight bytes at a time, as wyhash and foldhash do.

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const MULTIPLIER: u64 = 0xa076_1d64_78bd_642f;

#[derive(Clone, Copy, Debug)]
pub(super) struct Hash(u64);

impl Hash {
    pub(super) fn new() -> Hash {
        Hash(SEED)
    }

    pub(super) fn number(self, number: u64) -> Hash {
        let product = u128::from(self.0 ^ number).wrapping_mul(u128::from(MULTIPLIER));
        #[expect(
            clippy::cast_possible_truncation,
            reason = "folding both halves of the product"
        )]
        let folded = (product as u64) ^ ((product >> 64) as u64);
        Hash(folded.wrapping_add(SEED))
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Hash {
        let mut hash = self;
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            hash = hash.number(u64::from_le_bytes(word));
        }
        let rest = chunks.remainder();
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        // The length keeps `a` + `bc` apart from `ab` + `c`, and zero bytes apart from none.
        hash.number(u64::from_le_bytes(word) ^ ((bytes.len() as u64) << 56))
    }

    pub(super) fn finish(self) -> u64 {
        self.0
    }
}
