//! Addresses, networks and URLs: the `ip`, `cidr` and `url` libraries.
//!
//! `k8s.io/apiserver/pkg/cel/library/{ip,cidr,urls}.go`.

use std::any::Any;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use cel::common::types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelString, Type};
use cel::common::value::{StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use url::Url;

static IP: Type = Type::new_unspecified_type("net.IP");
static CIDR: Type = Type::new_unspecified_type("net.CIDR");
static URL: Type = Type::new_unspecified_type("kubernetes.URL");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ip(IpAddr);

/// A network, with the address it was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cidr {
    address: IpAddr,
    bits: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Link(Arc<Parts>);

/// A URL, or an absolute path.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    scheme: String,
    hostname: String,
    port: String,
    path: String,
    query: Vec<(String, String)>,
}

macro_rules! plain_value {
    ($name:ident, $of:ident) => {
        impl Val for $name {
            fn get_type(&self) -> &Type {
                &$of
            }

            fn cel_type() -> &'static Type {
                &$of
            }

            fn equals(&self, other: &dyn Val) -> bool {
                other.downcast_ref::<$name>() == Some(self)
            }

            fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
                Box::new(self.clone())
            }

            fn as_any(&self) -> Option<&dyn Any> {
                Some(self)
            }
        }

        impl StaticVal for $name {}
    };
}

plain_value!(Ip, IP);
plain_value!(Cidr, CIDR);
plain_value!(Link, URL);

pub(super) fn add(env: &mut Env) -> Result<(), DeclarationError> {
    cel::add_overload!(env, fn ip: (CelString) -> Result<Ip>)?;
    cel::add_overload!(env, fn is_ip: (CelString) -> CelBool, name = "isIP")?;
    cel::add_overload!(env, fn is_canonical: (CelString) -> Result<CelBool>, name = "ip.isCanonical")?;
    cel::add_member_overload!(env, fn family: (Ip) -> CelInt)?;
    cel::add_member_overload!(env, fn is_unspecified: (Ip) -> CelBool)?;
    cel::add_member_overload!(env, fn is_loopback: (Ip) -> CelBool)?;
    cel::add_member_overload!(env, fn is_link_local_unicast: (Ip) -> CelBool)?;
    cel::add_member_overload!(env, fn is_link_local_multicast: (Ip) -> CelBool)?;
    cel::add_member_overload!(env, fn is_global_unicast: (Ip) -> CelBool)?;
    cel::add_overload!(env, fn cidr: (CelString) -> Result<Cidr>)?;
    cel::add_overload!(env, fn is_cidr: (CelString) -> CelBool, name = "isCIDR")?;
    cel::add_member_overload!(env, fn contains_ip: (Cidr, Ip) -> CelBool, name = "containsIP")?;
    cel::add_member_overload!(env, fn contains_written_ip: (Cidr, CelString) -> Result<CelBool>, name = "containsIP")?;
    cel::add_member_overload!(env, fn contains_cidr: (Cidr, Cidr) -> CelBool, name = "containsCIDR")?;
    cel::add_member_overload!(env, fn contains_written_cidr: (Cidr, CelString) -> Result<CelBool>, name = "containsCIDR")?;
    cel::add_member_overload!(env, fn address_of: (Cidr) -> Ip, name = "ip")?;
    cel::add_member_overload!(env, fn masked: (Cidr) -> Cidr)?;
    cel::add_member_overload!(env, fn prefix_length: (Cidr) -> CelInt)?;
    cel::add_overload!(env, fn url: (CelString) -> Result<Link>)?;
    cel::add_overload!(env, fn is_url: (CelString) -> CelBool, name = "isURL")?;
    cel::add_member_overload!(env, fn get_scheme: (Link) -> CelString)?;
    cel::add_member_overload!(env, fn get_host: (Link) -> CelString)?;
    cel::add_member_overload!(env, fn get_hostname: (Link) -> CelString)?;
    cel::add_member_overload!(env, fn get_port: (Link) -> CelString)?;
    cel::add_member_overload!(env, fn get_escaped_path: (Link) -> CelString)?;
    cel::add_member_overload!(env, fn get_query: (Link) -> CelMap)?;
    Ok(())
}

fn refused(function: &str, why: String) -> ExecutionError {
    ExecutionError::function_error(function, why)
}

/// Zones and IPv4 addresses within IPv6 are not taken.
fn parse_ip(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    let is_mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    (!is_mapped).then_some(address)
}

fn ip(text: &CelString<'_>) -> Result<Ip, ExecutionError> {
    let address = parse_ip(text.inner());
    address.map(Ip).ok_or_else(|| {
        refused(
            "ip",
            format!(
                "IP Address {:?} parse error during conversion from string",
                text.inner()
            ),
        )
    })
}

fn is_ip(text: &CelString<'_>) -> CelBool {
    CelBool::from(parse_ip(text.inner()).is_some())
}

fn is_canonical(text: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    let address = ip(text)?;
    Ok(CelBool::from(address.0.to_string() == text.inner()))
}

fn family(this: &Ip) -> CelInt {
    CelInt::from(if this.0.is_ipv4() { 4 } else { 6 })
}

fn is_unspecified(this: &Ip) -> CelBool {
    CelBool::from(this.0.is_unspecified())
}

fn is_loopback(this: &Ip) -> CelBool {
    CelBool::from(this.0.is_loopback())
}

fn link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn is_link_local_unicast(this: &Ip) -> CelBool {
    CelBool::from(link_local(this.0))
}

fn is_link_local_multicast(this: &Ip) -> CelBool {
    CelBool::from(match this.0 {
        IpAddr::V4(v4) => v4.octets()[..3] == [224, 0, 0],
        IpAddr::V6(v6) => v6.segments()[0] & 0xff0f == 0xff02,
    })
}

fn is_global_unicast(this: &Ip) -> CelBool {
    let address = this.0;
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    CelBool::from(
        !address.is_unspecified()
            && !address.is_loopback()
            && !address.is_multicast()
            && !is_broadcast
            && !link_local(address),
    )
}

impl Cidr {
    fn parse(text: &str) -> Option<Cidr> {
        let (address, bits) = text.split_once('/')?;
        let address = parse_ip(address)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits: u32 = bits.parse().ok()?;
        (bits <= most).then_some(Cidr { address, bits })
    }

    fn masked(self) -> Cidr {
        let address = match self.address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        };
        Cidr { address, ..self }
    }

    fn contains(self, address: IpAddr) -> bool {
        let same_family = self.address.is_ipv4() == address.is_ipv4();
        let within = Cidr {
            address,
            bits: self.bits,
        };
        same_family && within.masked() == self.masked()
    }

    fn includes(self, other: Cidr) -> bool {
        other.bits >= self.bits && self.contains(other.address)
    }
}

fn cidr(text: &CelString<'_>) -> Result<Cidr, ExecutionError> {
    Cidr::parse(text.inner()).ok_or_else(|| {
        refused(
            "cidr",
            format!(
                "CIDR {:?} parse error during conversion from string",
                text.inner()
            ),
        )
    })
}

fn is_cidr(text: &CelString<'_>) -> CelBool {
    CelBool::from(Cidr::parse(text.inner()).is_some())
}

fn contains_ip(this: &Cidr, other: &Ip) -> CelBool {
    CelBool::from(this.contains(other.0))
}

fn contains_written_ip(this: &Cidr, other: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(contains_ip(this, &ip(other)?))
}

fn contains_cidr(this: &Cidr, other: &Cidr) -> CelBool {
    CelBool::from(this.includes(*other))
}

fn contains_written_cidr(this: &Cidr, other: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(contains_cidr(this, &cidr(other)?))
}

fn address_of(this: &Cidr) -> Ip {
    Ip(this.address)
}

fn masked(this: &Cidr) -> Cidr {
    this.masked()
}

fn prefix_length(this: &Cidr) -> CelInt {
    CelInt::from(i64::from(this.bits))
}

/// As Go's `url.ParseRequestURI`: a URL with a scheme, or a path from the root.
fn parse_url(text: &str) -> Option<Parts> {
    let is_path = text.starts_with('/');
    if text.is_empty() || text.contains(|c: char| c.is_ascii_control() || c == ' ') {
        return None;
    }
    let url = if is_path {
        Url::parse("http://path").ok()?.join(text).ok()?
    } else {
        Url::parse(text).ok()?
    };
    let (scheme, hostname) = if is_path {
        (String::new(), String::new())
    } else {
        (
            url.scheme().to_owned(),
            url.host_str().unwrap_or("").to_owned(),
        )
    };
    // The port as written: what is usual for a scheme is not left out.
    let authority = text.split("://").nth(1).unwrap_or("");
    let authority = authority.split(['/', '?', '#']).next().unwrap_or("");
    let port = authority
        .rsplit_once(':')
        .map(|(_, port)| port)
        .filter(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    let had_path = is_path
        || text
            .split("://")
            .nth(1)
            .is_some_and(|rest| rest.contains('/'));
    Some(Parts {
        scheme,
        hostname: hostname.trim_matches(['[', ']']).to_owned(),
        port: port.unwrap_or("").to_owned(),
        path: if had_path {
            url.path().to_owned()
        } else {
            String::new()
        },
        query: url
            .query_pairs()
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect(),
    })
}

fn url(text: &CelString<'_>) -> Result<Link, ExecutionError> {
    let parts = parse_url(text.inner());
    parts.map(|parts| Link(Arc::new(parts))).ok_or_else(|| {
        refused(
            "url",
            format!(
                "URL parse error during conversion from string: {:?}",
                text.inner()
            ),
        )
    })
}

fn is_url(text: &CelString<'_>) -> CelBool {
    CelBool::from(parse_url(text.inner()).is_some())
}

fn get_scheme(this: &Link) -> CelString<'static> {
    CelString::from(this.0.scheme.clone())
}

fn get_host(this: &Link) -> CelString<'static> {
    let Parts { hostname, port, .. } = &*this.0;
    let hostname = if hostname.contains(':') {
        format!("[{hostname}]")
    } else {
        hostname.clone()
    };
    CelString::from(if port.is_empty() {
        hostname
    } else {
        format!("{hostname}:{port}")
    })
}

fn get_hostname(this: &Link) -> CelString<'static> {
    CelString::from(this.0.hostname.clone())
}

fn get_port(this: &Link) -> CelString<'static> {
    CelString::from(this.0.port.clone())
}

fn get_escaped_path(this: &Link) -> CelString<'static> {
    CelString::from(this.0.path.clone())
}

fn get_query(this: &Link) -> CelMap<'static> {
    let mut grouped: HashMap<&str, Vec<Box<dyn Val>>> = HashMap::new();
    for (key, value) in &this.0.query {
        let values = grouped.entry(key).or_default();
        values.push(Box::new(CelString::from(value.clone())));
    }
    #[expect(clippy::iter_over_hash_type, reason = "from one map into another")]
    let map = {
        let mut map: HashMap<CelMapKey<'static>, Box<dyn Val>> = HashMap::new();
        for (key, values) in grouped {
            let key = CelMapKey::from(key.to_owned());
            map.insert(key, Box::new(CelList::from(values)));
        }
        map
    };
    CelMap::from(map)
}
