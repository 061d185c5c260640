//! Patterns to files.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use globset::{GlobBuilder, GlobMatcher};

use super::positions::FileId;

/// Below a pattern with `**`.
const MAX_DEPTH: usize = 16;
/// A pattern such as `/**` should not keep us busy for ever.
const MAX_VISITED: usize = 50_000;
/// Rotated and packed: their content was read before, and is not text any more.
const PACKED: &[&str] = &["gz", "bz2", "xz", "zst", "zip", "lz4"];

#[derive(Debug)]
pub(super) struct Patterns {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    /// The folder above the first wildcard; the file itself when there is none.
    root: PathBuf,
    matcher: GlobMatcher,
    /// How many levels below the root can match.
    depth: usize,
}

/// A file that matches.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: FileId,
    pub(super) path: PathBuf,
}

impl Patterns {
    pub(super) fn new(patterns: &[String]) -> anyhow::Result<Patterns> {
        let patterns = patterns.iter().map(|pattern| Pattern::new(pattern));
        Ok(Patterns {
            patterns: patterns.collect::<anyhow::Result<_>>()?,
        })
    }

    /// The files that match now, in the order of patterns and names.
    pub(super) fn find(&self) -> Vec<Found> {
        let mut found = Vec::new();
        for pattern in &self.patterns {
            let mut visited = 0;
            pattern.walk(&pattern.root, pattern.depth, &mut visited, &mut found);
        }
        found
    }
}

impl Pattern {
    fn new(pattern: &str) -> anyhow::Result<Pattern> {
        let absolute = if Path::new(pattern).is_absolute() {
            pattern.to_owned()
        } else {
            let here = std::env::current_dir().context("finding the current folder")?;
            let here = globset::escape(&here.to_string_lossy());
            format!("{here}/{}", pattern.trim_start_matches("./"))
        };
        let glob = GlobBuilder::new(&absolute)
            .literal_separator(true)
            .build()
            .with_context(|| format!("`{pattern}` is not a file name pattern"))?;
        let components: Vec<Component<'_>> = Path::new(&absolute).components().collect();
        let is_literal = |component: &Component<'_>| {
            let text = component.as_os_str().to_string_lossy();
            !text.contains(['*', '?', '[', '{', '\\'])
        };
        let literal = components.iter().take_while(|it| is_literal(it)).count();
        let rest = components.len() - literal;
        Ok(Pattern {
            root: components[..literal].iter().collect(),
            matcher: glob.compile_matcher(),
            // Alternatives in braces may have separators of their own.
            depth: if absolute.contains("**") || absolute.contains('{') {
                MAX_DEPTH
            } else {
                rest
            },
        })
    }

    fn walk(&self, path: &Path, depth: usize, visited: &mut usize, found: &mut Vec<Found>) {
        *visited += 1;
        if *visited > MAX_VISITED {
            return;
        }
        // Follows links: Kubernetes' names for containers are links.
        let Ok(metadata) = fs::metadata(path) else {
            return;
        };
        if metadata.is_file() {
            let packed = path
                .extension()
                .is_some_and(|it| PACKED.iter().any(|packed| it == *packed));
            if self.matcher.is_match(path) && !packed {
                found.push(Found {
                    id: FileId::of(&metadata),
                    path: path.to_owned(),
                });
            }
        } else if metadata.is_dir() && depth > 0 {
            let Ok(entries) = fs::read_dir(path) else {
                return;
            };
            let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            for path in paths {
                self.walk(&path, depth - 1, visited, found);
            }
        }
    }
}
