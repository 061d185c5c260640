//! A service as one client knows it: its name, its connections, and requests as it wants them.

use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;

use http_body_util::Full;
use hyper::Uri;
use hyper::header::{self, HeaderValue};
use hyper::http::uri::{Authority, Parts, PathAndQuery, Scheme};
use tokio::sync::Semaphore;

use super::connection::Outgoing;
use super::directory::Member;
use super::pool::Pool;
use super::{CallError, Request, grpc, names};
use crate::topology::{Protocol, Topology};

#[derive(Debug)]
pub(super) struct Callee {
    pub(super) name: String,
    authority: Authority,
    host_header: HeaderValue,
    /// Where it would be if it had members.
    pub(super) virtual_address: SocketAddr,
    /// One for each request that may be under way.
    pub(super) permits: Semaphore,
    pub(super) pool: Pool,
    /// The member whose turn it is, modulo their number.
    pub(super) turn: AtomicUsize,
}

impl Callee {
    /// None when the topology has no such service.
    pub(super) fn new(topology: &Topology, service: &str, connections: usize) -> Option<Callee> {
        let host = names::host(topology, service)?;
        let place = topology.services.keys().position(|name| name == service)?;
        let [.., high, low] = (place + 1).to_be_bytes();
        Some(Callee {
            name: service.to_owned(),
            host_header: HeaderValue::try_from(&host).ok()?,
            authority: Authority::try_from(host).ok()?,
            virtual_address: SocketAddr::from(([10, 96, high, low], 80)),
            permits: Semaphore::new(connections.min(Semaphore::MAX_PERMITS)),
            pool: Pool::new(connections),
            turn: AtomicUsize::new(0),
        })
    }

    pub(super) fn host(&self) -> &str {
        self.authority.as_str()
    }

    /// # Errors
    ///
    /// `Broken` when the path is not one.
    pub(super) fn outgoing(
        &self,
        member: &Member,
        request: &Request,
    ) -> Result<Outgoing, CallError> {
        let path = PathAndQuery::try_from(request.path.as_str())
            .map_err(|error| CallError::Broken(format!("{}: {error}", request.path)))?;
        let grpc = member.protocol == Protocol::Grpc;
        let body = if grpc {
            grpc::framed(&request.body)
        } else {
            request.body.clone()
        };
        let mut outgoing = Outgoing::new(Full::new(body));
        *outgoing.method_mut() = request.method.clone();
        let headers = outgoing.headers_mut();
        headers.clone_from(&request.headers);
        // Those of the connection that the request came by (RFC 9110, section 7.6.1).
        for hop in [
            header::CONNECTION,
            header::CONTENT_LENGTH,
            header::TE,
            header::TRANSFER_ENCODING,
            header::HOST,
        ] {
            headers.remove(hop);
        }
        if grpc {
            headers.insert(header::CONTENT_TYPE, grpc::CONTENT_TYPE);
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        *outgoing.uri_mut() = if member.protocol == Protocol::Http1 {
            headers.insert(header::HOST, self.host_header.clone());
            Uri::from(path)
        } else {
            let mut parts = Parts::default();
            parts.scheme = Some(if member.tls {
                Scheme::HTTPS
            } else {
                Scheme::HTTP
            });
            parts.authority = Some(self.authority.clone());
            parts.path_and_query = Some(path);
            Uri::from_parts(parts).map_err(|error| CallError::Broken(error.to_string()))?
        };
        Ok(outgoing)
    }
}
