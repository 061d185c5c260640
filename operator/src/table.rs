//! Objects of one kind as a watch tells of them.
//!
//! A watch that begins anew lists everything again; what the new list lacks was deleted meanwhile,
//! which is found here, so that nobody else needs to know of watches' interruptions.

use std::collections::{BTreeMap, BTreeSet};

use crate::key::Key;

/// What is kept of an object.
pub(crate) trait Row {
    fn key(&self) -> Key;
}

/// The namespace that a watch is about; none for all of the cluster.
pub type Scope = Option<String>;

/// What a watch said.
#[derive(Clone, Debug)]
pub enum Seen<T> {
    /// A new list begins: of one namespace, or of all.
    Begin(Scope),
    /// Part of a list.
    Initial(T),
    /// The list is complete.
    End(Scope),
    Applied(T),
    Gone(Key),
}

/// A row that is not what it was; what it is now is in the table.
#[derive(Clone, Debug)]
pub(crate) struct Shift<T> {
    pub(crate) key: Key,
    pub(crate) old: Option<T>,
}

#[derive(Clone, Debug)]
pub(crate) struct Table<T> {
    rows: BTreeMap<Key, T>,
    /// Keys of the lists that are under way.
    listed: BTreeMap<Scope, BTreeSet<Key>>,
    /// Scopes of which a whole list has arrived.
    complete: BTreeSet<Scope>,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table {
            rows: BTreeMap::new(),
            listed: BTreeMap::new(),
            complete: BTreeSet::new(),
        }
    }
}

impl<T: Row + PartialEq> Table<T> {
    /// What changed by it. Says nothing of rows that are as they were.
    pub(crate) fn see(&mut self, seen: Seen<T>) -> Vec<Shift<T>> {
        match seen {
            Seen::Begin(scope) => {
                self.listed.insert(scope, BTreeSet::new());
                Vec::new()
            }
            Seen::Initial(row) => {
                let key = row.key();
                for scope in [None, Some(key.namespace.clone())] {
                    if let Some(listed) = self.listed.get_mut(&scope) {
                        listed.insert(key.clone());
                    }
                }
                self.put(row).into_iter().collect()
            }
            Seen::End(scope) => {
                let listed = self.listed.remove(&scope);
                let within = |key: &Key| scope.as_ref().is_none_or(|it| *it == key.namespace);
                let lost: Vec<Key> = match &listed {
                    Some(listed) => {
                        let keys = self.rows.keys();
                        let lost = keys.filter(|key| within(key) && !listed.contains(key));
                        lost.cloned().collect()
                    }
                    None => Vec::new(),
                };
                self.complete.insert(scope);
                lost.into_iter().filter_map(|key| self.take(key)).collect()
            }
            Seen::Applied(row) => self.put(row).into_iter().collect(),
            Seen::Gone(key) => self.take(key).into_iter().collect(),
        }
    }

    /// Also for what is known otherwise than by the watch, such as the answer to a write.
    pub(crate) fn put(&mut self, row: T) -> Option<Shift<T>> {
        let key = row.key();
        if self.rows.get(&key) == Some(&row) {
            return None;
        }
        let old = self.rows.insert(key.clone(), row);
        Some(Shift { key, old })
    }

    fn take(&mut self, key: Key) -> Option<Shift<T>> {
        let old = self.rows.remove(&key)?;
        Some(Shift {
            key,
            old: Some(old),
        })
    }
}

impl<T> Table<T> {
    pub(crate) fn get(&self, key: &Key) -> Option<&T> {
        self.rows.get(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &T)> {
        self.rows.iter()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.rows.keys()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.rows.values()
    }

    pub(crate) fn in_namespace(
        &self,
        namespace: &str,
    ) -> impl Iterator<Item = (&Key, &T)> + use<'_, T> {
        let namespace = namespace.to_owned();
        self.rows
            .range(Key::new(&namespace, "")..)
            .take_while(move |(key, _)| key.namespace == namespace)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// First lists of so many scopes have arrived as a whole.
    pub(crate) fn is_complete(&self, scopes: usize) -> bool {
        self.complete.len() >= scopes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Named(&'static str, u32);

    impl Row for Named {
        fn key(&self) -> Key {
            Key::new("n", self.0)
        }
    }

    fn told(table: &mut Table<Named>, seen: Seen<Named>) -> Vec<String> {
        let shifts = table.see(seen).into_iter();
        let told = shifts.map(|shift| {
            let number = |row: Option<&Named>| row.map_or("-".to_owned(), |row| row.1.to_string());
            let now = number(table.rows.get(&shift.key));
            format!("{} {}>{now}", shift.key.name, number(shift.old.as_ref()))
        });
        told.collect()
    }

    #[test]
    fn a_watch_that_begins_anew_loses_nothing_and_keeps_nothing_too_much() {
        let mut table = Table::default();
        let nothing: Vec<String> = Vec::new();
        assert_eq!(told(&mut table, Seen::Begin(None)), nothing);
        assert_eq!(told(&mut table, Seen::Initial(Named("a", 1))), ["a ->1"]);
        assert_eq!(told(&mut table, Seen::Initial(Named("b", 1))), ["b ->1"]);
        assert!(!table.is_complete(1));
        assert_eq!(told(&mut table, Seen::End(None)), nothing);
        assert!(table.is_complete(1));
        assert_eq!(told(&mut table, Seen::Applied(Named("b", 2))), ["b 1>2"]);

        // Dropped here; meanwhile `a` was deleted, `b` stayed, `c` came.
        assert_eq!(told(&mut table, Seen::Begin(None)), nothing);
        assert_eq!(told(&mut table, Seen::Initial(Named("b", 2))), nothing);
        assert_eq!(told(&mut table, Seen::Initial(Named("c", 1))), ["c ->1"]);
        assert_eq!(told(&mut table, Seen::End(None)), ["a 1>-"]);
        assert_eq!(told(&mut table, Seen::Gone(Key::new("n", "c"))), ["c 1>-"]);
        assert_eq!(told(&mut table, Seen::Gone(Key::new("n", "c"))), nothing);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_list_of_one_namespace_says_nothing_of_others() {
        let mut table: Table<Named> = Table::default();
        let of = |namespace: &str| Some(namespace.to_owned());
        let nothing: Vec<String> = Vec::new();
        told(&mut table, Seen::Begin(of("n")));
        told(&mut table, Seen::Initial(Named("a", 1)));
        told(&mut table, Seen::Begin(of("m")));
        assert_eq!(told(&mut table, Seen::End(of("m"))), nothing);
        assert!(!table.is_complete(2));
        assert_eq!(told(&mut table, Seen::End(of("n"))), nothing);
        assert!(table.is_complete(2));
        told(&mut table, Seen::Begin(of("n")));
        assert_eq!(told(&mut table, Seen::End(of("n"))), ["a 1>-"]);
    }
}
