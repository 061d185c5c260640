//! What people want of how a service's records are read: names for paths, paths that are no Apis, a
//! layout to try first.

use std::sync::Arc;

use monitor_core::{CallFacts, Name, Resource, Settings, Watching};

use crate::formats::Hint;

/// What is wanted of the records of one source of a batch; nothing, for most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted(Option<Arc<Watching>>);

impl Wanted {
    pub(crate) fn of(settings: &Settings, resource: &Resource) -> Wanted {
        Wanted(
            settings
                .of(&resource.service, &resource.environment.name)
                .cloned(),
        )
    }

    /// What is wanted, when a number out of a field is part of it.
    pub(crate) fn metrics(&self) -> Option<&Watching> {
        self.0.as_deref().filter(|own| !own.metrics.is_empty())
    }

    pub(crate) fn hint(&self) -> Option<Hint> {
        self.0.as_ref()?.log_format.as_deref().and_then(Hint::of)
    }

    /// The name that a person gave to a request's path, or to the template that its sender gave.
    pub(crate) fn route(&self, facts: &CallFacts) -> Option<Name> {
        let own = self.0.as_ref()?;
        let path = self.path(facts)?;
        own.route(facts.method.as_deref(), path).cloned()
    }

    /// Whether the request is one of those that are no Api's.
    pub(crate) fn excludes(&self, facts: &CallFacts) -> bool {
        let Some(own) = &self.0 else {
            return false;
        };
        !own.exclude_paths.is_empty() && self.path(facts).is_some_and(|path| own.excludes(path))
    }

    fn path<'f>(&self, facts: &'f CallFacts) -> Option<&'f str> {
        let path = facts.path.as_deref().map(crate::routes::path_of);
        path.or(facts.route.as_deref())
    }
}
