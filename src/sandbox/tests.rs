//! Real shells and real process trees.

use std::path::Path;
use std::time::Duration;

use super::open::Open;
#[cfg(target_os = "linux")]
use super::running::run_within;
#[cfg(target_os = "linux")]
use super::tree::Limits;
use super::{Command, Sandbox};
use crate::domain::dependencies::Dependencies;
use crate::domain::observation::{CommandRun, Exit};
use crate::secret::Redactor;

const LONG: Duration = Duration::from_secs(120);
const SHORT: Duration = Duration::from_millis(300);

fn open() -> Open {
    let path = "/usr/local/bin:/usr/bin:/bin".to_owned();
    Open {
        env: vec![("PATH".to_owned(), path), ("KEPT".to_owned(), "base".to_owned())],
        dependencies: Dependencies::default(),
        redactor: Redactor::default(),
    }
}

fn command(dir: &Path, script: &str, timeout: Duration) -> Command {
    Command { script: script.to_owned(), dir: dir.to_owned(), env: Vec::new(), timeout, spool: None }
}

async fn run(dir: &Path, script: &str, timeout: Duration) -> CommandRun {
    open().run(&command(dir, script, timeout)).await.unwrap()
}

/// The process id that a child wrote, once it is there.
async fn pid_in(file: &Path) -> rustix::process::Pid {
    for _ in 0..3000 {
        if let Ok(text) = std::fs::read_to_string(file)
            && let Some(pid) = text.strip_suffix('\n')
        {
            return rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no process id came in {}", file.display());
}

fn alive(pid: rustix::process::Pid) -> bool {
    rustix::process::test_kill_process(pid).is_ok()
}

#[tokio::test]
async fn both_outputs_come_in_order_with_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let got = run(dir.path(), "echo a; echo b >&2; echo c; pwd; exit 7", LONG).await;
    let here = dir.path().canonicalize().unwrap();
    assert_eq!(got.output.head, format!("a\nb\nc\n{}\n", here.display()));
    assert_eq!(got.exit, Exit::Code(7));
    assert_eq!(got.command, "echo a; echo b >&2; echo c; pwd; exit 7");
    assert_eq!(open().describe(), "off");
}

#[tokio::test]
async fn a_signal_is_named() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(dir.path(), "kill -9 $$", LONG).await.exit, Exit::Signal(9));
}

#[tokio::test]
async fn only_the_given_environment_is_seen_and_stdin_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = command(dir.path(), "cat; env | grep -v -e ^PWD -e ^_ -e ^SHLVL | sort", LONG);
    command.env = vec![("EXTRA".to_owned(), "1".to_owned()), ("KEPT".to_owned(), "own".to_owned())];
    let got = open().run(&command).await.unwrap();
    assert_eq!(got.output.head, "EXTRA=1\nKEPT=own\nPATH=/usr/local/bin:/usr/bin:/bin\n");
}

#[tokio::test]
async fn a_missing_folder_is_an_error_that_names_it() {
    let error = open().run(&command(Path::new("/no/such"), "true", LONG)).await.unwrap_err();
    assert!(format!("{error:#}").contains("/no/such"), "{error:#}");
}

#[tokio::test]
async fn endless_output_stays_small_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let got = run(dir.path(), "yes", SHORT).await;
    assert_eq!(got.exit, Exit::TimedOut);
    assert!(got.output.head.len() + got.output.tail.len() <= 128 * 1024);
}

#[tokio::test]
async fn much_output_is_counted_and_spooled_up_to_the_cap() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("out.log");
    let mut command = command(dir.path(), "yes | head -c 100000000; echo end", LONG);
    command.spool = Some(spool.clone());
    let got = open().run(&command).await.unwrap();
    assert_eq!(got.output.total_bytes, 100_000_004);
    assert!(got.output.tail.ends_with("y\nend\n"));
    let size = std::fs::metadata(spool).unwrap().len();
    assert!((64 << 20..65 << 20).contains(&size), "{size}");
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipe_does_not_hang_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let got = run(dir.path(), "sleep 1000 & echo $! > pid; echo done", LONG).await;
    assert_eq!(got.exit, Exit::Code(0));
    assert_eq!(got.output.head, "done\n");
    assert!(!alive(pid_in(&dir.path().join("pid")).await));
}

#[tokio::test]
async fn an_ignored_term_ends_in_kill() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' TERM; echo $$ > pid; while :; do sleep 1; done";
    let got = run(dir.path(), script, SHORT).await;
    assert_eq!(got.exit, Exit::TimedOut);
    assert!(!alive(pid_in(&dir.path().join("pid")).await));
}

#[tokio::test]
async fn term_lets_a_command_say_goodbye() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done";
    let got = run(dir.path(), script, Duration::from_secs(1)).await;
    assert_eq!(got.exit, Exit::TimedOut);
    // The shell may be asked twice: with its group, and again as one of the tree.
    assert!(got.output.head.replace("Terminated\n", "").starts_with("up\nbye\n"), "{}", got.output.head);
}

/// Starts a daemon in a session of its own, its parent gone, its outputs elsewhere and its environment empty.
#[cfg(target_os = "linux")]
const DAEMON: &str = "(env -i setsid sh -c 'echo $$ > pid.part; mv pid.part pid; trap \"\" HUP TERM; \
    while :; do sleep 1; done' >/dev/null 2>&1 </dev/null &) ; while ! test -e pid; do sleep 0.01; done; ";

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_daemon_ends_with_its_command() {
    let dir = tempfile::tempdir().unwrap();
    let got = run(dir.path(), &format!("{DAEMON} echo started"), LONG).await;
    assert_eq!(got.output.head, "started\n");
    assert!(!alive(pid_in(&dir.path().join("pid")).await));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_daemon_ends_with_a_time_out() {
    let dir = tempfile::tempdir().unwrap();
    let got = run(dir.path(), &format!("{DAEMON} sleep 1000"), Duration::from_secs(2)).await;
    assert_eq!(got.exit, Exit::TimedOut);
    assert!(!alive(pid_in(&dir.path().join("pid")).await));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_dropped_run_takes_its_tree_along() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().to_owned();
    let task =
        tokio::spawn(async move { run(&here, &format!("echo $$ > shell; {DAEMON} sleep 1000"), LONG).await });
    let daemon = pid_in(&dir.path().join("pid")).await;
    let shell = pid_in(&dir.path().join("shell")).await;
    assert!(alive(daemon) && alive(shell));
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(!alive(daemon));
    // The runtime reaps the shell itself; another command gives it the occasion.
    for _ in 0..3000 {
        if !alive(shell) {
            return;
        }
        run(dir.path(), "true", LONG).await;
    }
    panic!("the shell is still there");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_swarm_of_forks_ends() {
    let dir = tempfile::tempdir().unwrap();
    let script = "for i in 1 2 3 4 5 6 7 8 9 10; do
            (for j in 1 2 3 4 5; do setsid sh -c 'echo $$ > $$.pid; sleep 1000' & done; sleep 1000) &
        done
        while test $(ls | grep -c pid) -lt 50; do sleep 0.05; done; exit 3";
    assert_eq!(run(dir.path(), script, LONG).await.exit, Exit::Code(3));
    let mut seen = 0;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        assert!(!alive(pid_in(&entry.unwrap().path()).await));
        seen += 1;
    }
    assert_eq!(seen, 50);
}

/// Runs a script with nothing but limits of its own around it.
#[cfg(target_os = "linux")]
async fn within(limits: Limits, dir: &Path, script: &str) -> crate::domain::observation::CommandRun {
    let command = command(dir, script, LONG);
    let shell = || {
        #[expect(clippy::disallowed_methods, reason = "the shell of a test")]
        let mut shell = tokio::process::Command::new("/bin/sh");
        shell.arg("-c").arg(script).current_dir(dir).stdin(std::process::Stdio::null());
        Ok(shell)
    };
    run_within(limits, &command, &Redactor::default(), shell).await.unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_memory_hog_is_ended_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { memory: Some(64 << 20), processes: 100 };
    // A line without an end: `tail` must keep all of it.
    let script = "echo $$ > pid; head -c 300000000 /dev/zero | tail -n 1 | { sleep 1000; }";
    let got = within(limits, dir.path(), script).await;
    assert_eq!(got.exit, Exit::Signal(9), "{}", got.output.text());
    let reason = got.excess().unwrap();
    assert!(reason.contains("MiB of memory; 64 MiB are allowed"), "{reason}");
    assert!(!alive(pid_in(&dir.path().join("pid")).await));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn reserved_memory_is_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { memory: Some(256 << 20), processes: 100 };
    let script = "python3 -c 'import mmap, time; m = mmap.mmap(-1, 64 << 30, flags=mmap.MAP_PRIVATE | 0x4000); time.sleep(1); print(len(m))'";
    let got = within(limits, dir.path(), script).await;
    assert_eq!(got.output.text(), format!("{}\n", 64u64 << 30));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_fork_bomb_is_ended_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { memory: None, processes: 60 };
    // Doubles nine times: enough to be far beyond the limit, too little to starve the machine that runs the test.
    let script = "bomb() { test $1 -gt 8 || { bomb $(($1 + 1)) & bomb $(($1 + 1)) & wait; }; sleep 1000; }
        echo $$ > pid; bomb 0";
    let got = within(limits, dir.path(), script).await;
    assert_eq!(got.exit, Exit::Signal(9), "{}", got.output.text());
    assert!(got.excess().unwrap().contains("processes; 60 are allowed"), "{}", got.output.text());
    assert!(!alive(pid_in(&dir.path().join("pid")).await));
}
