//! Lets no container outlive its cluster.
//!
//! A cluster that stops ends its containers itself. One that is killed cannot, so a small shell
//! waits beside it: it reads from a pipe which process groups there are, and kills those left when
//! the pipe ends, which it does however the cluster ends. It is in a process group of its own, so
//! a Ctrl-C at the terminal does not reach it.

use std::{
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// `+ GROUP` and `- GROUP`, a line each.
const WATCH: &str = r#"
trap '' INT TERM HUP
groups=' '
while read -r what group; do
  case $what in
    +) groups="$groups$group " ;;
    -)
      left=' '
      for known in $groups; do
        [ "$known" = "$group" ] || left="$left$known "
      done
      groups=$left
      ;;
  esac
done
for group in $groups; do
  kill -KILL "-$group" 2>/dev/null
done
"#;

/// The shell that waits. Dropping it kills what is left.
#[derive(Debug)]
pub(super) struct Guardian {
    /// Containers start and end in many tasks; each holds this for one short line.
    pipe: Mutex<Option<ChildStdin>>,
    shell: Mutex<Child>,
}

impl Guardian {
    pub(super) fn start() -> io::Result<Guardian> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", WATCH])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Guardian {
            pipe: Mutex::new(shell.stdin.take()),
            shell: Mutex::new(shell),
        })
    }

    /// A process group that must not outlive the cluster.
    pub(super) fn watch(&self, group: i32) -> io::Result<()> {
        self.say(&format!("+ {group}\n"))
    }

    /// A group that has ended: its number may be given to somebody else.
    pub(super) fn forget(&self, group: i32) -> io::Result<()> {
        self.say(&format!("- {group}\n"))
    }

    fn say(&self, line: &str) -> io::Result<()> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        match pipe.as_mut() {
            Some(pipe) => pipe.write_all(line.as_bytes()),
            None => Ok(()),
        }
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        self.pipe
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = shell.wait() {
            tracing::warn!(%error, "the shell that guards containers cannot be waited for");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn sleeper() -> Child {
        let mut command = Command::new("/bin/sleep");
        command.arg("1000").process_group(0).spawn().unwrap()
    }

    #[test]
    fn what_is_left_when_the_cluster_is_gone_is_killed() {
        let guardian = Guardian::start().unwrap();
        let (mut left, mut forgotten) = (sleeper(), sleeper());
        for child in [&left, &forgotten] {
            guardian.watch(child.id() as i32).unwrap();
        }
        guardian.forget(forgotten.id() as i32).unwrap();
        drop(guardian);
        assert_eq!(left.wait().unwrap().signal(), Some(9));
        assert_eq!(forgotten.try_wait().unwrap(), None);
        forgotten.kill().unwrap();
        forgotten.wait().unwrap();
    }
}
