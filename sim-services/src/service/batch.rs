//! Nightly work: statements beside the requests, on the same connections and the same rows.

use std::sync::Arc;

use super::Replica;
use super::errand::Errand;
use crate::topology::Level;

/// One statement goes over so many rows at once.
const ROWS: f64 = 10.0;

impl Replica {
    /// One statement of a batch on `store`: some statement of the service, ten times as long, with
    /// a connection of this replica's pool and a lock as requests need them. Does nothing when the
    /// service asks the store nothing.
    ///
    /// # Errors
    ///
    /// In a sentence, when no connection became free; it was logged.
    pub async fn batch(self: &Arc<Self>, store: &str) -> Result<(), String> {
        let store = self.plan.store(store);
        let queries = || {
            let all = self.plan.queries.iter();
            all.filter(|query| Some(query.store) == store)
        };
        let number = u64::try_from(queries().count()).unwrap_or(u64::MAX);
        let chosen = usize::try_from(self.chance.faults().between(0, number)).unwrap_or(0);
        let Some(query) = queries().nth(chosen) else {
            return Ok(());
        };
        let mut query = query.clone();
        query.takes = query.takes.times(ROWS);
        let errand = Errand::own(&self.plan, self.view(), &self.chance.ids);
        self.query(&errand, &query).await.map_err(|failure| {
            self.report(&errand, Level::Warn, &failure, || {
                format!("batch step failed: {}", failure.text)
            });
            failure.text
        })
    }
}
