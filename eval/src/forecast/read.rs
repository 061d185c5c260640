//! Reads every `timestamp,value` file of a directory, or of a `.tar.zst`; others are passed over.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use super::Series;
use crate::nab::read::{ReadError, values};

/// A directory with all below it, a `.csv`, or a file that is taken as `.tar.zst`.
///
/// # Errors
///
/// What cannot be read, a line that is not a time and a number, and when no series is found.
pub fn read(path: &Path) -> Result<Vec<Series>, ReadError> {
    let failed = |source| ReadError::Io {
        path: path.to_path_buf(),
        source,
    };
    let mut found = Vec::new();
    let is_csv = |name: &str| Path::new(name).extension().is_some_and(|e| e == "csv");
    if path.is_dir() {
        walk(path, "", &mut found)?;
    } else if is_csv(&path.to_string_lossy()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        take(
            &name,
            &fs::read_to_string(path).map_err(failed)?,
            &mut found,
        )?;
    } else {
        let file = BufReader::new(File::open(path).map_err(failed)?);
        let mut archive = tar::Archive::new(zstd::Decoder::new(file).map_err(failed)?);
        for entry in archive.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let name = entry.path().map_err(failed)?.to_string_lossy().into_owned();
            if entry.header().entry_type().is_file() && is_csv(&name) {
                let mut text = String::new();
                entry.read_to_string(&mut text).map_err(failed)?;
                take(&name, &text, &mut found)?;
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    if found.is_empty() {
        return Err(ReadError::NoSeries {
            path: path.to_path_buf(),
        });
    }
    Ok(found)
}

fn walk(folder: &Path, below: &str, found: &mut Vec<Series>) -> Result<(), ReadError> {
    let failed = |source| ReadError::Io {
        path: folder.to_path_buf(),
        source,
    };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{below}{file}");
        if path.is_dir() {
            walk(&path, &format!("{name}/"), found)?;
        } else if path.extension().is_some_and(|e| e == "csv") {
            take(&name, &fs::read_to_string(&path).map_err(failed)?, found)?;
        }
    }
    Ok(())
}

/// A file with other columns, such as a detector's results, is no series.
fn take(name: &str, text: &str, found: &mut Vec<Series>) -> Result<(), ReadError> {
    let header = text.lines().next().unwrap_or_default();
    let columns: Vec<&str> = header.split(',').map(str::trim).collect();
    if columns != ["timestamp", "value"] {
        return Ok(());
    }
    let (secs, values) = values(name, text)?;
    found.push(Series {
        name: name.to_owned(),
        secs,
        values,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_below_and_other_tables_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("data/known");
        fs::create_dir_all(&below).unwrap();
        let rows = "timestamp,value\n2014-02-14 14:30:00,1.5\n2014-02-14 14:35:00,\n";
        fs::write(below.join("a.csv"), rows).unwrap();
        fs::write(folder.path().join("result.csv"), "timestamp,value,label\n").unwrap();
        let series = read(folder.path()).unwrap();
        assert_eq!(series.len(), 1);
        assert_eq!(series[0].name, "data/known/a.csv");
        assert_eq!(series[0].secs[1] - series[0].secs[0], 300.0);
        assert!(series[0].values[1].is_nan());
    }

    #[test]
    fn what_is_no_number_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("a.csv"),
            "timestamp,value\n2014-02-14 14:30:00,x\n",
        )
        .unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert_eq!(error, "`a.csv`, line 2: `x` is not a number");
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(
            read(empty.path()),
            Err(ReadError::NoSeries { .. })
        ));
    }
}
