//! What replicas are called: pods as Kubernetes names them, hosts as data centres do.

use crate::random::Dice;
use crate::telemetry::Identity;
use crate::topology::{EnvironmentKind, Topology};

/// The letters of Kubernetes' `rand.SafeEncodeString`: no vowels, so no words; none that look alike.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Who a replica is in its next life. `dice` is the replica's own: a pod that is made anew has a
/// new name, a host keeps its.
pub(super) fn identity(
    topology: &Topology,
    service: &str,
    replica: u32,
    version: &str,
    dice: &mut Dice,
) -> Identity {
    let spec = &topology.services[service];
    let environment = &topology.environments[&spec.environment];
    let instance = match environment.kind {
        EnvironmentKind::Cloud => pod(service, version, dice),
        EnvironmentKind::OnPrem | EnvironmentKind::Edge => {
            let site = environment.site.as_deref().unwrap_or(&spec.environment);
            let short = abbreviation(service, topology.services.keys().map(String::as_str));
            format!("{short}{:02}.{site}", replica + 1)
        }
    };
    let zones = &environment.zones;
    let zone = (!zones.is_empty()).then(|| zones[replica as usize % zones.len()].clone());
    Identity {
        service: service.to_owned(),
        namespace: spec.namespace.clone(),
        version: version.to_owned(),
        instance,
        replica,
        environment: spec.environment.clone(),
        kind: environment.kind,
        provider: environment.provider.clone(),
        region: environment.region.clone(),
        zone,
        cluster: environment.cluster.clone(),
        site: environment.site.clone(),
    }
}

/// `cart-6d5f7c9b8-x2x4k`: all pods of a version share the middle, the pod template's hash.
fn pod(service: &str, version: &str, dice: &mut Dice) -> String {
    // Kubernetes hashes with FNV-1a of 32 bits and writes the decimal number in its letters.
    let template = format!("{service}:{version}");
    let hash = template.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let letter = |index: usize| char::from(LETTERS[index % LETTERS.len()]);
    let hash: String = hash
        .to_string()
        .bytes()
        .map(|digit| letter(usize::from(digit)))
        .collect();
    let own: String = dice
        .bytes::<5>()
        .into_iter()
        .map(|byte| letter(usize::from(byte)))
        .collect();
    format!("{service}-{hash}-{own}")
}

/// Three letters, or as many more as tell it from all others.
fn abbreviation<'a>(service: &'a str, all: impl Iterator<Item = &'a str> + Clone) -> &'a str {
    let ends = service
        .char_indices()
        .map(|(at, letter)| at + letter.len_utf8());
    for end in ends.skip(2) {
        let short = &service[..end];
        let clash = all
            .clone()
            .any(|other| other != service && other.starts_with(short));
        if !clash && !short.ends_with('-') {
            return short;
        }
    }
    service
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(service: &str, replica: u32, version: &str, seed: u64) -> Identity {
        let mut dice = Dice::new(seed, "naming");
        identity(&Topology::shop(), service, replica, version, &mut dice)
    }

    #[test]
    fn pods_of_a_version_share_the_middle_of_their_names() {
        let parts = |version, seed| {
            let name = named("legacy-core", 0, version, seed).instance;
            assert_eq!(name, "leg01.frankfurt-2");
            let pod = named("cart", 0, version, seed).instance;
            let mut parts = pod.rsplitn(3, '-').map(str::to_owned);
            let (own, hash) = (parts.next().unwrap(), parts.next().unwrap());
            assert_eq!(parts.next().as_deref(), Some("cart"));
            assert!((8..=10).contains(&hash.len()) && own.len() == 5, "{pod}");
            (hash, own)
        };
        assert_eq!(parts("1", 1).0, parts("1", 2).0);
        assert_ne!(parts("1", 1).1, parts("1", 2).1);
        assert_ne!(parts("1", 1).0, parts("2", 1).0);
    }

    #[test]
    fn replicas_are_spread_over_zones() {
        let zone = |replica| named("cart", replica, "1", 1).zone.unwrap();
        assert_eq!(
            [zone(0), zone(1), zone(2)],
            ["eu-west-1a", "eu-west-1b", "eu-west-1a"]
        );
        let host = named("payments", 1, "1", 1);
        assert_eq!(host.instance, "pay02.frankfurt-2");
        assert_eq!(host.zone, None);
    }

    #[test]
    fn abbreviations_tell_services_apart() {
        let all = ["pay-in", "pay-out", "pay", "ledger"];
        let short = |service| abbreviation(service, all.into_iter());
        assert_eq!(short("ledger"), "led");
        assert_eq!(short("pay-in"), "pay-i");
        assert_eq!(short("pay"), "pay");
    }
}
