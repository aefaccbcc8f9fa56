//! Runs the real binary the way a CI job would: in a directory, with an environment that holds nothing but what
//! the test gives. Knows nothing of days or models.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The binary under test: the one that cargo built, or the one that `PACE_BINARY` named when the tests were
/// compiled (the static build that ships).
pub(crate) const PACE: &str = match option_env!("PACE_BINARY") {
    Some(path) => path,
    None => env!("CARGO_BIN_EXE_pace"),
};

/// Far beyond any honest run: only a hanging binary gets there.
const PATIENCE: Duration = Duration::from_secs(600);

/// A run to be.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    program: PathBuf,
    dir: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

/// What a finished run left.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    /// The exit code; minus the signal's number where a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Finished {
    /// Both streams for a failure report.
    pub(crate) fn transcript(&self) -> String {
        format!(
            "exit {} after {:?}\n--- stdout\n{}--- stderr\n{}---",
            self.code, self.took, self.stdout, self.stderr
        )
    }
}

impl Pace {
    /// A run in `dir` with `home` as its home directory and nothing else but a `PATH`.
    pub(crate) fn new(dir: &Path, home: &Path) -> Self {
        Self {
            program: PACE.into(),
            dir: dir.to_owned(),
            args: vec![],
            env: vec![("PATH".to_owned(), path_variable()), ("HOME".to_owned(), home.display().to_string())],
        }
    }

    /// A run whose root is `root`, which then holds the binary as `/pace` beside what is there already, and whose
    /// directory is `dir` within; with nothing but a `HOME` in its environment.
    pub(crate) fn in_root(root: &Path, dir: &str) -> Self {
        std::fs::copy(PACE, root.join("pace")).unwrap();
        // There is no shell in the root, so the directory is entered by the launcher.
        let launcher = format!(
            "import os,sys; os.chroot({root:?}); os.chdir({dir:?}); os.execve('/pace', ['pace'], dict(os.environ))"
        );
        let unprivileged = !rustix::process::geteuid().is_root();
        let (program, mut args) = if unprivileged {
            ("unshare", vec!["--map-root-user".to_owned(), "python3".to_owned()])
        } else {
            ("python3", vec![])
        };
        args.extend(["-c".to_owned(), launcher]);
        Self {
            program: program.into(),
            dir: root.to_owned(),
            args,
            env: vec![("PATH".to_owned(), path_variable()), ("HOME".to_owned(), "/".to_owned())],
        }
    }

    /// In another folder.
    pub(crate) fn at(mut self, dir: &Path) -> Self {
        dir.clone_into(&mut self.dir);
        self
    }

    /// Started by another program, which does with the environment what its arguments say.
    pub(crate) fn by<S: Into<String>>(mut self, program: &str, args: impl IntoIterator<Item = S>) -> Self {
        self.program = program.into();
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    pub(crate) fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets variables; a later value of the same name wins.
    pub(crate) fn env<K: Into<String>, V: Into<String>>(
        mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        for (name, value) in pairs {
            let name = name.into();
            self.env.retain(|(known, _)| *known != name);
            self.env.push((name, value.into()));
        }
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// Runs to the end.
    pub(crate) fn run(&self) -> Finished {
        self.run_until(Signal::INT, || false)
    }

    /// Runs to the end, and sends `signal` once as soon as `moment` is true.
    pub(crate) fn run_until(&self, signal: Signal, mut moment: impl FnMut() -> bool) -> Finished {
        let started = Instant::now();
        let (mut child, output) = self.start();
        let mut sent = false;
        while child.try_wait().unwrap().is_none() {
            if !sent && moment() {
                send(&child, signal);
                sent = true;
            }
            if started.elapsed() > PATIENCE {
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        output.finish(child, started)
    }

    /// Starts, with both streams being read.
    pub(crate) fn start(&self) -> (Child, Streams) {
        let mut child = self.spawn();
        let streams = Streams::of(&mut child);
        (child, streams)
    }

    fn spawn(&self) -> Child {
        self.command().spawn().unwrap_or_else(|e| panic!("cannot start {}: {e}", self.program.display()))
    }

    /// What starts it, with both streams piped.
    #[expect(clippy::disallowed_methods, reason = "a black-box test starts the binary itself")]
    pub(crate) fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command
            .args(&self.args)
            .current_dir(&self.dir)
            .env_clear()
            .envs(self.env.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// The two streams of a running process.
pub(crate) struct Streams {
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

impl Streams {
    /// Reads both streams of `child`.
    pub(crate) fn of(child: &mut Child) -> Self {
        Self { stdout: drain(child.stdout.take().unwrap()), stderr: drain(child.stderr.take().unwrap()) }
    }

    /// Waits for the end of the process and of its streams.
    pub(crate) fn finish(self, mut child: Child, started: Instant) -> Finished {
        let status = child.wait().unwrap();
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        self.finished(status.code().unwrap_or_else(|| -signal.unwrap_or(0)), started)
    }

    /// Waits for the end of the streams of a process that ended with `code`.
    pub(crate) fn finished(self, code: i32, started: Instant) -> Finished {
        Finished {
            code,
            took: started.elapsed(),
            stdout: self.stdout.join().unwrap(),
            stderr: self.stderr.join().unwrap(),
        }
    }
}

/// A variable of the test's own process, for what a toolchain needs to be found.
#[expect(clippy::disallowed_methods, reason = "the tests hand a few of their own variables on")]
pub(crate) fn own_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|v| !v.is_empty())
}

fn path_variable() -> String {
    own_variable("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".to_owned())
}

fn send(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, signal).unwrap();
}

fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A pipe that breaks has told all it had to tell.
        drop(pipe.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Pace {
        let mut pace = Pace::new(Path::new("/"), Path::new("/nowhere")).args(["-c", script]);
        pace.program = "/bin/sh".into();
        pace
    }

    #[test]
    fn the_environment_holds_only_what_was_given() {
        let run = shell("echo out; echo err >&2; env | cut -d= -f1 | sort; exit 7")
            .env([("PACE_X", "1"), ("PACE_X", "2")])
            .without("HOME")
            .run();
        assert_eq!((run.code, run.stderr.as_str()), (7, "err\n"));
        let names: Vec<_> =
            run.stdout.lines().filter(|l| !matches!(*l, "PWD" | "_" | "SHLVL" | "OLDPWD")).collect();
        assert_eq!(names, ["out", "PACE_X", "PATH"]);
    }

    #[test]
    fn a_signal_is_sent_once_the_moment_has_come() {
        let run = shell("trap 'exit 130' INT; while :; do sleep 0.01; done").run_until(Signal::INT, || true);
        assert!(matches!(run.code, 130 | -2), "{}", run.transcript());
    }
}
