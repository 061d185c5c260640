//! Bearer tokens: random texts, and whom each stands for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::User;

/// Kept at most; the oldest go first. A token is some 200 bytes.
const MOST: usize = 100_000;

#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// By their text; contended by requests over HTTP only, for one lookup each.
    issued: Mutex<BTreeMap<String, Issued>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) user: User,
    /// The service account that it stands for, which must live as long as its tokens.
    pub(crate) account_uid: Option<String>,
    pub(crate) expires: Option<Timestamp>,
}

impl Tokens {
    pub(crate) fn add(&self, token: String, issued: Issued, now: Timestamp) {
        let mut all = self.lock();
        if all.len() >= MOST {
            all.retain(|_, it| it.expires.is_none_or(|expires| expires > now));
        }
        if all.len() >= MOST
            && let Some(first) = all.keys().next().cloned()
        {
            all.remove(&first);
        }
        all.insert(token, issued);
    }

    /// None for a token that was never issued or is over.
    pub(crate) fn find(&self, token: &str, now: Timestamp) -> Option<Issued> {
        let all = self.lock();
        let found = all.get(token)?;
        found
            .expires
            .is_none_or(|expires| expires > now)
            .then(|| found.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Issued>> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
