//! Who writes a file, judged by its path: Kubernetes, Docker, or anyone.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use monitor_core::{Name, Resource, Value};
use monitor_ingest::resource;
use serde::Deserialize;

/// What is known of a file's writer.
#[derive(Debug, PartialEq)]
pub(super) struct Target {
    pub(super) resource: Resource,
    /// Names the file among the resource's outputs.
    pub(super) stream: String,
}

impl Target {
    pub(super) fn of(path: &Path) -> Target {
        kubernetes_pod(path)
            .or_else(|| kubernetes_container(path))
            .or_else(|| docker(path))
            .unwrap_or_else(|| plain(path))
    }

    fn new(stream: String, attributes: &[(&str, &str)]) -> Target {
        let attributes = attributes
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| (Name::from(*key), Value::Str((*value).to_owned())))
            .collect();
        Target {
            resource: resource::from_attributes(attributes),
            stream,
        }
    }
}

/// `/var/log/pods/<namespace>_<pod>_<uid>/<container>/<restarts>.log`, also rotated
fn kubernetes_pod(path: &Path) -> Option<Target> {
    let mut names = path.iter().rev().map(|name| name.to_str());
    let (file, container, folder) = (names.next()??, names.next()??, names.next()??);
    if names.next()? != Some("pods") || !file.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut parts = folder.split('_');
    let (namespace, pod, uid) = (parts.next()?, parts.next()?, parts.next()?);
    Some(pod_target(
        namespace,
        pod,
        container,
        &[("k8s.pod.uid", uid)],
    ))
}

/// `/var/log/containers/<pod>_<namespace>_<container>-<container id>.log`
fn kubernetes_container(path: &Path) -> Option<Target> {
    let name = path.file_name()?.to_str()?.strip_suffix(".log")?;
    let mut parts = name.split('_');
    let (pod, namespace, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (container, id) = rest.rsplit_once('-')?;
    if parts.next().is_some() || !is_container_id(id) {
        return None;
    }
    Some(pod_target(
        namespace,
        pod,
        container,
        &[("container.id", id)],
    ))
}

fn pod_target(namespace: &str, pod: &str, container: &str, more: &[(&str, &str)]) -> Target {
    let mut attributes = vec![
        ("service.name", workload_of(pod)),
        ("k8s.namespace.name", namespace),
        ("k8s.pod.name", pod),
        ("k8s.container.name", container),
    ];
    attributes.extend_from_slice(more);
    Target::new(container.to_owned(), &attributes)
}

fn is_container_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A pod's name without what its controller appended: `cart-7d4b9c6f5-x2x9k`, `cart-x2x9k`,
/// `cart-0`, `report-28934567-x2x9k` become `cart` and `report`.
///
/// Controllers append five characters of an alphabet without vowels and look-alikes, a Deployment
/// its ReplicaSet's hash of the same alphabet before, a CronJob the minute of its run.
/// <https://github.com/kubernetes/apimachinery/blob/master/pkg/util/rand/rand.go>
pub(super) fn workload_of(pod: &str) -> &str {
    let generated = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len())
            && part
                .bytes()
                .all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte))
    };
    let number = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let Some((rest, last)) = pod.rsplit_once('-') else {
        return pod;
    };
    if generated(last, 5..=5) {
        match rest.rsplit_once('-') {
            Some((name, hash)) if generated(hash, 6..=10) || number(hash, 8..=10) => name,
            _ => rest,
        }
    } else if number(last, 1..=4) {
        rest
    } else {
        pod
    }
}

/// `/var/lib/docker/containers/<id>/<id>-json.log`; Docker's own description of the container lies
/// beside it.
fn docker(path: &Path) -> Option<Target> {
    let name = path.file_name()?.to_str()?;
    let (id, _) = name.split_once("-json.log")?;
    if !is_container_id(id) {
        return None;
    }
    let description = path.with_file_name("config.v2.json");
    let container = read_description(&description).unwrap_or_default();
    let name = container.name.trim_start_matches('/');
    let label = |key: &str| container.config.labels.get(key).map_or("", String::as_str);
    let service = label("com.docker.compose.service");
    let short_id = &id[..12];
    Some(Target::new(
        String::new(),
        &[
            (
                "service.name",
                [service, name, short_id]
                    .into_iter()
                    .find(|it| !it.is_empty())
                    .unwrap_or_default(),
            ),
            ("service.namespace", label("com.docker.compose.project")),
            ("container.name", name),
            ("container.id", id),
            ("container.image.name", &container.config.image),
        ],
    ))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DockerContainer {
    name: String,
    config: DockerConfig,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DockerConfig {
    image: String,
    labels: std::collections::BTreeMap<String, String>,
}

/// `None` when it cannot be read: the log may be mounted without it.
fn read_description(path: &Path) -> Option<DockerContainer> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(1 << 20)
        .read_to_string(&mut text)
        .ok()?;
    serde_json::from_str(&text).ok()
}

/// Names that say what a file is for, not whose it is.
const GENERIC: &[&str] = &[
    "access",
    "app",
    "application",
    "catalina",
    "console",
    "current",
    "debug",
    "err",
    "error",
    "errors",
    "info",
    "log",
    "logs",
    "main",
    "messages",
    "out",
    "output",
    "server",
    "service",
    "stderr",
    "stdout",
    "warn",
];

/// `/var/log/nginx/access.log` is nginx's, `/srv/cart/logs/app.log` cart's, `/tmp/pay.log` pay's.
fn plain(path: &Path) -> Target {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = file.split('.').next().unwrap_or_default();
    // `cart-error.log`, `cart_access.log`
    let stem = match stem.rsplit_once(['-', '_']) {
        Some((name, purpose)) if GENERIC.contains(&purpose) => name,
        _ => stem,
    };
    let is_generic = |name: &str| name.is_empty() || GENERIC.contains(&name);
    let folders = path
        .parent()
        .into_iter()
        .flat_map(|folder| folder.iter().rev());
    let folder = folders
        .filter_map(|name| name.to_str())
        .find(|name| !is_generic(name) && !matches!(*name, "/" | "var"));
    let service = if is_generic(stem) { folder } else { None };
    Target::new(
        path.to_string_lossy().into_owned(),
        &[("service.name", service.unwrap_or(stem))],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_belong_to_their_workloads() {
        for (pod, workload) in [
            ("cart-7d4b9c6f5-x2x9k", "cart"),
            ("cart-v2-7d4b9c6f5-x2x9k", "cart-v2"),
            ("fluent-bit-x7k2p", "fluent-bit"),
            ("postgres-0", "postgres"),
            ("report-28934567-x2x9k", "report"),
            ("cart", "cart"),
            ("my-db-node2", "my-db-node2"),
            ("etcd-control-plane", "etcd-control-plane"),
        ] {
            assert_eq!(workload_of(pod), workload, "{pod}");
        }
    }

    #[test]
    fn paths_say_whose_a_file_is() {
        let id = "3f".repeat(32);
        let container = format!("/var/log/containers/cart-7d4b9c6f5-x2x9k_shop_web-{id}.log");
        let docker = format!("/var/lib/docker/containers/{id}/{id}-json.log");
        for (path, service, stream) in [
            (
                "/var/log/pods/shop_cart-7d4b9c6f5-x2x9k_0a1b/web/0.log",
                "shop/cart",
                "web",
            ),
            (
                "/var/log/pods/shop_pay-0_0a1b/web/3.log.20261121-100500",
                "shop/pay",
                "web",
            ),
            (&container, "shop/cart", "web"),
            (&docker, "3f3f3f3f3f3f", ""),
            (
                "/var/log/nginx/access.log",
                "nginx",
                "/var/log/nginx/access.log",
            ),
            (
                "/srv/cart/logs/app.log.1",
                "cart",
                "/srv/cart/logs/app.log.1",
            ),
            ("/tmp/pay-error.log", "pay", "/tmp/pay-error.log"),
            ("/var/log/syslog", "syslog", "/var/log/syslog"),
            ("/var/log/error.log", "error", "/var/log/error.log"),
        ] {
            let target = Target::of(Path::new(path));
            let found = (target.resource.service.to_string(), target.stream);
            assert_eq!(found, (service.to_owned(), stream.to_owned()), "{path}");
        }
    }
}
