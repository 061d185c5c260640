//! Numbers as people read them.

#[derive(Clone, Copy, Debug)]
pub(super) enum Times {
    More,
    Fewer,
}

/// `3.9 ms`, `31 ms`.
pub(super) fn millis(nanos: f64) -> String {
    let ms = nanos / 1e6;
    if ms < 9.95 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

/// `12 %`; shares below one in a hundred keep a digit.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 1.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// `1 request`, `2 requests`.
pub(super) fn each(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
