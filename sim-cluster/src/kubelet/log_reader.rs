//! Reads the log of one run of a container, as `pods/log` gives it.
//!
//! Files that were put aside come first. A follower learns from the writer when there is more, and
//! finds its way over rotations by the files' inodes.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    cri::{Progress, set_aside},
    log_book::Run,
};

/// Read from a file at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// What of a log is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wanted {
    pub(super) follow: bool,
    pub(super) timestamps: bool,
    pub(super) since: Option<Timestamp>,
    /// Lines from the end.
    pub(super) tail: Option<usize>,
    pub(super) limit_bytes: Option<u64>,
}

/// A log that is being read.
#[derive(Debug)]
pub(super) struct LogReader {
    path: PathBuf,
    file: Option<File>,
    /// Of a line whose end was not read yet.
    begun: Vec<u8>,
    shown: Shown,
    /// Read already, not given yet.
    ready: VecDeque<Bytes>,
    progress: watch::Receiver<Progress>,
    follow: bool,
    is_over: bool,
}

impl LogReader {
    /// The log of `restart`, which is `run` or an earlier one.
    pub(super) fn open(run: &Run, restart: u64, wanted: &Wanted) -> io::Result<LogReader> {
        let path = run.folder.join(format!("{restart}.log"));
        let progress = run.progress.subscribe();
        let mut reader = LogReader {
            file: files(&path)?.into_iter().next(),
            path,
            begun: Vec::new(),
            shown: Shown::new(wanted),
            ready: VecDeque::new(),
            progress,
            follow: wanted.follow && restart == run.restart,
            is_over: false,
        };
        if let Some(tail) = wanted.tail {
            let mut last = VecDeque::new();
            loop {
                let lines = reader.read_lines()?;
                if lines.is_empty() {
                    break;
                }
                last.extend(lines);
                last.drain(..last.len().saturating_sub(tail));
            }
            let lines: Vec<Vec<u8>> = last.into();
            reader.show(&lines);
        }
        Ok(reader)
    }

    /// More of the log; none at its end.
    pub(super) async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Some(Ok(bytes));
            }
            if self.is_over || self.shown.is_full() {
                return None;
            }
            // Looked at before the file: what is written in between shows as a change.
            let progress = *self.progress.borrow_and_update();
            match self.read_lines() {
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
                Ok(lines) if !lines.is_empty() => self.show(&lines),
                Ok(_) if self.follow && !progress.is_complete => {
                    if self.progress.changed().await.is_err() {
                        self.is_over = true;
                    }
                }
                Ok(_) => self.is_over = true,
            }
        }
    }

    fn show(&mut self, lines: &[Vec<u8>]) {
        let mut shown = Vec::new();
        for line in lines {
            self.shown.append(line, &mut shown);
        }
        if !shown.is_empty() {
            self.ready.push_back(shown.into());
        }
    }

    /// Whole lines of the files; none when there is no more for now.
    fn read_lines(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = self.read(&mut chunk)?;
            if length == 0 {
                return Ok(Vec::new());
            }
            self.begun.extend_from_slice(&chunk[..length]);
            let Some(end) = self.begun.iter().rposition(|byte| *byte == b'\n') else {
                continue;
            };
            let rest = self.begun.split_off(end + 1);
            let whole = std::mem::replace(&mut self.begun, rest);
            let lines = whole.split(|byte| *byte == b'\n');
            return Ok(lines
                .filter(|line| !line.is_empty())
                .map(<[u8]>::to_vec)
                .collect());
        }
    }

    fn read(&mut self, chunk: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(file) = &mut self.file else {
                self.file = files(&self.path)?.into_iter().next();
                if self.file.is_none() {
                    return Ok(0);
                }
                continue;
            };
            let length = file.read(chunk)?;
            if length > 0 {
                return Ok(length);
            }
            let own = file.metadata()?.ino();
            let is_current =
                std::fs::metadata(&self.path).is_ok_and(|current| current.ino() == own);
            if is_current {
                return Ok(0);
            }
            // It was put aside after the last look: nothing is written to it any more, but there
            // may be what was written just before.
            let length = file.read(chunk)?;
            if length > 0 {
                return Ok(length);
            }
            let mut later = Vec::new();
            let mut is_passed = false;
            for file in files(&self.path)? {
                let is_own = file.metadata()?.ino() == own;
                if is_passed {
                    later.push(file);
                } else if is_own {
                    is_passed = true;
                }
            }
            // Not there at all: it was removed as the oldest, and reading goes on with what is left.
            let next = if is_passed {
                later.into_iter().next()
            } else {
                files(&self.path)?.into_iter().next()
            };
            match next {
                Some(next) => self.file = Some(next),
                None => return Ok(0),
            }
        }
    }
}

/// The files of a log that can be opened, oldest first.
fn files(path: &Path) -> io::Result<Vec<File>> {
    let mut paths = match set_aside(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        aside => aside?,
    };
    paths.push(path.to_owned());
    let mut files = Vec::new();
    for path in paths {
        match File::open(path) {
            Ok(file) => files.push(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// Turns lines of the file into what is shown.
#[derive(Debug)]
struct Shown {
    timestamps: bool,
    since: Option<Timestamp>,
    bytes_left: Option<u64>,
    /// The last record was whole, so that the next begins a line.
    begins_line: bool,
}

impl Shown {
    fn new(wanted: &Wanted) -> Shown {
        Shown {
            timestamps: wanted.timestamps,
            since: wanted.since,
            bytes_left: wanted.limit_bytes,
            begins_line: true,
        }
    }

    fn is_full(&self) -> bool {
        self.bytes_left == Some(0)
    }

    fn append(&mut self, line: &[u8], shown: &mut Vec<u8>) {
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let (Some(time), Some(_stream), Some(flag), Some(text)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return;
        };
        if let Some(since) = self.since {
            let written = std::str::from_utf8(time)
                .ok()
                .and_then(|time| time.parse().ok());
            if written.is_none_or(|written: Timestamp| written < since) {
                return;
            }
        }
        let before = shown.len();
        if self.timestamps && self.begins_line {
            shown.extend_from_slice(time);
            shown.push(b' ');
        }
        shown.extend_from_slice(text);
        self.begins_line = flag == b"F";
        if self.begins_line {
            shown.push(b'\n');
        }
        if let Some(left) = &mut self.bytes_left {
            let added = (shown.len() - before) as u64;
            let kept = added.min(*left);
            *left -= kept;
            shown.truncate(before + usize::try_from(kept).unwrap_or(usize::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{
        super::cri::{LogWriter, Rotation, Stream},
        *,
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_284_000 + second).unwrap()
    }

    struct Log {
        _folder: tempfile::TempDir,
        run: Run,
        writer: Option<LogWriter>,
    }

    impl Log {
        fn new(max_bytes: u64) -> Log {
            let folder = tempfile::tempdir().unwrap();
            let run = Run {
                folder: folder.path().to_owned(),
                restart: 0,
                progress: watch::Sender::default(),
            };
            let rotation = Rotation {
                max_bytes,
                max_files: 3,
            };
            let writer = LogWriter::open(&run.folder, 0, rotation, run.progress.clone()).unwrap();
            Log {
                _folder: folder,
                run,
                writer: Some(writer.completing()),
            }
        }

        fn write(&mut self, second: i64, text: &str, is_whole: bool) {
            let writer = self.writer.as_mut().unwrap();
            writer.line(at(second), Stream::Stdout, text.as_bytes(), is_whole);
            writer.flush(at(second)).unwrap();
        }
    }

    async fn rest(reader: &mut LogReader) -> String {
        let mut read = Vec::new();
        while let Some(bytes) = reader.next().await {
            read.extend_from_slice(&bytes.unwrap());
        }
        String::from_utf8(read).unwrap()
    }

    async fn check(wanted: Wanted, expected: Expect) {
        let mut log = Log::new(1 << 20);
        log.write(0, "one", true);
        log.write(1, "half", false);
        log.write(2, " of two", true);
        log.write(3, "three", true);
        let mut reader = LogReader::open(&log.run, 0, &wanted).unwrap();
        expected.assert_eq(&rest(&mut reader).await);
    }

    #[tokio::test]
    async fn a_log_is_shown_as_wanted() {
        check(
            Wanted::default(),
            expect![[r#"
            one
            half of two
            three
        "#]],
        )
        .await;
        let wanted = Wanted {
            timestamps: true,
            tail: Some(1),
            ..Wanted::default()
        };
        check(
            wanted,
            expect![[r#"
            2026-11-21T18:00:03.000000000Z three
        "#]],
        )
        .await;
        let wanted = Wanted {
            since: Some(at(1)),
            ..Wanted::default()
        };
        check(
            wanted,
            expect![[r#"
            half of two
            three
        "#]],
        )
        .await;
        let wanted = Wanted {
            limit_bytes: Some(6),
            ..Wanted::default()
        };
        check(
            wanted,
            expect![[r#"
            one
            ha"#]],
        )
        .await;
        let wanted = Wanted {
            tail: Some(0),
            ..Wanted::default()
        };
        check(wanted, expect![""]).await;
    }

    #[tokio::test]
    async fn a_follower_sees_every_line_over_rotations_until_the_run_ends() {
        let mut log = Log::new(100);
        let wanted = Wanted {
            follow: true,
            ..Wanted::default()
        };
        let mut reader = LogReader::open(&log.run, 0, &wanted).unwrap();
        let mut read = String::new();
        let mut expected = String::new();
        for second in 0..12 {
            let text = format!("line {second} {}", "x".repeat(20));
            log.write(second, &text, true);
            expected += &format!("{text}\n");
            // It lags behind: two files may be put aside between two reads.
            if second % 4 == 3 {
                while read.len() < expected.len() {
                    let bytes = reader.next().await.unwrap().unwrap();
                    read += std::str::from_utf8(&bytes).unwrap();
                }
            }
        }
        log.writer.take();
        read += &rest(&mut reader).await;
        assert_eq!(read, expected);
    }
}
