//! What a child sees of the file system where it has mounts of its own: everything read only but its rooms, a
//! private `/tmp`, `/dev` and process list, and nothing where credentials lie.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::fs::{CWD, Mode as FileMode, OFlags};
use rustix::fs::{Gid, Uid};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount,
    mount_change, move_mount, open_tree,
};

use super::order::{Order, Right, Rooms, Tier};
use super::raw::{Mode, set_mount};

const TMP: &str = "/tmp";
/// Device files that a child gets.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Puts the mounts of this namespace in order. The process must have just left its parent's mount namespace.
pub(super) fn arrange(order: &Order) -> anyhow::Result<()> {
    let rooms = &order.rooms;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .context("mounts cannot be made private")?;
    let kept = Kept::take(rooms)?;
    let devices: Vec<(&str, OwnedFd)> = DEVICES
        .iter()
        .filter_map(|name| Some((*name, clone(&Path::new("/dev").join(name), false).ok()?)))
        .collect();

    let scratch = scratch(rooms)?;
    let user = matches!(order.tier, Tier::Namespaces { by: Right::UserNamespace, .. });
    let layers = layers(&kept, user)?;
    set_mount(CWD, Path::new("/"), Mode::ReadOnly, true, true).context("mounts cannot be made read only")?;

    private(Path::new(TMP), "mode=1777,size=40%")?;
    build_devices(devices)?;
    kept.give_back(layers)?;
    protect(rooms)?;
    replace(rooms, &scratch)?;
    for path in &rooms.hidden {
        let shown = rooms.shown.as_ref().is_some_and(|shown| shown.folder == *path);
        hide(path, &scratch, if shown { "shown" } else { "empty" })?;
    }
    rustix::process::chdir(&order.dir).with_context(|| format!("cannot enter {}", order.dir.display()))
}

/// A process list that shows this process namespace alone; to be mounted by a process that is inside. Read only:
/// `/proc/sys` is root's to write whatever its capabilities.
pub(super) fn show_own_processes() -> anyhow::Result<()> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).context("a process list of its own cannot be mounted")
}

/// Mounts taken aside before anything is laid over them.
struct Kept {
    /// Read only.
    programs: Vec<(PathBuf, OwnedFd)>,
    /// Written to as discarded layers. Opened only: a layer lies over what is mounted.
    layered: Vec<(PathBuf, OwnedFd)>,
    /// Written to.
    writable: Vec<(PathBuf, OwnedFd)>,
}

impl Kept {
    fn take(rooms: &Rooms) -> anyhow::Result<Self> {
        let take = |path: &Path| Ok::<_, anyhow::Error>((path.to_owned(), clone(path, true)?));
        let hidden = |path: &&PathBuf| path.starts_with(TMP) || path.starts_with("/dev/shm");
        let programs =
            rooms.programs.iter().filter(hidden).map(|path| take(path)).collect::<Result<_, _>>()?;
        let inside_home = |path: &&PathBuf| rooms.home.as_ref().is_some_and(|home| path.starts_with(home));
        let outside = rooms.caches.iter().filter(|path| !inside_home(path));
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |path: &PathBuf| {
            let opened = rustix::fs::open(path, folder, FileMode::empty());
            Ok::<_, anyhow::Error>((path.clone(), opened.with_context(|| path.display().to_string())?))
        };
        let layered = rooms.home.iter().chain(outside).map(open).collect::<Result<Vec<_>, _>>()?;
        let mut writable = vec![take(&rooms.work)?];
        for path in &rooms.writable {
            writable.push(take(path)?);
        }
        Ok(Self { programs, layered, writable })
    }

    fn give_back(self, layers: Vec<(PathBuf, OwnedFd)>) -> anyhow::Result<()> {
        for (path, tree) in &self.programs {
            set_mount(tree.as_fd(), Path::new(""), Mode::ReadOnly, true, true)
                .with_context(|| format!("{} cannot be made read only", path.display()))?;
            put(tree, path)?;
        }
        for (path, layer) in &layers {
            put(layer, path)?;
        }
        for (path, tree) in &self.writable {
            set_mount(tree.as_fd(), Path::new(""), Mode::Writable, false, false)
                .with_context(|| format!("{} cannot be made a room", path.display()))?;
            put(tree, path)?;
        }
        Ok(())
    }
}

/// A copy of the mounts at `path`, seen nowhere yet.
fn clone(path: &Path, deep: bool) -> anyhow::Result<OwnedFd> {
    let deep = if deep { OpenTreeFlags::AT_RECURSIVE } else { OpenTreeFlags::empty() };
    open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | deep)
        .with_context(|| format!("{} cannot be mounted", path.display()))
}

/// Puts a mount that is seen nowhere yet at `path`, which is made below a private `/tmp`.
fn put(tree: &OwnedFd, path: &Path) -> anyhow::Result<()> {
    if path.starts_with(TMP) {
        let _ = fs::create_dir_all(path);
    }
    move_mount(tree, "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .with_context(|| format!("cannot mount at {}", path.display()))
}

/// A file system in memory at `path`. Each says its share: what lies there counts as nobody's memory, and together
/// they must not use up the machine's.
fn private(path: &Path, options: &str) -> anyhow::Result<()> {
    let options = std::ffi::CString::new(options)?;
    mount("tmpfs", path, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(options.as_c_str()))
        .with_context(|| format!("{} cannot be private", path.display()))
}

/// A folder in memory that the child never sees, since its own `/tmp` is laid over it: what is written to layers,
/// and what stands in place of hidden files.
fn scratch(rooms: &Rooms) -> anyhow::Result<OwnedFd> {
    let tmp = Path::new(TMP);
    private(tmp, "mode=0700,size=30%")?;
    fs::create_dir(tmp.join("empty"))?;
    fs::write(tmp.join("nothing"), "")?;
    for (number, (_, text)) in rooms.replaced.iter().enumerate() {
        fs::write(tmp.join(format!("text{number}")), text)?;
    }
    if let Some(shown) = &rooms.shown {
        let path = tmp.join("shown").join(&shown.path);
        fs::create_dir_all(path.parent().unwrap_or(tmp))?;
        fs::write(&path, &shown.text)?;
    }
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open(tmp, flags, FileMode::empty()).context("scratch")
}

/// A discarded layer over each folder that is written to as such. Must run while the scratch folder is at `/tmp`.
fn layers(kept: &Kept, user: bool) -> anyhow::Result<Vec<(PathBuf, OwnedFd)>> {
    let mut layers = Vec::new();
    for (number, (path, tree)) in kept.layered.iter().enumerate() {
        let (upper, work) = (format!("{TMP}/upper{number}"), format!("{TMP}/work{number}"));
        fs::create_dir(&upper)?;
        fs::create_dir(&work)?;
        // The layer's own folder shows as the folder itself.
        let below = rustix::fs::fstat(tree)?;
        rustix::fs::chmod(&upper, FileMode::from_raw_mode(below.st_mode))?;
        // Whoever may not give files away has made it as the owner, or nobody here is.
        let (owner, group) = (Uid::from_raw(below.st_uid), Gid::from_raw(below.st_gid));
        let _ = rustix::fs::chown(&upper, Some(owner), Some(group));
        let layer = layer(tree, &upper, &work, user)
            .with_context(|| format!("a discarded layer over {}", path.display()))?;
        layers.push((path.clone(), layer));
    }
    Ok(layers)
}

fn layer(below: &OwnedFd, upper: &str, work: &str, user: bool) -> anyhow::Result<OwnedFd> {
    let system = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let below = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(below));
    for (key, value) in [("lowerdir", below.as_str()), ("upperdir", upper), ("workdir", work)] {
        fsconfig_set_string(&system, key, value)?;
    }
    if user {
        fsconfig_set_flag(&system, "userxattr")?;
    }
    fsconfig_create(&system)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(fsmount(&system, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// A `/dev` without disks: as root a child could write them whatever the mounts say.
fn build_devices(devices: Vec<(&str, OwnedFd)>) -> anyhow::Result<()> {
    let dev = Path::new("/dev");
    mount("tmpfs", dev, "tmpfs", MountFlags::NOSUID, Some(c"mode=0755")).context("/dev cannot be private")?;
    for (name, tree) in devices {
        let path = dev.join(name);
        fs::write(&path, "")?;
        put(&tree, &path)?;
    }
    for (name, target) in LINKS {
        symlink(target, dev.join(name))?;
    }
    for folder in ["shm", "pts"] {
        fs::create_dir(dev.join(folder))?;
    }
    private(&dev.join("shm"), "mode=1777,size=20%")?;
    // Without it only pseudo terminals are missing.
    let options = Some(c"newinstance,ptmxmode=0666,mode=0620");
    let _ = mount("devpts", "/dev/pts", "devpts", MountFlags::NOSUID | MountFlags::NOEXEC, options);
    set_mount(CWD, dev, Mode::ReadOnly, false, true).context("/dev cannot be made read only")
}

/// Makes parts of the work tree read only. The folders that lead to them become mounts too: a mount cannot be
/// renamed, so nobody moves a protected file's parent out of the way.
fn protect(rooms: &Rooms) -> anyhow::Result<()> {
    let mut parents: Vec<&Path> = Vec::new();
    for path in rooms.readonly.iter().chain(&rooms.git) {
        let between =
            path.ancestors().skip(1).take_while(|up| *up != rooms.work && up.starts_with(&rooms.work));
        parents.extend(between);
    }
    parents.sort();
    parents.dedup();
    for path in parents {
        put(&clone(path, true)?, path)?;
    }
    for path in rooms.readonly.iter().chain(&rooms.git) {
        let tree = clone(path, true)?;
        set_mount(tree.as_fd(), Path::new(""), Mode::ReadOnly, true, false)
            .with_context(|| format!("{} cannot be made read only", path.display()))?;
        put(&tree, path)?;
    }
    for path in &rooms.writable {
        if rooms.readonly.iter().any(|closed| path.starts_with(closed)) {
            let tree = clone(path, true)?;
            set_mount(tree.as_fd(), Path::new(""), Mode::Writable, false, false)
                .with_context(|| format!("{} cannot be made a room", path.display()))?;
            put(&tree, path)?;
        }
    }
    Ok(())
}

fn replace(rooms: &Rooms, scratch: &OwnedFd) -> anyhow::Result<()> {
    for (number, (path, _)) in rooms.replaced.iter().enumerate() {
        cover(path, scratch, &format!("text{number}"))?;
    }
    Ok(())
}

fn hide(path: &Path, scratch: &OwnedFd, folder: &str) -> anyhow::Result<()> {
    // What a private folder covers is gone already.
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    cover(path, scratch, if found.is_dir() { folder } else { "nothing" })
}

fn cover(path: &Path, scratch: &OwnedFd, with: &str) -> anyhow::Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(scratch, with, flags).context("scratch")?;
    set_mount(tree.as_fd(), Path::new(""), Mode::ReadOnly, false, false)?;
    move_mount(&tree, "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .with_context(|| format!("{} cannot be hidden", path.display()))
}
