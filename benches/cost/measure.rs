//! What one run of the binary used by itself, read from the kernel before the process is buried. Time and memory
//! of its children are theirs.

use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::binary::Pace;

/// What a run used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// User and system time of the process itself.
    pub(crate) cpu: Duration,
    /// Largest resident set.
    pub(crate) peak_bytes: u64,
    pub(crate) took: Duration,
}

/// Runs to the end, which must be `exit`.
pub(crate) fn run(pace: &Pace, exit: i32) -> Cost {
    let started = Instant::now();
    let (child, output) = pace.start();
    let pid = i32::try_from(child.id()).unwrap();
    let mut peak_bytes = 0;
    // The dead process is left in its place until its figures are read.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    while waitid(WaitId::Pid(Pid::from_raw(pid).unwrap()), options).unwrap().is_none() {
        peak_bytes = peak_bytes.max(peak(pid).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = started.elapsed();
    let cpu = cpu(pid);
    let finished = output.finish(child, started);
    assert_eq!(finished.code, exit, "{}", finished.transcript());
    Cost { cpu, peak_bytes, took }
}

fn peak(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Fields 14 and 15 of `stat`, in ticks of 10 ms (proc(5)).
fn cpu(pid: i32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|f| f.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
