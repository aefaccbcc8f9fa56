//! The capabilities that a child keeps: root's right to the files of a foreign-owned checkout, nothing else.

use anyhow::Context;
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Without these root could not write a checkout that belongs to someone else.
const KEPT: CapabilitySet =
    CapabilitySet::DAC_OVERRIDE.union(CapabilitySet::FOWNER).union(CapabilitySet::CHOWN);

/// Gives every other capability up, for this process and all that it starts.
pub(super) fn drop_powers() -> anyhow::Result<()> {
    let held = drop_chances()?;
    // Fails only on kernels that know no ambient set.
    let _ = clear_ambient_capability_set();
    let kept = held.permitted & KEPT;
    set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )
    .context("capabilities cannot be given up")
}

/// Gives up that a program which is started brings other capabilities; what this process holds now.
pub(super) fn drop_chances() -> anyhow::Result<CapabilitySets> {
    let held = capabilities(None).context("capabilities cannot be read")?;
    if held.permitted.contains(CapabilitySet::SETPCAP) {
        for number in 0..64 {
            let one = CapabilitySet::from_bits_retain(1 << number);
            if KEPT.contains(one) {
                continue;
            }
            match remove_capability_from_bounding_set(one) {
                Ok(()) => {}
                // Beyond the last one that this kernel knows.
                Err(Errno::INVAL) => break,
                Err(error) => return Err(error).context("capabilities cannot be given up"),
            }
        }
    }
    Ok(held)
}

/// Whether this process may make namespaces and mounts without a user namespace of its own.
pub(super) fn may_mount() -> bool {
    capabilities(None).is_ok_and(|held| held.effective.contains(CapabilitySet::SYS_ADMIN))
}
