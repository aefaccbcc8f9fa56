//! Which files a child may reach (Landlock). With namespaces the mounts say it already and these rules are the
//! second wall; without, they are the wall.

use std::path::{Path, PathBuf};

use anyhow::Context;
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::order::{Order, Tier};
use super::spares;

/// The least that holds: without `Truncate` (ABI 3, Linux 6.2) every readable file could be emptied.
const LEAST: ABI = ABI::V3;
/// Device files that programs expect to write.
const DEVICES: &[&str] =
    &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx"];

/// Said where the kernel has no Landlock, or not enough of it.
pub(super) const MISSING: &str = "Landlock (ABI 3, Linux 6.2) is missing";

/// Applies the rules to this process and all that it starts; whether they hold signals too (ABI 6, Linux 6.12).
pub(super) fn restrict(order: &Order) -> anyhow::Result<bool> {
    let rules = match order.tier {
        Tier::Namespaces { .. } => behind_mounts(order),
        Tier::Rules => alone(order),
    };
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(LEAST))
        .context(MISSING)?
        .set_compatibility(CompatLevel::BestEffort)
        .scope(Scope::from_all(ABI::V6))?
        .create()
        .context("Landlock cannot be used")?;
    for (path, access) in rules {
        ruleset = add(ruleset, &path, access)?;
    }
    let status = ruleset.restrict_self().context("Landlock cannot be applied")?;
    anyhow::ensure!(status.ruleset != RulesetStatus::NotEnforced, "Landlock is not enforced");
    Ok(status.ruleset == RulesetStatus::FullyEnforced)
}

/// A path that vanished in the meantime needs no rule.
fn add(ruleset: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> anyhow::Result<RulesetCreated> {
    let Ok(file) = PathFd::new(path) else { return Ok(ruleset) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(LEAST) };
    ruleset.add_rule(PathBeneath::new(file, access)).with_context(|| format!("Landlock: {}", path.display()))
}

type Rules = Vec<(PathBuf, BitFlags<AccessFs>)>;

fn reading() -> BitFlags<AccessFs> {
    AccessFs::from_read(LEAST)
}

/// All but device files.
fn writing() -> BitFlags<AccessFs> {
    AccessFs::from_all(LEAST) & !(AccessFs::MakeBlock | AccessFs::MakeChar)
}

fn devices() -> Rules {
    let access = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    DEVICES.iter().map(|path| (PathBuf::from(path), access)).collect()
}

fn behind_mounts(order: &Order) -> Rules {
    let rooms = &order.rooms;
    let mut rules = vec![(PathBuf::from("/"), reading())];
    rules.extend(devices());
    rules.push(("/dev/pts".into(), reading() | AccessFs::WriteFile));
    let written = ["/tmp".into(), "/dev/shm".into(), rooms.work.clone()];
    let written = written.into_iter().chain(rooms.writable.clone()).chain(rooms.home.clone());
    rules.extend(written.chain(rooms.caches.clone()).map(|path| (path, writing())));
    rules
}

fn alone(order: &Order) -> Rules {
    let rooms = &order.rooms;
    let mut rules = devices();
    rules.push(("/dev/shm".into(), writing()));
    rules.push((rooms.temporary.clone(), writing()));
    rules.extend(["/dev", "/dev/pts"].map(|path| (path.into(), AccessFs::ReadDir.into())));

    let mut closed: Vec<PathBuf> = ["/dev", "/tmp", "/var/tmp", "/run", "/var/run"].map(Into::into).into();
    closed.extend(rooms.hidden.iter().cloned());
    closed.extend(rooms.git.iter().cloned());
    // These get rules of their own.
    closed.push(rooms.work.clone());
    open(Path::new("/"), &closed, reading(), &mut rules);
    if let Some(shown) = &rooms.shown {
        rules.push((shown.folder.join(&shown.path), AccessFs::ReadFile.into()));
    }
    for folder in &rooms.programs {
        open(folder, &rooms.hidden, reading(), &mut rules);
    }

    let mut kept: Vec<PathBuf> = rooms.hidden.iter().chain(&rooms.git).cloned().collect();
    for path in &rooms.readonly {
        open(path, &kept, reading(), &mut rules);
    }
    kept.extend(rooms.readonly.iter().cloned());
    open(&rooms.work, &kept, writing(), &mut rules);
    if let Some(folder) = &rooms.spares {
        rules.extend(spares::all(folder).map(|path| (path, writing())));
    }
    for path in rooms.caches.iter().filter(|path| !hides(path, &rooms.hidden)) {
        open(path, &rooms.hidden, writing(), &mut rules);
    }
    for path in &rooms.writable {
        open(path, &rooms.hidden, writing(), &mut rules);
    }
    rules
}

fn hides(path: &Path, hidden: &[PathBuf]) -> bool {
    hidden.iter().any(|hidden| path.starts_with(hidden))
}

/// Rules that give `access` to `path` and all below it but what is `closed`. A rule holds for a whole hierarchy, so
/// a folder with something closed below it is listed only, and its other entries are opened one by one: what is
/// made in it later stays closed.
fn open(path: &Path, closed: &[PathBuf], access: BitFlags<AccessFs>, rules: &mut Rules) {
    if !closed.iter().any(|closed| closed != path && closed.starts_with(path)) {
        rules.push((path.to_owned(), access));
        return;
    }
    rules.push((path.to_owned(), AccessFs::ReadDir.into()));
    for entry in std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok) {
        let child = entry.path();
        // A link leads to a path that has a rule of its own, or none.
        let link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if !link && !closed.contains(&child) {
            open(&child, closed, access, rules);
        }
    }
}
