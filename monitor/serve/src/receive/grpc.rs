//! OTLP over gRPC.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc>

use std::sync::Arc;

use axum::Router;
use monitor_ingest::otlp::{decode_logs, decode_metrics, decode_traces};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::Limits;
use super::counters::Protocol;
use super::deliver::Delivery;
use super::http::partial;

const PROTOCOL: Protocol = Protocol::OtlpGrpc;

pub(super) fn routes(delivery: &Arc<Delivery>, limits: &Limits) -> Router {
    let service = Service {
        delivery: Arc::clone(delivery),
    };
    let max = limits.decoded_bytes;
    let logs = LogsServiceServer::new(service.clone())
        .accept_compressed(Gzip)
        .max_decoding_message_size(max);
    let traces = TraceServiceServer::new(service.clone())
        .accept_compressed(Gzip)
        .max_decoding_message_size(max);
    let metrics = MetricsServiceServer::new(service)
        .accept_compressed(Gzip)
        .max_decoding_message_size(max);
    Routes::new(logs)
        .add_service(traces)
        .add_service(metrics)
        .into_axum_router()
}

#[derive(Clone, Debug)]
struct Service {
    delivery: Arc<Delivery>,
}

#[tonic::async_trait]
impl LogsService for Service {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let request = request.into_inner();
        let bytes = request.encoded_len();
        let decoded = decode_logs(request, PROTOCOL.origin(), self.delivery.now());
        let rejected = self
            .delivery
            .deliver(PROTOCOL, decoded, bytes)
            .await
            .map_err(|failure| failure.status())?;
        let partial_success =
            partial(&rejected, "log records").map(|(rejected_log_records, error_message)| {
                ExportLogsPartialSuccess {
                    rejected_log_records,
                    error_message,
                }
            });
        Ok(Response::new(ExportLogsServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let request = request.into_inner();
        let bytes = request.encoded_len();
        let decoded = decode_traces(request, PROTOCOL.origin(), self.delivery.now());
        let rejected = self
            .delivery
            .deliver(PROTOCOL, decoded, bytes)
            .await
            .map_err(|failure| failure.status())?;
        let partial_success = partial(&rejected, "spans").map(|(rejected_spans, error_message)| {
            ExportTracePartialSuccess {
                rejected_spans,
                error_message,
            }
        });
        Ok(Response::new(ExportTraceServiceResponse {
            partial_success,
        }))
    }
}

#[tonic::async_trait]
impl MetricsService for Service {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let request = request.into_inner();
        let bytes = request.encoded_len();
        let (decoded, advance) = {
            let now = self.delivery.now();
            let mut state = self.delivery.cumulative();
            decode_metrics(request, PROTOCOL.origin(), now, &mut state)
        };
        let rejected = self
            .delivery
            .deliver_metrics(PROTOCOL, decoded, advance, bytes)
            .await
            .map_err(|failure| failure.status())?;
        let partial_success =
            partial(&rejected, "data points").map(|(rejected_data_points, error_message)| {
                ExportMetricsPartialSuccess {
                    rejected_data_points,
                    error_message,
                }
            });
        Ok(Response::new(ExportMetricsServiceResponse {
            partial_success,
        }))
    }
}
