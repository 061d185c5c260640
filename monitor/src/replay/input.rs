//! What was asked to be replayed, as a list of files: folders are walked, archives unpacked.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::TempDir;

/// Files to read, in a fixed order, and whatever must live as long as they are read.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) files: Vec<PathBuf>,
    /// Files of a folder that holds a recording and that are no part of it.
    pub(super) passed_over: Vec<String>,
    /// The folders that were named (or unpacked), for adapters that know a layout.
    pub(super) roots: Vec<PathBuf>,
    /// Unpacked archives; removed when dropped.
    _unpacked: Vec<TempDir>,
}

/// Resolves `paths`. Archives (`.tar`, `.tar.zst`, `.tar.gz`) are unpacked into a temporary folder
/// under `scratch`, one entry at a time; entries that point outside of it are refused.
pub(super) fn open(paths: &[PathBuf], scratch: &Path) -> anyhow::Result<Input> {
    let mut input = Input {
        files: Vec::new(),
        passed_over: Vec::new(),
        roots: Vec::new(),
        _unpacked: Vec::new(),
    };
    for path in paths {
        let metadata =
            fs::metadata(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        if metadata.is_dir() {
            input.roots.push(path.clone());
            input.add_folder(path)?;
        } else if is_archive(path) {
            fs::create_dir_all(scratch)
                .with_context(|| format!("cannot create `{}`", scratch.display()))?;
            let folder = TempDir::with_prefix_in("unpacked-", scratch)
                .with_context(|| format!("cannot create a folder in `{}`", scratch.display()))?;
            unpack(path, folder.path())
                .with_context(|| format!("cannot unpack `{}`", path.display()))?;
            input.roots.push(folder.path().to_owned());
            input.add_folder(folder.path())?;
            input._unpacked.push(folder);
        } else {
            input.files.push(path.clone());
        }
    }
    if input.files.is_empty() {
        bail!("nothing to replay: there are no files in what was named");
    }
    Ok(input)
}

impl Input {
    /// Where a collector's files are, what else is there (the truth about injected faults, notes) is
    /// no log, unless its name says so.
    fn add_folder(&mut self, folder: &Path) -> anyhow::Result<()> {
        let mut files = Vec::new();
        walk(folder, &mut files)?;
        let mut exported = Vec::new();
        for path in &files {
            exported.push(super::otlp::is_export(path)?);
        }
        let recording = exported.contains(&true);
        for (path, exported) in files.into_iter().zip(exported) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !recording || exported || name.contains(".log") {
                self.files.push(path);
            } else {
                self.passed_over.push(name.into_owned());
            }
        }
        Ok(())
    }
}

/// Reads a file, decompressing `.gz` and `.zst` on the way.
pub(super) fn reader(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
    let buffered = BufReader::with_capacity(1 << 18, file);
    Ok(
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(buffered)),
            Some("zst") => Box::new(
                zstd::stream::read::Decoder::with_buffer(buffered)
                    .with_context(|| format!("cannot decompress `{}`", path.display()))?,
            ),
            _ => Box::new(buffered),
        },
    )
}

fn is_archive(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    [".tar", ".tar.zst", ".tar.gz", ".tgz"]
        .iter()
        .any(|suffix| name.ends_with(suffix))
}

fn unpack(path: &Path, folder: &Path) -> anyhow::Result<()> {
    let source: Box<dyn Read> = if path.extension().is_some_and(|extension| extension == "tgz") {
        Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(
            File::open(path)?,
        )))
    } else {
        reader(path)?
    };
    let mut archive = tar::Archive::new(source);
    archive.set_preserve_permissions(false);
    archive.set_preserve_mtime(true);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        // Links and devices have no place in recorded data, and could lead outside.
        if kind.is_file() || kind.is_dir() {
            entry.unpack_in(folder)?;
        }
    }
    Ok(())
}

/// All regular files below `folder`, by path; hidden ones and links are passed over.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("cannot list the folder `{}`", folder.display()))?;
    let mut entries: Vec<_> = entries.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type()?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if kind.is_dir() {
            walk(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}
