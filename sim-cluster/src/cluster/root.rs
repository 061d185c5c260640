//! The folder of a cluster: where its nodes are, and the kubeconfig.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Says that a folder is a cluster's, and is locked while the cluster runs.
const MARK: &str = ".crosswatch-cluster";

/// A folder that no other cluster uses.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    _lock: File,
    /// Removed at the end.
    _temporary: Option<tempfile::TempDir>,
}

impl Root {
    /// The folder at `path`, or a temporary one. What pods of an earlier cluster left there is
    /// removed; what their claims hold stays.
    ///
    /// # Errors
    /// When it holds anything but a cluster's files, when another cluster uses it, or when it
    /// cannot be written.
    pub(super) fn take(path: Option<&Path>) -> io::Result<Root> {
        let (path, temporary) = match path {
            Some(path) => {
                fs::create_dir_all(path)?;
                // Paths below it are given to processes that run elsewhere.
                (fs::canonicalize(path)?, None)
            }
            None => {
                let temporary = tempfile::Builder::new().prefix("crosswatch-").tempdir()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let mark = path.join(MARK);
        let is_empty = fs::read_dir(&path)?.next().is_none();
        if !is_empty && !mark.exists() {
            let message = "it holds other files: choose an empty folder, or a new one";
            return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, message));
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(mark)?;
        if lock.try_lock().is_err() {
            let message = "another cluster runs in it";
            return Err(io::Error::new(io::ErrorKind::WouldBlock, message));
        }
        match fs::remove_dir_all(path.join("nodes")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Root {
            path,
            _lock: lock,
            _temporary: temporary,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file that only its owner may read.
    pub(super) fn write_secret(&self, name: &str, text: &str) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(self.path.join(name))?;
        file.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_other_files_or_of_another_cluster_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("cluster");
        let first = Root::take(Some(&own)).unwrap();
        fs::create_dir_all(own.join("nodes/n1/var/log")).unwrap();
        fs::create_dir_all(own.join("volumes/data")).unwrap();
        let refused = |path: &Path| Root::take(Some(path)).unwrap_err().to_string();
        assert_eq!(refused(&own), "another cluster runs in it");
        drop(first);
        let _again = Root::take(Some(&own)).unwrap();
        assert!(!own.join("nodes").exists() && own.join("volumes/data").exists());
        let other = folder.path().join("other");
        fs::create_dir_all(other.join("precious")).unwrap();
        assert!(refused(&other).starts_with("it holds other files"));
    }
}
