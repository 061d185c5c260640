//! The few things about files that both the log and the index need.

use std::fs::File;
use std::io;
use std::path::Path;

/// Makes created, renamed and deleted names in `dir` durable.
pub(crate) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// An advisory lock that lasts as long as the file stays open; `None` when another process has it.
pub(crate) fn lock_directory(dir: &Path) -> io::Result<Option<File>> {
    let file = File::create(dir.join("lock"))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Replaces `path` by `bytes` so that a crash leaves the old or the new, whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    std::fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Full device, exhausted quota, or a limit on file sizes.
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// The same of an error that was already made into text, by the number that Rust puts there.
pub(crate) fn is_disk_full_text(text: &str) -> bool {
    use rustix::io::Errno;
    [Errno::NOSPC, Errno::DQUOT, Errno::FBIG]
        .iter()
        .any(|number| text.contains(&format!("(os error {})", number.raw_os_error())))
}
