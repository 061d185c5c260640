//! The names below `/var/log/pods`: whose a folder is, and which file comes after which.
//!
//! `<namespace>_<pod>_<uid>/<container>/<restarts>.log`, rotated by the kubelet to
//! `<restarts>.log.20261121-180000` and later compressed to `….gz`.
//! <https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/kuberuntime/helpers.go>
//! (BuildPodLogsDirectory)

use std::path::Path;

/// Whose logs a folder holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodFolder {
    pub namespace: String,
    pub pod: String,
    /// Of a static pod the hash of its manifest.
    pub uid: String,
}

impl PodFolder {
    pub fn of(path: &Path) -> Option<PodFolder> {
        let name = path.file_name()?.to_str()?;
        // Names of Kubernetes have no underscores.
        let mut parts = name.split('_');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (namespace, pod, uid) = (part()?, part()?, part()?);
        part().is_none().then(|| PodFolder {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            uid: uid.to_owned(),
        })
    }
}

/// Where a file stands among those of its container: by restart, rotated files before the current
/// one, by the time of rotation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) restart: u32,
    /// `false` sorts first.
    current: bool,
    rotated_at: String,
}

/// What a file's name says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FileName {
    Log(Place),
    /// Rotated and compressed: its lines were read before that, or are lost.
    Compressed,
    Other,
}

impl FileName {
    pub(crate) fn of(name: &str) -> FileName {
        let Some((restart, rest)) = name.split_once(".log") else {
            return FileName::Other;
        };
        let Ok(restart) = restart.parse::<u32>() else {
            return FileName::Other;
        };
        match rest.strip_prefix('.') {
            None if rest.is_empty() => FileName::Log(Place {
                restart,
                current: true,
                rotated_at: String::new(),
            }),
            // A half-written compressed file is `.gz.tmp` or `.tmp`.
            Some(suffix) if suffix.ends_with(".gz") => FileName::Compressed,
            Some(suffix) if suffix.starts_with(|c: char| c.is_ascii_digit()) => {
                match suffix.contains('.') {
                    true => FileName::Other,
                    false => FileName::Log(Place {
                        restart,
                        current: false,
                        rotated_at: suffix.to_owned(),
                    }),
                }
            }
            _ => FileName::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_say_whose_they_are() {
        let folder = PodFolder::of(Path::new("/var/log/pods/shop_cart-0_0a-1b"));
        let folder = folder.map(|it| (it.namespace, it.pod, it.uid));
        let expected = ("shop".to_owned(), "cart-0".to_owned(), "0a-1b".to_owned());
        assert_eq!(folder, Some(expected));
        for name in ["shop_cart", "a_b_c_d", "__", "x", "a_b_"] {
            assert_eq!(PodFolder::of(Path::new(name)), None, "{name}");
        }
    }

    #[test]
    fn files_are_read_in_the_order_they_were_written() {
        let mut names = [
            "1.log",
            "0.log",
            "10.log",
            "1.log.20261121-180000",
            "1.log.20261121-170000",
        ];
        names.sort_by_key(|name| match FileName::of(name) {
            FileName::Log(place) => place,
            _ => panic!("{name} is a log"),
        });
        assert_eq!(
            names,
            [
                "0.log",
                "1.log.20261121-170000",
                "1.log.20261121-180000",
                "1.log",
                "10.log"
            ]
        );
        assert_eq!(
            FileName::of("0.log.20261121-180000.gz"),
            FileName::Compressed
        );
        for name in ["0.log.20261121-180000.tmp", "x.log", "0.txt", "0.logs", ""] {
            assert_eq!(FileName::of(name), FileName::Other, "{name}");
        }
    }
}
