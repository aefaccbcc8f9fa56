//! What tools are told where git is out of a child's reach, so that they do without. Must not know why it is.

use std::path::Path;

/// The first Go that stamps binaries with git's word, and fails where git does.
const STAMPS: u32 = 18;
const STAMPING: &str = "-buildvcs";

/// Variables beside those of `env`, or in their place.
pub(super) fn told(env: &[(String, String)]) -> Vec<(String, String)> {
    let value = |name: &str| env.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
    let (path, flags) = (value("PATH"), value("GOFLAGS"));
    // An older one takes no flag that it does not know.
    if flags.contains(STAMPING) || path.split(':').find_map(go_at).is_none_or(|minor| minor < STAMPS) {
        return vec![];
    }
    vec![("GOFLAGS".to_owned(), format!("{flags} {STAMPING}=false").trim().to_owned())]
}

/// The second number of the version of the Go whose program lies in `folder`.
fn go_at(folder: &str) -> Option<u32> {
    let program = std::fs::canonicalize(Path::new(folder).join("go")).ok()?;
    let text = std::fs::read_to_string(program.parent()?.parent()?.join("VERSION")).ok()?;
    let minor = text.strip_prefix("go1.")?.split(|c: char| !c.is_ascii_digit()).next()?;
    minor.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_go_that_stamps_is_told_not_to() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::write(bin.join("go"), "").unwrap();
        let of = |version: &str, flags: &str| {
            std::fs::write(dir.path().join("VERSION"), version).unwrap();
            let path = format!("/nowhere:{}", bin.display());
            told(&[("PATH".into(), path), ("GOFLAGS".into(), flags.into())]).pop().map(|(_, value)| value)
        };
        assert_eq!(of("go1.19.8\n", "").unwrap(), "-buildvcs=false");
        assert_eq!(of("go1.24.1\ntime 2025\n", "-mod=mod").unwrap(), "-mod=mod -buildvcs=false");
        assert_eq!(of("go1.17.13", ""), None);
        assert_eq!(of("devel", ""), None);
        assert_eq!(of("go1.22", "-buildvcs=auto"), None);
    }
}
