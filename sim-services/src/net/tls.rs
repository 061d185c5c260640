//! TLS within the platform: one authority, a certificate for each replica that serves TLS.
//!
//! The verifiers' time is the platform's, which may be any date. Keys are Ed25519, whose signatures
//! are all of one length, and sessions are not resumed: so a handshake is the same bytes on the
//! wire in number whenever it is run, and every new connection shows its certificate.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ED25519, SerialNumber,
};
use tokio_rustls::rustls::client::{ClientConfig, Resumption};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ServerConfig;
use tokio_rustls::rustls::time_provider::TimeProvider;
use tokio_rustls::rustls::{self, RootCertStore};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

use super::CallError;
use super::wire::Stream;
use crate::clock::{Clock, Moment};
use crate::random::Dice;
use crate::topology::Protocol;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Of all certificates; longer than any run.
const VALIDITY: Duration = DAY.saturating_mul(3650);

#[derive(Debug)]
pub(super) struct Authority {
    clock: Clock,
    provider: Arc<CryptoProvider>,
    issuer: CertifiedIssuer<'static, KeyPair>,
    born: Moment,
    serial: AtomicU64,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

#[derive(Debug)]
struct PlatformTime(Clock);

impl TimeProvider for PlatformTime {
    fn current_time(&self) -> Option<UnixTime> {
        let now = u64::try_from(self.0.now().0).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_nanos(now)))
    }
}

/// The protocols' names in the handshake (RFC 7301).
fn alpn(protocol: Protocol) -> Vec<Vec<u8>> {
    vec![match protocol {
        Protocol::Http1 => b"http/1.1".to_vec(),
        Protocol::Http2 | Protocol::Grpc => b"h2".to_vec(),
    }]
}

impl Authority {
    /// # Errors
    ///
    /// When the cryptography does not work.
    pub(super) fn new(clock: Clock) -> io::Result<Authority> {
        let key = KeyPair::generate_for(&PKCS_ED25519).map_err(io::Error::other)?;
        Authority::with_key(clock, key)
    }

    /// The same for the same seed in every process, so that the processes of one platform trust
    /// each other without being told. Whoever knows the seed can sign: it keeps no secret, and
    /// nothing but a simulated platform may trust it.
    ///
    /// # Errors
    ///
    /// When the cryptography does not work.
    pub(super) fn shared(clock: Clock, seed: u64) -> io::Result<Authority> {
        let secret: [u8; 32] = Dice::new(seed, "net/authority").bytes();
        // PKCS #8 of an Ed25519 key (RFC 8410, section 7) is this and the key's 32 bytes.
        let mut document = vec![
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ];
        document.extend(secret);
        let document = PrivatePkcs8KeyDer::from(document);
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&document, &PKCS_ED25519)
            .map_err(io::Error::other)?;
        Authority::with_key(clock, key)
    }

    fn with_key(clock: Clock, key: KeyPair) -> io::Result<Authority> {
        let born = clock.now();
        let mut params = CertificateParams::default();
        validity(&mut params, born, born + VALIDITY);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.serial_number = Some(SerialNumber::from(FIRST_SERIAL));
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)?;

        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(issuer.der().clone()).map_err(io::Error::other)?;
        let roots = Arc::new(roots);
        let client = |protocol| {
            let time = Arc::new(PlatformTime(clock));
            let mut config = ClientConfig::builder_with_details(Arc::clone(&provider), time)
                .with_safe_default_protocol_versions()
                .map_err(io::Error::other)?
                .with_root_certificates(Arc::clone(&roots))
                .with_no_client_auth();
            config.alpn_protocols = alpn(protocol);
            config.resumption = Resumption::disabled();
            io::Result::Ok(Arc::new(config))
        };
        Ok(Authority {
            http1: client(Protocol::Http1)?,
            http2: client(Protocol::Http2)?,
            clock,
            provider,
            issuer,
            born,
            serial: AtomicU64::new(FIRST_SERIAL + 1),
        })
    }

    /// For a replica of `service`, with a certificate that is good for as long as any run lasts.
    pub(super) fn acceptor(&self, service: &str, protocol: Protocol) -> io::Result<TlsAcceptor> {
        self.acceptor_until(service, protocol, self.born + VALIDITY)
    }

    /// With one that has just expired.
    pub(super) fn expired(&self, service: &str, protocol: Protocol) -> io::Result<TlsAcceptor> {
        self.acceptor_until(service, protocol, self.clock.now() - Duration::from_secs(1))
    }

    fn acceptor_until(
        &self,
        service: &str,
        protocol: Protocol,
        until: Moment,
    ) -> io::Result<TlsAcceptor> {
        let mut params =
            CertificateParams::new(vec![service.to_owned()]).map_err(io::Error::other)?;
        validity(&mut params, self.born - DAY, until);
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate_for(&PKCS_ED25519).map_err(io::Error::other)?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .map_err(io::Error::other)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let time = Arc::new(PlatformTime(self.clock));
        let mut config = ServerConfig::builder_with_details(Arc::clone(&self.provider), time)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .map_err(io::Error::other)?;
        config.alpn_protocols = alpn(protocol);
        config.send_tls13_tickets = 0;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// The client's side of a handshake.
    ///
    /// # Errors
    ///
    /// `Tls` when one side does not accept the other, `Broken` when the connection ends.
    pub(super) async fn connect(
        &self,
        service: &str,
        protocol: Protocol,
        stream: Stream,
    ) -> Result<client::TlsStream<Stream>, CallError> {
        let config = match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 | Protocol::Grpc => &self.http2,
        };
        let name = ServerName::try_from(service.to_owned())
            .map_err(|error| CallError::Tls(error.to_string()))?;
        TlsConnector::from(Arc::clone(config))
            .connect(name, stream)
            .await
            .map_err(|error| {
                let tls = error
                    .get_ref()
                    .and_then(|inner| inner.downcast_ref::<rustls::Error>());
                match tls {
                    Some(why) => CallError::Tls(why.to_string()),
                    None => CallError::Broken(error.to_string()),
                }
            })
    }
}

/// Large, so that all numbers have the same length.
const FIRST_SERIAL: u64 = 1 << 60;

fn validity(params: &mut CertificateParams, from: Moment, until: Moment) {
    let date = |moment: Moment| rcgen::date_time_ymd(1970, 1, 1) + moment.since(Moment(0));
    params.not_before = date(from);
    params.not_after = date(until);
}
