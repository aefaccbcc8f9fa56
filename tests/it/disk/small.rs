//! The same on a real file system that is too small: a tmpfs in a mount namespace of its own.

use std::path::Path;

use super::{Ill, bore, left, mended, model, project, variables, whole};
use crate::binary::{Finished, PACE, Pace};

/// What the small disk lacks.
#[derive(Debug, Clone, Copy)]
enum Lack {
    /// So many KiB are free.
    Space(u32),
    /// So many more files can be made.
    Inodes(u32),
    Rights,
}

/// Mounts the disk, moves the project there, runs the day, makes room, and runs it again; the project comes back.
const SCRIPT: &str = r#"
mount -t tmpfs -o size=48m,nr_inodes=4000 none "$DISK" || exit 97
mkdir "$DISK/greeter" && cp -a "$FROM/." "$DISK/greeter/" && cd "$DISK/greeter" || exit 96
case $LACK in
    space) head -c $(( ($(df -Pk . | awk 'NR == 2 { print $4 }') - LEFT) * 1024 )) /dev/zero >"$DISK/filler" ;;
    inodes)
        mkdir "$DISK/fill"
        seq $(( $(df -Pi . | awk 'NR == 2 { print $4 }') - LEFT )) | (cd "$DISK/fill" && xargs touch) ;;
    rights) mount -o remount,ro "$DISK" ;;
esac
"$PACE"
echo "--- first exit $?"
case $LACK in
    rights) mount -o remount,rw "$DISK" ;;
    *) rm -rf "$DISK/filler" "$DISK/fill" ;;
esac
"$PACE"
code=$?
cp -a "$DISK/greeter/." "$BACK/"
exit $code
"#;

/// Both runs; the code of the first.
fn on_small_disk(lack: Lack) -> (Vec<String>, Finished, tempfile::TempDir, usize) {
    let (project, server) = (project(), model());
    let (disk, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (name, number) = match lack {
        Lack::Space(kib) => ("space", kib),
        Lack::Inodes(files) => ("inodes", files),
        Lack::Rights => ("rights", 0),
    };
    let shown = |path: &Path| path.display().to_string();
    let root = rustix::process::geteuid().is_root();
    let namespaces = if root { vec!["-m"] } else { vec!["-m", "--map-root-user"] };
    let both = Pace::new(&project.dir, &project.home)
        .by("unshare", namespaces.into_iter().chain(["sh", "-c", SCRIPT]))
        .env(variables(&server, &project.home))
        .env([
            ("DISK", shown(disk.path())),
            ("FROM", shown(&project.dir)),
            ("BACK", shown(back.path())),
            ("LACK", name.to_owned()),
            ("LEFT", number.to_string()),
            ("PACE", PACE.to_owned()),
        ])
        .run();
    let problem =
        "this machine mounts no tmpfs: run these tests as root, or where user namespaces are allowed";
    assert!(
        !matches!(both.code, 1 | 96 | 97) || both.stdout.contains("--- first exit"),
        "{problem}\n{}",
        both.transcript()
    );
    let first =
        both.stdout.split("--- first exit ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    let first = Finished { code: first.unwrap_or(-1), ..both.clone() };
    let ill = if matches!(lack, Lack::Rights) { Ill::ReadOnly } else { Ill::Full };
    let problems = bore(&first, ill);
    (problems, both, back, server.calls().values().sum())
}

#[test]
fn a_disk_that_is_too_small_costs_nothing_twice() {
    let whole = whole();
    let space = [0, 8, 16, 24, 40, 64, 96, 128, 160, 200, 240, 300, 400].map(Lack::Space);
    let inodes = [0, 3, 8, 15, 25, 40, 60].map(Lack::Inodes);
    let cases: Vec<Lack> = space.into_iter().chain(inodes).chain([Lack::Rights]).collect();
    let (mut failures, mut bitten) = (Vec::new(), 0);
    for lack in &cases {
        let (mut problems, both, back, calls) = on_small_disk(*lack);
        bitten += usize::from(!both.stdout.contains("--- first exit 0"));
        if both.code != 0 {
            problems.push(format!("then exit {}", both.code));
        }
        problems.extend(mended(&whole, back.path(), calls));
        problems.extend(super::torn(back.path()));
        if !problems.is_empty() {
            let kept = left(back.path()).len();
            failures.push(format!(
                "\n===== {lack:?}, {kept} files\n{}\n{}",
                problems.join("\n"),
                both.transcript()
            ));
        }
    }
    println!("{} small disks, {bitten} of them too small", cases.len());
    assert!(failures.is_empty(), "{} of {}:{}", failures.len(), cases.len(), failures.concat());
    assert!(bitten * 2 > cases.len(), "only {bitten} of {} were too small", cases.len());
}
