//! The files of a recording, a bounded number of them open at a time.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::super::super::{Export, Identity};
use super::FolderError;

/// Log files that are open at a time; the one that was not written to for longest is closed.
const OPEN: usize = 64;
const FLUSH: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    /// Of logs, traces and metrics.
    requests: [BufWriter<File>; 3],
    /// By path, with the number of the write that used it last.
    open: BTreeMap<PathBuf, (u64, BufWriter<File>)>,
    writes: u64,
    flushed: Option<Instant>,
    lost: u64,
    first_error: Option<String>,
}

impl Files {
    pub(super) fn create(root: &Path) -> io::Result<Files> {
        let create = |name| File::create(root.join("otlp").join(name)).map(BufWriter::new);
        Ok(Files {
            root: root.to_owned(),
            requests: [
                create("logs.jsonl")?,
                create("traces.jsonl")?,
                create("metrics.jsonl")?,
            ],
            open: BTreeMap::new(),
            writes: 0,
            flushed: None,
            lost: 0,
            first_error: None,
        })
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    pub(super) fn write(&mut self, exports: &[Export], requests: [serde_json::Result<String>; 3]) {
        let sizes: [fn(&Export) -> usize; 3] = [
            |export| export.lines.len(),
            |export| export.spans.len(),
            |export| export.gauges.len(),
        ];
        for (at, (request, size)) in requests.into_iter().zip(sizes).enumerate() {
            let items = exports.iter().map(size).sum();
            if items > 0 {
                let written = request
                    .map_err(io::Error::from)
                    .and_then(|json| writeln!(self.requests[at], "{json}"));
                self.note(written, items);
            }
        }
        for export in exports.iter().filter(|export| !export.lines.is_empty()) {
            let written = self.write_lines(export);
            self.note(written, export.lines.len());
        }
        let now = Instant::now();
        if now - *self.flushed.get_or_insert(now) >= FLUSH {
            self.flushed = Some(now);
            let flushed = self.flush();
            self.note(flushed, 0);
        }
    }

    pub(super) fn finish(&mut self) -> Result<(), FolderError> {
        self.flush()?;
        match &self.first_error {
            None => Ok(()),
            Some(first) => Err(FolderError::Lost {
                lost: self.lost,
                first: first.clone(),
            }),
        }
    }

    fn write_lines(&mut self, export: &Export) -> io::Result<()> {
        let path = self.path(&export.identity);
        self.writes += 1;
        if !self.open.contains_key(&path) {
            self.make_room()?;
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let file = OpenOptions::new().create(true).append(true).open(&path)?;
            self.open.insert(path.clone(), (0, BufWriter::new(file)));
        }
        if let Some((used, file)) = self.open.get_mut(&path) {
            *used = self.writes;
            for line in &export.lines {
                file.write_all(line.text.as_bytes())?;
                file.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    fn make_room(&mut self) -> io::Result<()> {
        if self.open.len() < OPEN {
            return Ok(());
        }
        let oldest = self
            .open
            .iter()
            .min_by_key(|(_, (used, _))| *used)
            .map(|(path, _)| path.clone());
        match oldest.and_then(|path| self.open.remove(&path)) {
            Some((_, mut file)) => file.flush(),
            None => Ok(()),
        }
    }

    fn path(&self, identity: &Identity) -> PathBuf {
        self.root
            .join("logs")
            .join(safe(&identity.environment))
            .join(safe(&identity.service))
            .join(safe(&identity.instance) + ".log")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.requests.iter_mut().try_for_each(Write::flush)?;
        self.open
            .values_mut()
            .try_for_each(|(_, file)| file.flush())
    }

    fn note(&mut self, written: io::Result<()>, items: usize) {
        if let Err(error) = written {
            self.lost += items as u64;
            self.first_error.get_or_insert_with(|| error.to_string());
        }
    }
}

/// As a file's name, whatever a topology calls its services.
fn safe(name: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name
        .chars()
        .map(|c| if good(c) { c } else { '_' })
        .collect();
    if name.trim_matches('.').is_empty() {
        format!("_{name}")
    } else {
        name
    }
}
