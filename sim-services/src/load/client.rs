//! Who asks: the headers of one client, the same whenever it comes.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue, USER_AGENT};

use crate::random::Dice;
use crate::topology::ClientSpec;

const CLIENT: HeaderName = HeaderName::from_static("x-client-id");
const TENANT: HeaderName = HeaderName::from_static("x-tenant");
const KEY: HeaderName = HeaderName::from_static("x-api-key");
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Networks for documentation (RFC 5737): no real machine has these addresses.
const NETWORKS: [[u8; 3]; 3] = [[192, 0, 2], [198, 51, 100], [203, 0, 113]];

/// Client `number` of a class, such as `browsers-17`. Follows from its name alone: clients are the
/// same in every run, whatever its seed.
pub(super) fn headers(class: &ClientSpec, number: u64) -> HeaderMap {
    let name = format!("{}-{number}", class.name);
    let mut dice = Dice::new(0, &name);
    let tenant = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_rem(class.tenants.len()))
        .map_or("", |index| class.tenants[index].as_str());
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(FORWARDED, value(&address(&mut dice).to_string()));
    headers.insert(KEY, value(&key(&mut dice)));
    headers.insert(CLIENT, value(&name));
    headers.insert(TENANT, value(tenant));
    headers.insert(USER_AGENT, value(&class.user_agent));
    headers
}

/// One in four comes by IPv6 (RFC 3849's documentation prefix). Several clients may share an
/// address of IPv4, as behind a router.
fn address(dice: &mut Dice) -> IpAddr {
    if dice.chance(0.25) {
        let [a, b, c, d] = dice.bytes();
        let subnet = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
        let host = u16::from_be_bytes(dice.bytes());
        Ipv6Addr::new(0x2001, 0xdb8, subnet[0], subnet[1], 0, 0, 0, host).into()
    } else {
        let network = NETWORKS[dice.pick(&[1.0; NETWORKS.len()])];
        // From .1 to .254: without the network's own address and the one for all.
        let [a, b, c] = network;
        let host = 1 + dice.bytes::<1>()[0] % 254;
        Ipv4Addr::new(a, b, c, host).into()
    }
}

fn key(dice: &mut Dice) -> String {
    let mut key = String::from("key_");
    for byte in dice.bytes::<12>() {
        // Writing to a string cannot fail.
        write!(key, "{byte:02x}").unwrap_or_default();
    }
    key
}

/// Topologies are free text; what a header cannot carry is left out of it.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| {
        let plain: String = text.chars().filter(char::is_ascii_graphic).collect();
        HeaderValue::from_str(&plain).unwrap_or_else(|_| HeaderValue::from_static(""))
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::topology::Topology;

    #[test]
    fn clients_are_told_apart_and_stay_the_same() {
        let shop = Topology::shop();
        let mut lines = String::new();
        for (class, number) in [(0, 17), (0, 18), (1, 0), (1, 1), (2, 3), (3, 2)] {
            let headers = headers(&shop.clients[class], number);
            let shown: Vec<&str> = ["x-client-id", "x-tenant", "x-api-key", "x-forwarded-for"]
                .iter()
                .map(|name| headers[*name].to_str().unwrap())
                .collect();
            lines.push_str(&format!("{}\n", shown.join(" ")));
        }
        expect![[r#"
            browsers-17 public key_d231334958b79cf16f7b262f 192.0.2.38
            browsers-18 public key_265ca44b182ce209ec33257f 192.0.2.95
            app-0 public key_4b1f9eaab39fc387530ffef6 2001:db8:d65f:5e2a::3a4d
            app-1 members key_c739d462be89779635787213 192.0.2.45
            partners-3 umbrella key_4e33ad07f288d3f7abf97b62 2001:db8:651e:6d48::19ea
            crawlers-2 public key_41a4b51ebbb7e649a18e40f7 2001:db8:b61e:b00e::1417
        "#]]
        .assert_eq(&lines);
    }

    #[test]
    fn addresses_are_only_those_of_documentation() {
        let shop = Topology::shop();
        let mut sixes = 0;
        for number in 0..400 {
            let headers = headers(&shop.clients[0], number);
            let address = headers["x-forwarded-for"].to_str().unwrap();
            match address.parse::<IpAddr>().unwrap() {
                IpAddr::V4(four) => {
                    let [a, b, c, host] = four.octets();
                    assert!(NETWORKS.contains(&[a, b, c]), "{four}");
                    assert!((1..=254).contains(&host), "{four}");
                }
                IpAddr::V6(six) => {
                    assert_eq!(six.segments()[..2], [0x2001, 0xdb8]);
                    sixes += 1;
                }
            }
        }
        assert!((60..140).contains(&sixes), "{sixes} of 400");
    }

    #[test]
    fn what_no_header_can_carry_is_left_out() {
        let mut class = Topology::shop().clients[0].clone();
        class.user_agent = "line\nbreak".into();
        assert_eq!(headers(&class, 0)[USER_AGENT], "linebreak");
    }
}
