//! Being asked to stop: Ctrl-C, and what service managers send.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its making on, so that nothing asked before anyone waits is missed.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Takes over SIGINT and SIGTERM, which no longer end the process by themselves. Call it within
    /// a tokio runtime, before there is anything to clean up.
    pub fn listen() -> std::io::Result<StopSignals> {
        Ok(StopSignals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Resolves when one of them comes, or has come.
    pub async fn asked_to_stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
