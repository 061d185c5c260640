//! Log files of containers in the layout of the CRI.
//!
//! `<pods>/<namespace>_<pod>_<uid>/<container>/<restart>.log`, one line each of
//! `2026-11-21T18:00:00.123456789Z stdout F text`; see `design-proposals-archive/node/
//! kubelet-cri-logging.md` of the Kubernetes community and containerd's `pkg/cri/io/logger.go`.

use std::{
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use tokio::sync::watch;

/// Longer lines are written in parts: containerd's `max_container_log_line_size`.
const MAX_LINE_BYTES: usize = 16 * 1024;

/// Which stream of a container a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// When a log file is put aside, and how many files a container keeps.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// The kubelet's `containerLogMaxSize`.
    pub max_bytes: u64,
    /// The kubelet's `containerLogMaxFiles`, the current one included.
    pub max_files: usize,
}

/// As kubelets come.
impl Default for Rotation {
    fn default() -> Rotation {
        Rotation {
            max_bytes: 10 * 1024 * 1024,
            max_files: 5,
        }
    }
}

/// How far a log has come, for those who follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// In this file and those put aside.
    pub(super) bytes: u64,
    /// Nothing more will be written.
    pub(super) is_complete: bool,
}

/// The log of one run of a container.
#[derive(Debug)]
pub(super) struct LogWriter {
    path: PathBuf,
    file: File,
    bytes: u64,
    rotation: Rotation,
    progress: watch::Sender<Progress>,
    is_last: bool,
    /// Formatted lines on their way to the file.
    lines: Vec<u8>,
}

impl LogWriter {
    /// Begins `<folder>/<restart>.log`, or goes on with it.
    pub(super) fn open(
        folder: &Path,
        restart: u64,
        rotation: Rotation,
        progress: watch::Sender<Progress>,
    ) -> io::Result<LogWriter> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!("{restart}.log"));
        let file = append(&path)?;
        Ok(LogWriter {
            bytes: file.metadata()?.len(),
            file,
            path,
            rotation,
            progress,
            is_last: false,
            lines: Vec::new(),
        })
    }

    /// Whoever follows the log learns that it is complete when this writer is dropped.
    #[must_use]
    pub(super) fn completing(mut self) -> LogWriter {
        self.is_last = true;
        self
    }

    /// Writes one line, without its end; a part of a longer line when it is not `whole`.
    pub(super) fn line(&mut self, now: Timestamp, stream: Stream, text: &[u8], is_whole: bool) {
        let mut head = String::with_capacity(48);
        let flag = if is_whole { 'F' } else { 'P' };
        write!(head, "{now:.9} {} {flag} ", stream.name()).expect("a String takes everything");
        self.lines.extend_from_slice(head.as_bytes());
        self.lines.extend_from_slice(text);
        self.lines.push(b'\n');
    }

    /// Brings the lines written so far to the file, and puts a file aside that has become too long.
    pub(super) fn flush(&mut self, now: Timestamp) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.lines);
        let bytes = self.lines.len() as u64;
        self.lines.clear();
        written?;
        self.bytes += bytes;
        if self.bytes >= self.rotation.max_bytes {
            self.rotate(now)?;
        }
        self.progress
            .send_modify(|progress| progress.bytes += bytes);
        Ok(())
    }

    /// The kubelet names a file that is put aside by the second. When that name is taken, the file
    /// grows on until the next one.
    fn rotate(&mut self, now: Timestamp) -> io::Result<()> {
        let aside = format!("{}.{}", self.path.display(), now.strftime("%Y%m%d-%H%M%S"));
        if Path::new(&aside).exists() {
            return Ok(());
        }
        std::fs::rename(&self.path, &aside)?;
        self.file = append(&self.path)?;
        self.bytes = 0;
        let aside = set_aside(&self.path)?;
        let keep = self.rotation.max_files.saturating_sub(1);
        for path in aside.iter().take(aside.len().saturating_sub(keep)) {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        if self.is_last {
            self.progress
                .send_modify(|progress| progress.is_complete = true);
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// The files of a log that were put aside, oldest first.
pub(super) fn set_aside(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(Vec::new());
    };
    let prefix = format!("{}.", name.to_string_lossy());
    let mut aside = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            aside.push(entry.path());
        }
    }
    aside.sort();
    Ok(aside)
}

/// Removes the log of one run.
pub(super) fn remove(folder: &Path, restart: u64) -> io::Result<()> {
    let path = folder.join(format!("{restart}.log"));
    for path in set_aside(&path)?.into_iter().chain([path]) {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// The folder of a pod's logs.
pub(super) fn pod_folder(pods: &Path, namespace: &str, pod: &str, uid: &str) -> PathBuf {
    pods.join(format!("{namespace}_{pod}_{uid}"))
}

/// Cuts what a container writes into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Of a line whose end has not come.
    begun: Vec<u8>,
}

impl Lines {
    /// Gives each line to `line`, with whether it is whole.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8], bool)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..end], &mut line);
            line(&self.begun, true);
            self.begun.clear();
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes, &mut line);
    }

    fn extend(&mut self, mut bytes: &[u8], line: &mut impl FnMut(&[u8], bool)) {
        while self.begun.len() + bytes.len() > MAX_LINE_BYTES {
            let (part, rest) = bytes.split_at(MAX_LINE_BYTES - self.begun.len());
            self.begun.extend_from_slice(part);
            line(&self.begun, false);
            self.begun.clear();
            bytes = rest;
        }
        self.begun.extend_from_slice(bytes);
    }

    /// The last line, when it had no end.
    pub(super) fn finish(&mut self, mut line: impl FnMut(&[u8], bool)) {
        if !self.begun.is_empty() {
            line(&self.begun, true);
            self.begun.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::new(1_795_284_000 + second, 120_000_000).unwrap()
    }

    #[test]
    fn lines_carry_time_stream_and_flag() {
        let folder = tempfile::tempdir().unwrap();
        let sender = watch::Sender::default();
        let progress = sender.subscribe();
        let mut writer = LogWriter::open(folder.path(), 0, Rotation::default(), sender)
            .unwrap()
            .completing();
        writer.line(at(0), Stream::Stdout, b"hello", true);
        writer.line(at(1), Stream::Stderr, b"half", false);
        writer.flush(at(1)).unwrap();
        let written = std::fs::read_to_string(folder.path().join("0.log")).unwrap();
        expect![[r#"
            2026-11-21T18:00:00.120000000Z stdout F hello
            2026-11-21T18:00:01.120000000Z stderr P half
        "#]]
        .assert_eq(&written);
        assert_eq!(progress.borrow().bytes, written.len() as u64);
        drop(writer);
        assert!(progress.borrow().is_complete);
    }

    #[test]
    fn a_long_log_is_put_aside_and_the_oldest_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let rotation = Rotation {
            max_bytes: 60,
            max_files: 3,
        };
        let mut writer =
            LogWriter::open(folder.path(), 2, rotation, watch::Sender::default()).unwrap();
        for second in 0..8 {
            writer.line(
                at(second / 2),
                Stream::Stdout,
                &[b'0' + second as u8; 20],
                true,
            );
            writer.flush(at(second / 2)).unwrap();
        }
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        expect![[r#"
            [
                "2.log",
                "2.log.20261121-180002",
                "2.log.20261121-180003",
            ]
        "#]]
        .assert_debug_eq(&names);
        let aside = set_aside(&folder.path().join("2.log")).unwrap();
        assert_eq!(aside.len(), 2);
    }

    proptest::proptest! {
        /// However the bytes arrive, the lines are the same, and joined they are what was written.
        #[test]
        fn lines_do_not_depend_on_how_their_bytes_arrive(
            lengths in proptest::collection::vec(0..40_000_usize, 1..4),
            chunk in 1..20_000_usize,
        ) {
            let text: Vec<u8> = lengths
                .iter()
                .flat_map(|length| std::iter::repeat_n(b'x', *length).chain([b'\n']))
                .chain(*b"end")
                .collect();
            let mut lines = Lines::default();
            let mut got = Vec::new();
            let mut longest = 0;
            let mut take = |line: &[u8], is_whole: bool| {
                longest = longest.max(line.len());
                got.extend_from_slice(line);
                if is_whole {
                    got.push(b'\n');
                }
            };
            for part in text.chunks(chunk) {
                lines.push(part, &mut take);
            }
            lines.finish(&mut take);
            let mut expected = text;
            expected.push(b'\n');
            proptest::prop_assert_eq!(got, expected);
            proptest::prop_assert!(longest <= MAX_LINE_BYTES);
        }
    }
}
