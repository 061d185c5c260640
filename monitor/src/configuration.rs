//! Keeps what others want of this monitor: a file for each source in the data folder, written whole.
//!
//! What it means is decided in `monitor-serve` and `monitor-core`; here it is read back at a start,
//! kept safe, and given to those who act by it, each through a `watch` of the latest.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use futures::future::BoxFuture;
use monitor_core::Settings;
use monitor_serve::configuration::{self, Understood};
use monitor_serve::workloads::Revisions;
use monitor_serve::{Configurations, Kept, NotKept};
use tokio::sync::{Mutex, watch};

const FOLDER: &str = "configuration";
const ENDING: &str = "json";
/// Operators, scripts and people; each may want twenty thousand workloads.
const MOST_SOURCES: usize = 16;

#[derive(Debug)]
pub(crate) struct Keeper {
    folder: PathBuf,
    /// One change after another: the order on disk is the order in force.
    turn: Mutex<()>,
    kept: watch::Sender<Arc<Kept>>,
    settings: watch::Sender<Arc<Settings>>,
    revisions: watch::Sender<Arc<Revisions>>,
}

impl Keeper {
    /// Reads what was kept. A file that is damaged is set aside and told of: the others hold. Blocks.
    pub(crate) fn open(data: &Path) -> anyhow::Result<Keeper> {
        let folder = data.join(FOLDER);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("cannot create `{}`", folder.display()))?;
        let mut kept = Kept::new();
        let files =
            fs::read_dir(&folder).with_context(|| format!("cannot list `{}`", folder.display()))?;
        for file in files {
            let path = file?.path();
            let Some(source) = path.file_stem().and_then(|stem| stem.to_str()) else {
                continue;
            };
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            let read = fs::read(&path)
                .map_err(|error| error.to_string())
                .and_then(|bytes| Understood::read(&bytes));
            match read {
                Ok(understood) => {
                    kept.insert(source.to_owned(), Arc::new(understood));
                }
                Err(reason) => {
                    tracing::error!(
                        path = %path.display(), reason,
                        "a kept configuration cannot be read and is set aside; put it again"
                    );
                    fs::rename(&path, path.with_extension("damaged"))?;
                }
            }
        }
        let keeper = Keeper {
            folder,
            turn: Mutex::new(()),
            kept: watch::channel(Arc::default()).0,
            settings: watch::channel(Arc::default()).0,
            revisions: watch::channel(Arc::default()).0,
        };
        keeper.bring_into_force(kept);
        Ok(keeper)
    }

    pub(crate) fn settings(&self) -> watch::Receiver<Arc<Settings>> {
        self.settings.subscribe()
    }

    pub(crate) fn revisions(&self) -> watch::Receiver<Arc<Revisions>> {
        self.revisions.subscribe()
    }

    fn bring_into_force(&self, kept: Kept) {
        let settings = configuration::merge(kept.values().map(|kept| &**kept));
        let revisions = configuration::revisions(&kept);
        self.kept.send_replace(Arc::new(kept));
        self.settings.send_replace(Arc::new(settings));
        self.revisions.send_replace(Arc::new(revisions));
    }

    fn path(&self, source: &str) -> PathBuf {
        self.folder.join(format!("{source}.{ENDING}"))
    }
}

impl Configurations for Keeper {
    fn all(&self) -> Arc<Kept> {
        self.kept.borrow().clone()
    }

    fn put(&self, source: String, wish: Understood) -> BoxFuture<'_, Result<(), NotKept>> {
        Box::pin(async move {
            let _turn = self.turn.lock().await;
            let mut kept: Kept = BTreeMap::clone(&self.all());
            if kept.get(&source).is_some_and(|known| **known == wish) {
                return Ok(());
            }
            if !kept.contains_key(&source) && kept.len() >= MOST_SOURCES {
                return Err(NotKept::TooMany { most: MOST_SOURCES });
            }
            let (folder, path) = (self.folder.clone(), self.path(&source));
            let wish = Arc::new(wish);
            let written = Arc::clone(&wish);
            blocking(move || {
                let bytes = serde_json::to_vec(&written.wish)?;
                write(&folder, &path, &bytes)
            })
            .await?;
            kept.insert(source, wish);
            self.bring_into_force(kept);
            Ok(())
        })
    }

    fn forget(&self, source: String) -> BoxFuture<'_, Result<(), NotKept>> {
        Box::pin(async move {
            let _turn = self.turn.lock().await;
            let mut kept: Kept = BTreeMap::clone(&self.all());
            if kept.remove(&source).is_none() {
                return Ok(());
            }
            let (folder, path) = (self.folder.clone(), self.path(&source));
            blocking(move || {
                fs::remove_file(&path)?;
                File::open(&folder)?.sync_all()
            })
            .await?;
            self.bring_into_force(kept);
            Ok(())
        })
    }
}

/// Replaces the file whole; a crash leaves the old one or the new one. Nobody else may read it:
/// receivers' addresses and tokens are in it.
fn write(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    // Left over from a crash, it may have other rights.
    if let Err(error) = fs::remove_file(&temporary)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

async fn blocking(
    work: impl FnOnce() -> std::io::Result<()> + Send + 'static,
) -> Result<(), NotKept> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a configuration could not be kept"
            );
            Err(NotKept::Disk(format!(
                "the configuration could not be written: {error}"
            )))
        }
        Err(_) => Err(NotKept::Disk("writing it ended abnormally".to_owned())),
    }
}
