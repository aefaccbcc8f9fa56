//! Which system calls a child may make (seccomp). Denied is what leads out of its rooms: mounts, namespaces,
//! kernel doors, other processes' memory, and sockets to anywhere but its own loopback. Calls that make or connect
//! sockets can be handed over to a supervisor.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;

use anyhow::Context;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter, sock_filter,
};

use super::notify;

/// Denied whatever the arguments.
const DENIED: &[libc::c_long] = &[
    // mounts
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // namespaces
    libc::SYS_unshare,
    libc::SYS_setns,
    // other processes
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // doors around every other rule
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // the machine
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[libc::c_long] =
    &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_kexec_file_load, libc::SYS_modify_ldt];
#[cfg(not(target_arch = "x86_64"))]
const DENIED_HERE: &[libc::c_long] = &[];

/// Flags of clone(2) that make a namespace.
const NAMESPACES: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;
/// Types into a terminal as if its user did.
const TYPING: [libc::c_ulong; 2] = [libc::TIOCSTI, 0x541C];

/// Ways to name who is signalled by a file, of which `F_SETOWN` is the one that is handed over.
const SET_OWNER: libc::c_int = 15;
const OWNERS: [u64; 2] = [0x8901, 0x8902];

/// Options of ip(7) and ipv6(7) that the library does not name; those from 42 to 48 are `MCAST_…`, the same for both.
const IP_MSFILTER: libc::c_int = 41;
const IPV6_JOIN_ANYCAST: libc::c_int = 27;

/// Code of a filter's answer.
const RETURN: u16 = 0x06;

/// Which sockets a child may make. Unix sockets by name are supervised or not among them: a path leads to any
/// daemon that listens in a visible folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sockets {
    /// Pairs only.
    None,
    /// Internet sockets: the network namespace, or the operator's word, says where they lead.
    Internet,
    /// Internet sockets and Unix sockets by name: a supervisor makes and connects them.
    Supervised,
}

/// What a child must leave alone where it sees the machine's other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Others {
    /// pace's own process group: whoever joins it is taken for one whom pace has from elsewhere, and outlives its command.
    pub group: libc::pid_t,
    /// Landlock does not hold signals: there is no other way to send one than [`SIGNALS`].
    pub signals: bool,
}

/// Applies the rules to this process and all that it starts. Needs `no_new_privs`.
pub(super) fn restrict(sockets: Sockets, others: Option<Others>) -> anyhow::Result<()> {
    for program in programs(sockets, others)? {
        apply_filter(&program).context("seccomp cannot be applied")?;
    }
    Ok(())
}

fn programs(sockets: Sockets, others: Option<Others>) -> anyhow::Result<Vec<BpfProgram>> {
    let mut refused: Rules = DENIED.iter().chain(DENIED_HERE).map(|&call| (call, vec![])).collect();
    let namespace_flags: Vec<_> = (0..32)
        .map(|bit| 1u64 << bit)
        .filter(|bit| u64::from(NAMESPACES.cast_unsigned()) & bit != 0)
        .map(|bit| when(0, SeccompCmpOp::MaskedEq(bit), bit))
        .collect::<Result<_, _>>()?;
    refused.insert(libc::SYS_clone, namespace_flags);
    let typing = TYPING.iter().map(|&code| when(1, SeccompCmpOp::Eq, code)).collect::<Result<_, _>>()?;
    refused.insert(libc::SYS_ioctl, typing);

    if let Some(Others { group, signals }) = others {
        refused.insert(libc::SYS_setpgid, vec![when(1, SeccompCmpOp::Eq, of(group))?]);
        // Limits of another process of the same user end it, pace's among them.
        let another = condition(0, SeccompCmpOp::Ne, 0)?;
        let sets = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
        refused.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![another, sets])?]);
        if signals {
            refused.insert(libc::SYS_fcntl, vec![when(1, SeccompCmpOp::Eq, of(SET_OWNER))?]);
            let owners = OWNERS.iter().map(|&code| when(1, SeccompCmpOp::Eq, code));
            refused.entry(libc::SYS_ioctl).or_default().extend(owners.collect::<Result<Vec<_>, _>>()?);
        }
    }

    // The flags of clone3 lie in memory, where a filter cannot look; libraries fall back to clone.
    let mut absent: Rules = [(libc::SYS_clone3, vec![])].into();
    if others.is_some_and(|others| others.signals) {
        // A folder of `/proc` is as good for it as what pidfd_open gives; libraries fall back to kill.
        absent.insert(libc::SYS_pidfd_send_signal, vec![]);
    }
    let programs = vec![
        filter(refused, libc::EPERM)?,
        filter(absent, libc::ENOSYS)?,
        filter(families(sockets)?, libc::EAFNOSUPPORT)?,
        filter(unseen(sockets)?, libc::EOPNOTSUPP)?,
        without_x32(),
    ];
    Ok(programs)
}

/// Calls that make, move or remove files, which a supervisor may do at the top of the work tree.
pub(super) const AT_TOP: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_renameat,
];

/// Calls that signal another process, or name who shall be signalled later.
pub(super) const SIGNALS: &[libc::c_long] = &[
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_open,
    libc::SYS_fcntl,
];

/// Flags of the message by which the supervisor gets the end that [`hand_over`] returns: nobody could answer for it before.
/// Anybody's message that has them passes; a socket that must not send is mute.
pub(super) const INTRODUCTION: libc::c_int = libc::MSG_NOSIGNAL | libc::MSG_CONFIRM;

/// Numbers of descriptors from which writing is handed over where the supervisor alone sends datagrams: it gives a datagram
/// socket one of these if it can. Few programs have so many files open, and select(2) knows no higher ones.
pub(super) const DATAGRAM_SOCKETS: RangeInclusive<u32> = 768..=1023;

/// What a supervisor is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handed {
    /// Calls that make or connect sockets.
    pub sockets: bool,
    /// Those that name a datagram's receiver too.
    pub datagrams: bool,
    /// [`AT_TOP`], and every way of sending a datagram: what mounts and a network namespace would hold.
    pub no_namespaces: bool,
    /// [`SIGNALS`]: what Landlock holds from ABI 6 on.
    pub signals: bool,
}

/// Hands calls over, for this process and all that it starts; the end at which they are received. Needs `no_new_privs`,
/// and [`restrict`] beside it.
pub(super) fn hand_over(handed: Handed) -> anyhow::Result<OwnedFd> {
    let mut rules = Rules::new();
    if handed.sockets {
        let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
        let families = families.map(|family| when(0, SeccompCmpOp::Eq, of(family))).into_iter();
        rules.extend([libc::SYS_connect, libc::SYS_bind, libc::SYS_listen].map(|call| (call, vec![])));
        rules.insert(libc::SYS_socket, families.collect::<Result<_, _>>()?);
    }
    if handed.datagrams {
        let named = SeccompCondition::new(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
        rules.insert(libc::SYS_sendto, vec![SeccompRule::new(vec![named])?]);
    }
    if handed.sockets && handed.no_namespaces {
        // Nobody's network holds these: they are made by the supervisor alone.
        rules.extend([libc::SYS_sendto, libc::SYS_sendmmsg].map(|call| (call, vec![])));
        rules.insert(libc::SYS_sendmsg, vec![when(2, SeccompCmpOp::Ne, of(INTRODUCTION))?]);
        rules.insert(libc::SYS_setsockopt, joining()?);
        for call in [libc::SYS_write, libc::SYS_writev] {
            let from = condition(0, SeccompCmpOp::Ge, u64::from(*DATAGRAM_SOCKETS.start()))?;
            let to = condition(0, SeccompCmpOp::Le, u64::from(*DATAGRAM_SOCKETS.end()))?;
            rules.insert(call, vec![SeccompRule::new(vec![from, to])?]);
        }
    }
    if handed.no_namespaces {
        rules.extend(AT_TOP.iter().map(|&call| (call, vec![])));
        let makes = |argument| when(argument, SeccompCmpOp::MaskedEq(of(libc::O_CREAT)), of(libc::O_CREAT));
        rules.insert(libc::SYS_openat, vec![makes(2)?]);
        #[cfg(target_arch = "x86_64")]
        rules.insert(libc::SYS_open, vec![makes(1)?]);
    }
    if handed.signals {
        rules.extend(SIGNALS.iter().map(|&call| (call, vec![])));
        rules.insert(libc::SYS_fcntl, vec![when(1, SeccompCmpOp::Eq, of(libc::F_SETOWN))?]);
    }
    // The library knows no such answer; it is put in place of one that it knows.
    let known = SeccompAction::Trace(0);
    let answer = u32::from(known.clone());
    let mut program = compile(rules, known)?;
    for step in program.iter_mut().filter(|step| step.code == RETURN && step.k == answer) {
        step.k = notify::HAND_OVER;
    }
    notify::listen(&program).context("calls cannot be handed over")
}

/// Options that join a group of receivers: the kernel tells the machine's network of it.
fn joining() -> anyhow::Result<Vec<SeccompRule>> {
    const BOTH: [libc::c_int; 6] = [42, 43, 44, 46, 47, 48];
    let four = [
        libc::IP_ADD_MEMBERSHIP,
        libc::IP_ADD_SOURCE_MEMBERSHIP,
        libc::IP_BLOCK_SOURCE,
        libc::IP_UNBLOCK_SOURCE,
        IP_MSFILTER,
    ];
    let six = [libc::IPV6_ADD_MEMBERSHIP, IPV6_JOIN_ANYCAST];
    let four = four.iter().chain(&BOTH).map(|option| (libc::IPPROTO_IP, *option));
    let six = six.iter().chain(&BOTH).map(|option| (libc::IPPROTO_IPV6, *option));
    let rule = |(level, option)| {
        let level = condition(1, SeccompCmpOp::Eq, of(level))?;
        Ok(SeccompRule::new(vec![level, condition(2, SeccompCmpOp::Eq, of(option))?])?)
    };
    four.chain(six).map(rule).collect()
}

type Rules = BTreeMap<libc::c_long, Vec<SeccompRule>>;

fn families(sockets: Sockets) -> anyhow::Result<Rules> {
    let not_unix = vec![when(0, SeccompCmpOp::Ne, of(libc::AF_UNIX))?];
    let socket = match sockets {
        Sockets::None => vec![],
        Sockets::Internet | Sockets::Supervised => {
            let unless = |family| condition(0, SeccompCmpOp::Ne, of(family));
            // Netlink's protocol 0 tells about interfaces and routes; the others reach other parts of the kernel.
            let mut none = vec![unless(libc::AF_INET)?, unless(libc::AF_INET6)?, unless(libc::AF_NETLINK)?];
            if sockets == Sockets::Supervised {
                none.push(unless(libc::AF_UNIX)?);
            }
            let netlink = vec![
                condition(0, SeccompCmpOp::Eq, of(libc::AF_NETLINK))?,
                condition(2, SeccompCmpOp::Ne, of(libc::NETLINK_ROUTE))?,
            ];
            vec![SeccompRule::new(none)?, SeccompRule::new(netlink)?]
        }
    };
    Ok([(libc::SYS_socket, socket), (libc::SYS_socketpair, not_unix)].into())
}

/// Ways to name a receiver that nobody sees: Unix datagrams, which are sent to any path and are made by a raw pair too, and
/// where there is a supervisor, connecting by sending.
fn unseen(sockets: Sockets) -> anyhow::Result<Rules> {
    let kinds = [libc::SOCK_DGRAM, libc::SOCK_RAW];
    let pairs = kinds.iter().map(|&kind| when(1, SeccompCmpOp::MaskedEq(0xf), of(kind)));
    let pairs: Rules = [(libc::SYS_socketpair, pairs.collect::<Result<_, _>>()?)].into();
    if sockets != Sockets::Supervised {
        return Ok(pairs);
    }
    let connecting = |argument| {
        let flag = of(libc::MSG_FASTOPEN);
        when(argument, SeccompCmpOp::MaskedEq(flag), flag)
    };
    let sending = [
        (libc::SYS_sendto, vec![connecting(3)?]),
        (libc::SYS_sendmsg, vec![connecting(2)?]),
        (libc::SYS_sendmmsg, vec![connecting(3)?]),
    ];
    Ok(pairs.into_iter().chain(sending).collect())
}

fn of(number: libc::c_int) -> u64 {
    u64::from(number.cast_unsigned())
}

fn condition(argument: u8, op: SeccompCmpOp, value: u64) -> anyhow::Result<SeccompCondition> {
    Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)?)
}

fn when(argument: u8, op: SeccompCmpOp, value: u64) -> anyhow::Result<SeccompRule> {
    Ok(SeccompRule::new(vec![condition(argument, op, value)?])?)
}

fn filter(rules: Rules, errno: libc::c_int) -> anyhow::Result<BpfProgram> {
    compile(rules, SeccompAction::Errno(errno.cast_unsigned()))
}

fn compile(rules: Rules, action: SeccompAction) -> anyhow::Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).context("seccomp rules for this processor")?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?;
    Ok(BpfProgram::try_from(filter)?)
}

/// Numbers from 0x4000_0000 on are the x32 form of calls: the rules above would not recognise them.
fn without_x32() -> BpfProgram {
    const LOAD_NUMBER: sock_filter = sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 };
    const JUMP_IF_AT_LEAST: sock_filter = sock_filter { code: 0x35, jt: 0, jf: 1, k: 0x4000_0000 };
    let answer = |k| sock_filter { code: RETURN, jt: 0, jf: 0, k };
    let refuse: u32 = SeccompAction::Errno(libc::ENOSYS.cast_unsigned()).into();
    vec![LOAD_NUMBER, JUMP_IF_AT_LEAST, answer(refuse), answer(SeccompAction::Allow.into())]
}
