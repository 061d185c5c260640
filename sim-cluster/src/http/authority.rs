//! The cluster's own certificate authority, and the API server's certificate from it.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Days before and after the start that certificates hold: clocks of tests are anywhere, so that
/// the wide span is centred on what the cluster takes for now.
const DAYS: i64 = 3_650;

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
    born: Timestamp,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is nobody's business.
        f.debug_struct("Authority")
            .field("born", &self.born)
            .finish_non_exhaustive()
    }
}

impl Authority {
    pub(crate) fn new(now: Timestamp) -> Authority {
        let mut params = CertificateParams::default();
        validity(&mut params, now);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "kubernetes");
        let key = KeyPair::generate().expect("ring makes P-256 keys");
        let issuer = CertifiedIssuer::self_signed(params, key)
            .expect("a certificate of fixed fields can be signed with a new key");
        Authority {
            pem: pem(issuer.der()),
            issuer,
            born: now,
        }
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// For a server that is reached by these addresses, by `localhost` and by its service's names.
    ///
    /// # Errors
    /// When the certificate cannot be made or used.
    pub(crate) fn server_config(
        &self,
        addresses: &[IpAddr],
    ) -> Result<Arc<ServerConfig>, Box<dyn std::error::Error + Send + Sync>> {
        let names = [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        let mut params = CertificateParams::new(names.map(str::to_owned))?;
        validity(&mut params, self.born);
        params
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        for address in addresses {
            params.subject_alt_names.push(SanType::IpAddress(*address));
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn validity(params: &mut CertificateParams, now: Timestamp) {
    let day = i64::from(24 * 60 * 60);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |seconds: i64| {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        epoch + std::time::Duration::from_secs(seconds)
    };
    params.not_before = at(now.as_second() - DAYS * day);
    params.not_after = at(now.as_second() + DAYS * day);
}

/// RFC 7468.
fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    const LINE: usize = 64;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem + "-----END CERTIFICATE-----\n"
}
