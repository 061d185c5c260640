//! `crosswatch crds`.

use std::io::Write as _;

/// Print the definitions of the custom resources, for `kubectl apply --server-side -f -`.
#[derive(Debug, clap::Args)]
pub(crate) struct Command {}

pub(crate) fn run(_command: &Command) -> anyhow::Result<()> {
    std::io::stdout()
        .lock()
        .write_all(crds::yaml().as_bytes())?;
    Ok(())
}
