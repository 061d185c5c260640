//! The shared names of the attributes that headers carry, in OpenTelemetry's spelling where it has
//! one.

use std::sync::LazyLock;

use monitor_core::Name;

#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    Host,
    Pid,
    Thread,
    Logger,
    Source,
    Code,
    Upstream,
    Referer,
    User,
    Flags,
    Prefix,
}

static NAMES: LazyLock<[Name; 11]> = LazyLock::new(|| {
    [
        "host.name",
        "process.pid",
        "thread.name",
        "logger",
        "code.location",
        "code",
        "upstream",
        "http.request.header.referer",
        "enduser.id",
        "flags",
        "log.prefix",
    ]
    .map(Name::from)
});

/// Costs a reference count.
pub(super) fn name(key: Key) -> Name {
    NAMES[key as usize].clone()
}
