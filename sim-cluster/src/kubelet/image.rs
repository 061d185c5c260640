//! Which local program stands for which image.
//!
//! Nothing is pulled. A container's `command` and `args` mean what they mean on a real node; only
//! the program that an image would bring comes from here.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A program with its leading arguments: the entry point of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<String>,
}

/// Images by name. A name may be written with its registry and with its tag; what is left out fits
/// everything.
#[derive(Clone, Debug, Default)]
pub struct Images {
    programs: BTreeMap<String, Program>,
}

/// Why a mapping cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{written}` maps no image: write NAME=COMMAND, as in `busybox=/bin/sh`")]
pub struct UnreadableMapping {
    written: String,
}

impl Images {
    /// With one image more. `image` is `crosswatch`, `ghcr.io/someone/crosswatch` or either with
    /// `:tag`; a name without a slash fits that repository in every registry.
    #[must_use]
    pub fn with(
        mut self,
        image: &str,
        path: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<String>>,
    ) -> Images {
        let program = Program {
            path: path.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
        };
        self.programs.insert(image.to_owned(), program);
        self
    }

    /// From `NAME=COMMAND`, the command split at white space.
    pub fn with_written(self, written: &str) -> Result<Images, UnreadableMapping> {
        let unreadable = || UnreadableMapping {
            written: written.to_owned(),
        };
        let (image, command) = written.split_once('=').ok_or_else(unreadable)?;
        let mut words = command.split_whitespace();
        let path = words.next().ok_or_else(unreadable)?;
        if image.trim().is_empty() {
            return Err(unreadable());
        }
        Ok(self.with(image.trim(), path, words))
    }

    /// The program of an image; the most exact name wins.
    pub fn resolve(&self, image: &str) -> Option<&Program> {
        let image = image.split_once('@').map_or(image, |(name, _digest)| name);
        let repository = without_tag(image);
        let short = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
        [
            image.to_owned(),
            short(image),
            repository.to_owned(),
            short(repository),
        ]
        .iter()
        .find_map(|name| self.programs.get(name))
    }
}

/// `ghcr.io:443/a/b:1` without `:1`.
fn without_tag(image: &str) -> &str {
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    }
}

/// What to run for a container: its `command` replaces the image's entry point. A command that
/// names the image's own program (`/crosswatch`, `/usr/local/bin/crosswatch`) means the program
/// that stands for it here, for that path exists in the image only.
pub(super) fn command_line(
    image: &str,
    program: &Program,
    command: &[String],
    args: &[String],
) -> (PathBuf, Vec<String>) {
    let Some((first, rest)) = command.split_first() else {
        let arguments = program.arguments.iter().chain(args).cloned().collect();
        return (program.path.clone(), arguments);
    };
    let named = Path::new(first).file_name();
    let image = image.split_once('@').map_or(image, |(name, _digest)| name);
    let repository = Path::new(without_tag(image)).file_name();
    let is_own = named.is_some() && (named == program.path.file_name() || named == repository);
    if is_own {
        let arguments = program.arguments.iter().chain(rest).chain(args);
        (program.path.clone(), arguments.cloned().collect())
    } else {
        (
            PathBuf::from(first),
            rest.iter().chain(args).cloned().collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(written: &str) -> Vec<String> {
        written.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_most_exact_name_of_an_image_wins() {
        let images = Images::default()
            .with("crosswatch", "/any", words(""))
            .with("crosswatch:2", "/two", words(""))
            .with("ghcr.io/someone/crosswatch:2", "/exact", words(""));
        let path = |image: &str| images.resolve(image).map(|program| program.path.clone());
        assert_eq!(path("crosswatch"), Some("/any".into()));
        assert_eq!(path("localhost:5000/crosswatch:1"), Some("/any".into()));
        assert_eq!(path("localhost:5000/crosswatch:2"), Some("/two".into()));
        assert_eq!(path("ghcr.io/someone/crosswatch:2"), Some("/exact".into()));
        assert_eq!(
            path("crosswatch:2@sha256:0123456789abcdef"),
            Some("/two".into())
        );
        assert_eq!(path("crosswatch-extra:2"), None);
    }

    #[test]
    fn mappings_are_written_as_name_and_command() {
        let images = Images::default().with_written("web=/bin/sh -c true");
        let program = images.unwrap().resolve("web:1").cloned().unwrap();
        assert_eq!(program.path, PathBuf::from("/bin/sh"));
        assert_eq!(program.arguments, words("-c true"));
        for bad in ["web", "web=", "=/bin/sh"] {
            let error = Images::default().with_written(bad).unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
    }

    #[test]
    fn a_command_replaces_the_entry_point_and_args_only_follow_it() {
        let program = Program {
            path: "/opt/bin/crosswatch-debug".into(),
            arguments: words("--quiet"),
        };
        let line = |command: &str, args: &str| {
            let (path, arguments) =
                command_line("x/crosswatch:1", &program, &words(command), &words(args));
            format!("{} {}", path.display(), arguments.join(" "))
        };
        assert_eq!(line("", "agent"), "/opt/bin/crosswatch-debug --quiet agent");
        assert_eq!(
            line("/crosswatch agent", "--v"),
            "/opt/bin/crosswatch-debug --quiet agent --v"
        );
        assert_eq!(line("/bin/sh -c", "true"), "/bin/sh -c true");
    }
}
