//! Notifications that something happened in a folder, by Linux' inotify.
//!
//! They make the first line of a new pod arrive in milliseconds and thousands of idle files cost
//! nothing; they may be lost, so that [`super::Follower::scan`] runs now and then regardless. Where
//! the system has no more watches to give, the follower looks at files itself.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

const BUFFER_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub struct Wake {
    notifications: AsyncFd<OwnedFd>,
    folders: HashMap<i32, PathBuf>,
    watches: BTreeMap<PathBuf, i32>,
    /// The system has no more watches.
    exhausted: bool,
}

/// What has happened since the last look.
#[derive(Debug, Default)]
pub struct Happened {
    /// Folders, and whether names in them changed or only contents.
    pub folders: BTreeMap<PathBuf, bool>,
    /// Notifications were lost.
    pub overflow: bool,
}

impl Wake {
    /// # Errors
    ///
    /// When the system gives no notifications: too many programs use them already.
    #[expect(
        deprecated,
        reason = "its successor is unsafe, for types that may close their descriptor; an `OwnedFd` \
                  does not while it is owned"
    )]
    pub fn open() -> io::Result<Wake> {
        let notifications = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Wake {
            notifications: AsyncFd::new(notifications)?,
            folders: HashMap::new(),
            watches: BTreeMap::new(),
            exhausted: false,
        })
    }

    /// Watches exactly these folders. `true` when some are new: what happened in them before is not
    /// told, so that they must be looked at again.
    pub fn watch(&mut self, folders: &[PathBuf]) -> bool {
        let wanted: std::collections::BTreeSet<&Path> =
            folders.iter().map(PathBuf::as_path).collect();
        let unwanted = self.watches.iter();
        let unwanted: Vec<(PathBuf, i32)> = unwanted
            .filter(|(folder, _)| !wanted.contains(folder.as_path()))
            .map(|(folder, watch)| (folder.clone(), *watch))
            .collect();
        for (folder, watch) in unwanted {
            self.watches.remove(&folder);
            self.folders.remove(&watch);
            // The system has removed it already when the folder is gone.
            _ = inotify::remove_watch(&self.notifications, watch);
        }
        let mut new = false;
        self.exhausted = false;
        for folder in wanted {
            if self.watches.contains_key(folder) {
                continue;
            }
            let what = WatchFlags::MODIFY
                | WatchFlags::CREATE
                | WatchFlags::DELETE
                | WatchFlags::MOVE
                | WatchFlags::ONLYDIR;
            match inotify::add_watch(&self.notifications, folder, what) {
                Ok(watch) => {
                    self.folders.insert(watch, folder.to_owned());
                    self.watches.insert(folder.to_owned(), watch);
                    new = true;
                }
                Err(Errno::NOSPC | Errno::NOMEM) => self.exhausted = true,
                // Gone again.
                Err(_) => {}
            }
        }
        new
    }

    /// Whether some folders are not watched although they should be.
    pub fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    /// Waits for something to happen.
    ///
    /// # Errors
    ///
    /// When the notifications can no longer be waited for.
    pub async fn wait(&self) -> io::Result<()> {
        // Readiness stays until `drain` has read everything.
        self.notifications.readable().await.map(drop)
    }

    /// Takes all notifications there are.
    pub fn drain(&mut self) -> Happened {
        let mut happened = Happened::default();
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
        let mut forgotten = Vec::new();
        let folders = &self.folders;
        loop {
            let read = self
                .notifications
                .try_io(tokio::io::Interest::READABLE, |fd| {
                    let mut reader = inotify::Reader::new(fd, &mut buffer);
                    loop {
                        let event = reader.next().map_err(io::Error::from)?;
                        let what = event.events();
                        if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                            happened.overflow = true;
                        }
                        if what.contains(ReadFlags::IGNORED) {
                            forgotten.push(event.wd());
                        }
                        if let Some(folder) = folders.get(&event.wd()) {
                            let names = !what.difference(ReadFlags::MODIFY).is_empty();
                            note(&mut happened, folder, names, event.file_name());
                        }
                        if reader.is_buffer_empty() {
                            return Ok(());
                        }
                    }
                });
            if read.is_err() {
                break;
            }
        }
        for watch in forgotten {
            if let Some(folder) = self.folders.remove(&watch) {
                self.watches.remove(&folder);
            }
        }
        happened
    }
}

fn note(happened: &mut Happened, folder: &Path, names: bool, name: Option<&std::ffi::CStr>) {
    // The kubelet writes compressed copies beside the logs.
    let name = name.map(|name| OsStr::from_bytes(name.to_bytes()));
    let of_no_interest = |name: &OsStr| {
        let bytes = name.as_bytes();
        bytes.ends_with(b".gz") || bytes.ends_with(b".tmp")
    };
    if name.is_some_and(of_no_interest) {
        return;
    }
    match happened.folders.get_mut(folder) {
        Some(known) => *known |= names,
        None => _ = happened.folders.insert(folder.to_owned(), names),
    }
}
