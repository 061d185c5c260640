//! A monitor without threads, sockets or disk: what senders send and the time in, effects out.
//!
//! For simulations that run faster than the clock. Requests are decoded, redacted, understood and
//! judged by the same code and with the same settings as a live monitor's; only what is stored and
//! sent is left out.

use monitor_core::{Origin, Time, View};
use monitor_engine::{Effect, EngineConfig};
use monitor_ingest::decoded::Decoded;
use monitor_ingest::otlp::{self, CumulativeState, DecodeError, Encoding};
use monitor_ingest::redact::{RedactConfig, RedactionCounts, Redactor};

use crate::heart::Heart;

#[derive(Debug)]
pub struct Embedded {
    heart: Heart,
    redactor: Redactor,
    redactions: RedactionCounts,
    cumulative: CumulativeState,
    rejected: u64,
}

impl Embedded {
    /// With the settings of a live monitor, but for what `config` says.
    pub fn new(config: EngineConfig) -> anyhow::Result<Embedded> {
        Ok(Embedded {
            heart: Heart::new(config),
            redactor: Redactor::new(RedactConfig::default())?,
            redactions: RedactionCounts::default(),
            cumulative: CumulativeState::new(Time::EPOCH),
            rejected: 0,
        })
    }

    /// An `ExportLogsServiceRequest` in protobuf, received at `now`.
    pub fn logs(&mut self, body: &[u8], now: Time) -> Result<Vec<Effect>, DecodeError> {
        let decoded = otlp::decode_logs_bytes(body, Encoding::Protobuf, Origin::OtlpHttp, now)?;
        Ok(self.take(decoded, now))
    }

    /// An `ExportTraceServiceRequest` in protobuf, received at `now`.
    pub fn traces(&mut self, body: &[u8], now: Time) -> Result<Vec<Effect>, DecodeError> {
        let decoded = otlp::decode_traces_bytes(body, Encoding::Protobuf, Origin::OtlpHttp, now)?;
        Ok(self.take(decoded, now))
    }

    /// An `ExportMetricsServiceRequest` in protobuf, received at `now`.
    pub fn metrics(&mut self, body: &[u8], now: Time) -> Result<Vec<Effect>, DecodeError> {
        let (protobuf, origin) = (Encoding::Protobuf, Origin::OtlpHttp);
        let cumulative = &mut self.cumulative;
        let (decoded, _) = otlp::decode_metrics_bytes(body, protobuf, origin, now, cumulative)?;
        Ok(self.take(decoded, now))
    }

    /// Items that were refused.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// The state of everything watched.
    pub fn view(&self) -> View {
        self.heart.view()
    }

    /// In the worker's order: judged up to the arrival, then understood.
    fn take(&mut self, decoded: Decoded, now: Time) -> Vec<Effect> {
        let mut batch = decoded.batch;
        self.rejected += decoded.rejected.total();
        self.redactor.redact_batch(&mut batch, &mut self.redactions);
        let effects = self.heart.tick(now);
        self.heart.take(batch);
        effects
    }
}
