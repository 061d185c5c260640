//! Names that a real pod would resolve or find, as what they are on this machine.
//!
//! A local process has no cluster DNS and no mounts of its own. So the names of services and the
//! mount paths in a container's command, args and env are replaced by addresses and folders before
//! it starts. Files are left as they are. Pure.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

/// Where one host name leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) address: IpAddr,
    /// Ports that could not be had as they are written: those below 1024 belong to root on many
    /// machines.
    pub(super) moved: BTreeMap<u16, u16>,
}

/// What a container's texts are rewritten by.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Of the pod: here services need no namespace.
    pub(super) namespace: String,
    /// By `service.namespace` and `pod.service.namespace`.
    pub(super) hosts: BTreeMap<String, Host>,
    /// Mount path → folder.
    pub(super) folders: BTreeMap<String, PathBuf>,
}

impl Names {
    /// The text as a local process understands it.
    pub(super) fn rewrite(&self, text: &str) -> String {
        let text = self.with_folders(text);
        self.with_addresses(&text)
    }

    /// The folder of a path of the container, when a mount covers it.
    pub(super) fn folder(&self, path: &str) -> Option<PathBuf> {
        // The last in order that is a prefix is the longest one.
        let (mount, folder) = self
            .folders
            .iter()
            .rev()
            .find(|(mount, _)| Path::new(path).starts_with(mount))?;
        let below = Path::new(path).strip_prefix(mount).ok()?;
        Some(if below.as_os_str().is_empty() {
            folder.clone()
        } else {
            folder.join(below)
        })
    }

    fn with_folders(&self, text: &str) -> String {
        let mut rewritten = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(found) = text[at..].find('/') {
            let start = at + found;
            rewritten.push_str(&text[at..start]);
            let end = text[start..]
                .find(|character: char| !is_of_path(character))
                .map_or(text.len(), |length| start + length);
            // Of the three slashes of `file:///data`, the last begins the path.
            let begins = begins_path(&text[..start]) && !text[start..].starts_with("//");
            match begins.then(|| self.folder(&text[start..end])) {
                Some(Some(folder)) => {
                    rewritten.push_str(&folder.to_string_lossy());
                    if text[start..end].ends_with('/') {
                        rewritten.push('/');
                    }
                    at = end;
                }
                _ => {
                    rewritten.push('/');
                    at = start + 1;
                }
            }
        }
        rewritten.push_str(&text[at..]);
        rewritten
    }

    fn with_addresses(&self, text: &str) -> String {
        let mut rewritten = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(found) = text[at..].find(is_of_host) {
            let start = at + found;
            rewritten.push_str(&text[at..start]);
            let end = text[start..]
                .find(|character: char| !is_of_host(character))
                .map_or(text.len(), |length| start + length);
            let (before, after) = (&text[..start], &text[end..]);
            match self.host(&text[start..end], before, after) {
                None => {
                    rewritten.push_str(&text[start..end]);
                    at = end;
                }
                Some(host) => {
                    rewritten.push_str(&host.address.to_string());
                    let (port, length) = port_after(before, after);
                    if let Some(moved) = port.and_then(|port| host.moved.get(&port)) {
                        rewritten.push_str(&format!(":{moved}"));
                        at = end + length;
                    } else {
                        at = end;
                    }
                }
            }
        }
        rewritten.push_str(&text[at..]);
        rewritten
    }

    fn host(&self, word: &str, before: &str, after: &str) -> Option<&Host> {
        let is_in_url = before.ends_with("://")
            || before.ends_with('@') && before.rsplit([' ', ',']).next()?.contains("://");
        // `/data/orders.prod` is a file.
        if before.ends_with(['/', '_', '$']) && !is_in_url || after.starts_with('_') {
            return None;
        }
        let name = word.trim_end_matches('.');
        let name = name
            .strip_suffix(".svc.cluster.local")
            .or_else(|| name.strip_suffix(".svc"))
            .unwrap_or(name);
        let here = || self.hosts.get(&format!("{name}.{}", self.namespace));
        if name.contains('.') {
            return self.hosts.get(name).or_else(here);
        }
        let has_port = after
            .strip_prefix(':')
            .is_some_and(|port| port.starts_with(|digit: char| digit.is_ascii_digit()));
        let begins = before.is_empty() || before.ends_with(['=', ',', ' ', '"', '\'']);
        if is_in_url || (has_port && begins) {
            here()
        } else {
            None
        }
    }
}

/// The port that is meant after a host, and how many bytes it is written with.
fn port_after(before: &str, after: &str) -> (Option<u16>, usize) {
    if let Some(rest) = after.strip_prefix(':') {
        let length = rest
            .find(|character: char| !character.is_ascii_digit())
            .unwrap_or(rest.len());
        return (rest[..length].parse().ok(), length + 1);
    }
    let port = if before.ends_with("http://") {
        Some(80)
    } else if before.ends_with("https://") {
        Some(443)
    } else {
        None
    };
    (port, 0)
}

fn is_of_host(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '.')
}

fn is_of_path(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '/' | '-' | '.' | '_' | '@' | '+')
}

/// Whether a path can begin here: not within a URL or a relative path.
fn begins_path(before: &str) -> bool {
    before.ends_with("://") || !before.ends_with(is_of_path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let host = |last: u8, moved: &[(u16, u16)]| Host {
            address: IpAddr::from([127, 20, 1, last]),
            moved: moved.iter().copied().collect(),
        };
        Names {
            namespace: "shop".to_owned(),
            hosts: [
                ("orders.shop", host(1, &[])),
                ("monitor.crosswatch", host(2, &[])),
                ("web.shop", host(3, &[(80, 20080)])),
                ("db-0.db.shop", host(4, &[])),
            ]
            .into_iter()
            .map(|(name, host)| (name.to_owned(), host))
            .collect(),
            folders: [
                ("/data", "/r/data"),
                ("/data/cache", "/r/cache"),
                ("/etc/app", "/r/app"),
            ]
            .into_iter()
            .map(|(mount, folder)| (mount.to_owned(), PathBuf::from(folder)))
            .collect(),
        }
    }

    fn check(rows: &[(&str, &str)]) {
        for (text, expected) in rows {
            assert_eq!(names().rewrite(text), *expected, "{text}");
        }
    }

    #[test]
    fn names_of_services_become_their_addresses() {
        check(&[
            ("http://orders:8080/x", "http://127.20.1.1:8080/x"),
            ("http://orders.shop:8080", "http://127.20.1.1:8080"),
            ("http://orders.shop.svc/x", "http://127.20.1.1/x"),
            ("orders.shop.svc.cluster.local.:80", "127.20.1.1:80"),
            ("--to=monitor.crosswatch.svc:4317", "--to=127.20.1.2:4317"),
            ("a=orders:1,b=orders:2", "a=127.20.1.1:1,b=127.20.1.1:2"),
            (
                "redis://me:secret@orders/0",
                "redis://me:secret@127.20.1.1/0",
            ),
            ("http://db-0.db:5432", "http://127.20.1.4:5432"),
            ("db-0.db.shop.svc:5432", "127.20.1.4:5432"),
        ]);
    }

    #[test]
    fn what_only_looks_like_a_service_is_left() {
        check(&[
            ("orders", "orders"),
            ("--service orders", "--service orders"),
            ("http://monitor:80", "http://monitor:80"),
            ("orders.shop.example.com", "orders.shop.example.com"),
            ("my-orders.shop", "my-orders.shop"),
            ("/files/orders.shop", "/files/orders.shop"),
            ("orders:latest", "orders:latest"),
            (
                "http://example.com/orders:80",
                "http://example.com/orders:80",
            ),
        ]);
    }

    #[test]
    fn a_port_that_only_root_may_take_is_moved() {
        check(&[
            ("http://web/x", "http://127.20.1.3:20080/x"),
            ("http://web:80/x", "http://127.20.1.3:20080/x"),
            ("http://web:8080/x", "http://127.20.1.3:8080/x"),
            ("web.shop:80", "127.20.1.3:20080"),
        ]);
    }

    #[test]
    fn mount_paths_become_folders() {
        check(&[
            ("/data", "/r/data"),
            ("--file=/data/a.db", "--file=/r/data/a.db"),
            ("/data/cache/x", "/r/cache/x"),
            ("/data/", "/r/data/"),
            ("/database", "/database"),
            ("/mnt/data/x", "/mnt/data/x"),
            ("http://x/data", "http://x/data"),
            ("file:///data/x", "file:///r/data/x"),
            ("cat /etc/app/a;ls /data", "cat /r/app/a;ls /r/data"),
            ("/usr/bin:/data", "/usr/bin:/r/data"),
        ]);
    }

    #[test]
    fn a_text_without_names_is_left_as_it_is() {
        let none = Names::default();
        proptest::proptest!(|(text in "\\PC*")| {
            assert_eq!(none.rewrite(&text), text);
        });
    }
}
