//! Runs the real binary under `ptrace` and looks at chosen system calls before they are made: to end the process
//! exactly there, or to have the call fail as a sick disk lets it fail. Knows nothing of days or journals.
//!
//! A seccomp filter stops the process at those calls alone, so a traced run is about as fast as another one.

use std::collections::{BTreeMap, HashSet};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::binary::{Finished, Pace, Streams};

/// Far beyond any honest run.
const PATIENCE: Duration = Duration::from_secs(240);

/// A system call that the binary is about to make, or one of its children.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) number: i64,
    pub(crate) arguments: [u64; 6],
    process: i32,
}

impl Call {
    /// The descriptor of a call whose first argument is one.
    pub(crate) const fn descriptor(&self) -> u64 {
        self.arguments[0]
    }

    /// What that descriptor is; nothing where it is no file, or this process may not look.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let link = format!("/proc/{}/fd/{}", self.process, self.descriptor());
        std::fs::read_link(link).ok().filter(|path| path.is_absolute() && !path.starts_with("/dev"))
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Go,
    /// It is not made, and fails with this error number; a negative one is turned round and is its result.
    Fail(i32),
    /// The process gets this signal first.
    Signal(Signal),
}

/// Runs `pace` to its end, and asks `at` before every one of `calls`.
pub(crate) fn run(pace: &Pace, calls: &[i64], at: impl FnMut(&Call) -> Then) -> Finished {
    let started = Instant::now();
    let mut child = start(&mut pace.command(), calls);
    let streams = Streams::of(&mut child);
    streams.finished(lead(&child, false, at), started)
}

/// The same for all processes that come from `command`; its exit code.
pub(crate) fn with_children(command: &mut Command, calls: &[i64], at: impl FnMut(&Call) -> Then) -> i32 {
    lead(&start(command, calls), true, at)
}

fn start(command: &mut Command, calls: &[i64]) -> Child {
    let filter = filter(calls);
    let trace = move || {
        ptrace(libc::PTRACE_TRACEME, 0, 0)?;
        seccompiler::apply_filter(&filter).map_err(std::io::Error::other)
    };
    #[expect(
        unsafe_code,
        reason = "the child traces itself before it becomes the binary; nothing is allocated"
    )]
    // SAFETY: both calls are async-signal-safe.
    unsafe {
        command.pre_exec(trace);
    }
    command.spawn().unwrap()
}

fn lead(child: &Child, all: bool, mut at: impl FnMut(&Call) -> Then) -> i32 {
    let main = i32::try_from(child.id()).unwrap();
    let (over, watched) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        if watched.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = kill_process(Pid::from_raw(main).unwrap(), Signal::KILL);
        }
    });
    let code = follow(main, all, &mut at);
    drop(over);
    watchdog.join().unwrap();
    code
}

fn filter(calls: &[i64]) -> BpfProgram {
    let rules: BTreeMap<_, _> = calls.iter().map(|&call| (call, vec![])).collect();
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Trace(0), arch).unwrap();
    filter.try_into().unwrap()
}

/// Leads the process and all that come from it to their ends; the exit code, minus the signal's number where one ended it.
fn follow(main: i32, all: bool, at: &mut impl FnMut(&Call) -> Then) -> i32 {
    let mut code = 0;
    let mut known = HashSet::new();
    while let Some((process, status)) = wait() {
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            known.remove(&process);
            if process == main {
                code =
                    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -libc::WTERMSIG(status) };
            }
            continue;
        }
        let new = known.insert(process);
        if new && process == main {
            let events = libc::PTRACE_O_TRACESECCOMP
                | libc::PTRACE_O_TRACECLONE
                | libc::PTRACE_O_TRACEFORK
                | libc::PTRACE_O_TRACEVFORK
                | libc::PTRACE_O_TRACEEXEC
                | libc::PTRACE_O_EXITKILL;
            ptrace(libc::PTRACE_SETOPTIONS, process, i64::from(events)).unwrap();
        }
        let mut signal = 0;
        match status >> 16 {
            libc::PTRACE_EVENT_SECCOMP => {
                if (all || belongs(process, main))
                    && let Some(call) = call(process)
                {
                    act(process, main, at(&call));
                }
            }
            // A new one begins with a stop, and so does the first program.
            0 if !new => signal = libc::WSTOPSIG(status),
            _ => {}
        }
        // One that was killed meanwhile is gone.
        drop(ptrace(libc::PTRACE_CONT, process, i64::from(signal)));
    }
    code
}

fn act(process: i32, main: i32, then: Then) {
    match then {
        Then::Go => {}
        Then::Signal(signal) => kill_process(Pid::from_raw(main).unwrap(), signal).unwrap(),
        Then::Fail(error) => fail(process, error),
    }
}

/// Whether `process` is a thread of `main`.
fn belongs(process: i32, main: i32) -> bool {
    process == main || std::path::Path::new(&format!("/proc/{main}/task/{process}")).exists()
}

fn wait() -> Option<(i32, i32)> {
    let mut status = 0;
    #[expect(unsafe_code, reason = "no safe wrapper waits for the children of one thread")]
    // SAFETY: `status` outlives the call.
    let process = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
    (process > 0).then_some((process, status))
}

fn ptrace(request: libc::c_uint, process: i32, data: i64) -> std::io::Result<()> {
    #[expect(unsafe_code, reason = "there is no safe wrapper")]
    // SAFETY: none of the requests that are made here reads or writes this process's memory.
    let result = unsafe { libc::ptrace(request, process, std::ptr::null_mut::<u8>(), data) };
    if result == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// The call before which `process` was stopped.
fn call(process: i32) -> Option<Call> {
    #[expect(unsafe_code, reason = "there is no safe wrapper")]
    // SAFETY: all zeros are a value of this struct of numbers, the size that is given is its own, and which member of
    // the union was written is asked before it is read.
    unsafe {
        let mut info: libc::ptrace_syscall_info = std::mem::zeroed();
        let size = size_of::<libc::ptrace_syscall_info>();
        let got = libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, process, size, &raw mut info);
        (got > 0 && info.op == libc::PTRACE_SYSCALL_INFO_SECCOMP).then(|| Call {
            number: i64::try_from(info.u.seccomp.nr).unwrap_or(-1),
            arguments: info.u.seccomp.args,
            process,
        })
    }
}

/// Has the call before which `process` was stopped fail.
#[cfg(target_arch = "x86_64")]
fn fail(process: i32, error: i32) {
    #[expect(unsafe_code, reason = "there is no safe wrapper")]
    // SAFETY: all zeros are a value of this struct of numbers, which outlives both calls.
    unsafe {
        let mut registers: libc::user_regs_struct = std::mem::zeroed();
        let none = std::ptr::null_mut::<u8>();
        libc::ptrace(libc::PTRACE_GETREGS, process, none, &raw mut registers);
        registers.orig_rax = u64::MAX;
        registers.rax = i64::from(-error).cast_unsigned();
        libc::ptrace(libc::PTRACE_SETREGS, process, none, &raw mut registers);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn fail(_process: i32, _error: i32) {
    panic!("system calls can be made to fail on x86_64 only");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_seen_failed_and_ended_at() {
        let place = tempfile::tempdir().unwrap();
        let count = || {
            let mut writes = 0;
            let pace = Pace::new(place.path(), place.path()).args(["--version"]);
            let run = run(&pace, &[libc::SYS_write], |call| {
                writes += usize::from(call.descriptor() == 1);
                Then::Go
            });
            (run.code, writes)
        };
        assert_eq!(count().0, 0);
        assert!(count().1 >= 1);
        let pace = Pace::new(place.path(), place.path()).args(["--version"]);
        let run = super::run(&pace, &[libc::SYS_write], |_| Then::Signal(Signal::KILL));
        assert_eq!((run.code, run.stdout.as_str()), (-9, ""));
    }
}
