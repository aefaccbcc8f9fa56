//! Notices that processes multiply, by one number of the kernel's. Looks at no process.

use super::Limits;
use super::system::running_on_machine;

/// Notices that processes multiply: by one number of the kernel's, which is there at once however many want to run. A look
/// at all processes may take seconds by then.
#[derive(Debug)]
pub(in crate::sandbox) struct Swarm {
    /// Above so many on the whole machine the command has a crowd, of processes or threads, or somebody else has.
    crowd: usize,
    /// Above so many it is worth a look at once.
    look_above: usize,
    step: usize,
}

impl Swarm {
    /// From now on; `limits` are those of the command that begins.
    pub(in crate::sandbox) fn watch(limits: Limits) -> Self {
        let step = limits.processes / 4;
        let crowd = running_on_machine().saturating_add(step);
        Self { crowd, look_above: crowd, step }
    }

    /// Whether the tree must stand still to be looked at: a crowd that wants to run leaves no time for looking.
    pub(in crate::sandbox) fn is_crowd(&self) -> bool {
        running_on_machine() > self.crowd
    }

    /// Whether so many came since the last look that the next cannot wait.
    pub(in crate::sandbox) fn grows(&mut self) -> bool {
        let now = running_on_machine();
        let grows = now > self.look_above;
        if grows {
            // They may be another's, or threads: the next look is due when as many came again.
            self.look_above = now.saturating_add(self.step);
        }
        grows
    }
}
