//! What the receivers count about themselves.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use monitor_core::{Batch, Origin, Payload};
use monitor_ingest::decoded::{Rejections, Repairs};
use prometheus::{IntCounterVec, Opts, Registry};
use tonic::{Code, Status};

use super::deliver::Delivery;

/// A door; the value of the label `protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    OtlpGrpc,
    OtlpHttp,
    JsonLines,
}

impl Protocol {
    pub(super) fn origin(self) -> Origin {
        match self {
            Protocol::OtlpGrpc => Origin::OtlpGrpc,
            Protocol::OtlpHttp => Origin::OtlpHttp,
            Protocol::JsonLines => Origin::JsonLines,
        }
    }

    fn label(self) -> &'static str {
        self.origin().as_str()
    }
}

#[derive(Debug)]
pub(super) struct Counters {
    requests: IntCounterVec,
    records: IntCounterVec,
    bytes: IntCounterVec,
    rejected: IntCounterVec,
    repaired: IntCounterVec,
    dropped: IntCounterVec,
}

impl Counters {
    pub(super) fn new(registry: &Registry) -> Result<Counters, prometheus::Error> {
        let counter = |name: &str, help: &str, label: &str| {
            let opts = Opts::new(format!("crosswatch_ingest_{name}_total"), help);
            let counter = IntCounterVec::new(opts, &["protocol", label])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let bytes = IntCounterVec::new(
            Opts::new(
                "crosswatch_ingest_bytes_total",
                "Bytes of request bodies that were taken, after decompression.",
            ),
            &["protocol"],
        )?;
        registry.register(Box::new(bytes.clone()))?;
        Ok(Counters {
            requests: counter(
                "requests",
                "Requests answered, by HTTP status or gRPC code.",
                "code",
            )?,
            records: counter("records", "Records taken and safe on disk.", "kind")?,
            bytes,
            rejected: counter(
                "rejected",
                "Records refused one by one; the sender was told.",
                "reason",
            )?,
            repaired: counter(
                "repaired",
                "Alterations made to records that were taken.",
                "reason",
            )?,
            dropped: counter(
                "dropped",
                "Items understood and not wanted, such as points of other metrics.",
                "reason",
            )?,
        })
    }

    /// Call before the batch is given away; the result is for [`Counters::taken`].
    pub(super) fn tally(batch: &Batch) -> [u64; 4] {
        let mut tally = [0; 4];
        for item in &batch.items {
            tally[match item.payload {
                Payload::Log(_) => 0,
                Payload::Span(_) => 1,
                Payload::Histogram(_) => 2,
                Payload::Level(_) => 3,
            }] += 1;
        }
        tally
    }

    /// The batch is safe.
    pub(super) fn taken(&self, protocol: Protocol, tally: [u64; 4], bytes: usize) {
        let label = protocol.label();
        for (kind, count) in ["log", "span", "histogram", "level"].into_iter().zip(tally) {
            if count > 0 {
                self.records.with_label_values(&[label, kind]).inc_by(count);
            }
        }
        self.bytes.with_label_values(&[label]).inc_by(bytes as u64);
    }

    pub(super) fn account(
        &self,
        protocol: Protocol,
        rejected: &Rejections,
        repairs: &Repairs,
        ignored: u64,
    ) {
        let label = protocol.label();
        for (reason, count) in rejected.counts() {
            self.rejected
                .with_label_values(&[label, reason.as_str()])
                .inc_by(count);
        }
        for (reason, count) in repairs.counts() {
            self.repaired
                .with_label_values(&[label, reason.as_str()])
                .inc_by(count);
        }
        if ignored > 0 {
            self.dropped
                .with_label_values(&[label, "metric_not_used"])
                .inc_by(ignored);
        }
    }
}

/// The middleware: counts every answer, whoever gave it.
pub(super) async fn count_requests(
    State((protocol, delivery)): State<(Protocol, Arc<Delivery>)>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    let code = match protocol {
        Protocol::OtlpGrpc => {
            // A refusal is in the headers; a success is only said in the trailers.
            let status = Status::from_header_map(response.headers());
            grpc_name(status.map_or(Code::Ok, |status| status.code())).to_owned()
        }
        Protocol::OtlpHttp | Protocol::JsonLines => response.status().as_str().to_owned(),
    };
    delivery
        .counters
        .requests
        .with_label_values(&[protocol.label(), &code])
        .inc();
    response
}

/// As the gRPC documents write it.
fn grpc_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::Unknown => "UNKNOWN",
    }
}
