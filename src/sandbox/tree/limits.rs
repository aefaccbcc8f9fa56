//! What a command may have at a time, and what this machine can bear. Knows no process.

#[cfg(target_os = "linux")]
use std::sync::LazyLock;

/// Processes that a command may have at a time, on a machine that is not small.
const MOST_PROCESSES: usize = 1024;

/// What a command may have at a time.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox) struct Limits {
    /// Bytes of resident memory; `None` where the machine does not tell what it has.
    pub memory: Option<u64>,
    pub processes: usize,
}

impl Limits {
    /// What this machine can bear.
    pub(in crate::sandbox) fn of_machine() -> Self {
        Self { memory: memory_limit(), processes: most_processes() }
    }
}

/// What a tree has too much of.
#[derive(Debug)]
pub(in crate::sandbox) enum Excess {
    /// Bytes.
    Memory {
        used: u64,
        limit: u64,
    },
    Processes {
        count: usize,
        limit: usize,
    },
}

#[cfg(not(target_os = "linux"))]
fn memory_limit() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
fn most_processes() -> usize {
    MOST_PROCESSES
}

/// Nine tenths of what this machine, or the container that pace runs in, has: beyond it the kernel would end
/// processes at random, pace among them.
#[cfg(target_os = "linux")]
fn memory_limit() -> Option<u64> {
    static LIMIT: LazyLock<Option<u64>> = LazyLock::new(|| {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let machine = read("/proc/meminfo")?
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse().ok())
            .map(|kilobytes: u64| kilobytes * 1024)?;
        let groups = read("/proc/self/cgroup").unwrap_or_default();
        let container =
            limit_files(&groups).iter().filter_map(|path| read(path)?.trim().parse::<u64>().ok()).min();
        Some(container.map_or(machine, |bytes| bytes.min(machine)) / 10 * 9)
    });
    *LIMIT
}

/// A quarter of what this machine could run at most.
#[cfg(target_os = "linux")]
fn most_processes() -> usize {
    let all = std::fs::read_to_string("/proc/sys/kernel/threads-max");
    let all = all.ok().and_then(|all| all.trim().parse::<usize>().ok());
    all.map_or(MOST_PROCESSES, |all| MOST_PROCESSES.min(all / 4))
}

/// Files that may hold a limit for the control groups of this process, which `/proc/self/cgroup` names: those of every
/// group above them too. A container often sees its own group as the root.
#[cfg(target_os = "linux")]
fn limit_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let ups = std::path::Path::new(group).ancestors();
        files
            .extend(ups.map(|up| format!("{root}{}/{name}", up.display().to_string().trim_end_matches('/'))));
    }
    files
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::limit_files;

    #[test]
    fn limits_of_every_group_above_count() {
        assert_eq!(
            limit_files("0::/system.slice/runner.service\n"),
            [
                "/sys/fs/cgroup/system.slice/runner.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(
            limit_files("8:pids:/x\n4:memory:/docker/ab\n"),
            [
                "/sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes"
            ]
        );
    }
}
