//! Test frameworks that `scripts/setup` installs below `tests/frameworks`, put where a project has them. Knows no
//! scenario.

use std::path::{Path, PathBuf};

/// Copies the `node_modules` of a framework into a project: a copy, for a day may try to change it.
pub(super) fn install(name: &str, project: &Path) {
    copy(&installed(&format!("{name}/node_modules")), &project.join("node_modules"));
}

/// `value` with the folder of the programs that are not written in JavaScript.
pub(super) fn filled(value: &str) -> String {
    const PLACE: &str = "{{frameworks}}";
    if !value.contains(PLACE) {
        return value.to_owned();
    }
    value.replace(PLACE, &installed("venv/bin").display().to_string())
}

fn installed(path: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frameworks").join(path);
    assert!(folder.is_dir(), "{} is missing; scripts/setup installs it", folder.display());
    folder
}

/// Links stay links: the programs of `.bin` find their packages from where they point to.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, target) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path()).unwrap(), target).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
