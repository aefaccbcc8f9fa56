//! What tools are told where `/tmp` is out of a child's reach, those that do not ask `TMPDIR` by themselves. Must not know
//! why it is.

use std::path::Path;

const JAVA: &str = "JAVA_TOOL_OPTIONS";
const PROPERTY: &str = "-Djava.io.tmpdir=";

/// A variable in place of that of `env`: `temporary` stands for `/tmp`.
pub(super) fn told(env: &[(String, String)], temporary: &str) -> Option<(String, String)> {
    let value = |name: &str| env.iter().rfind(|(known, _)| known == name).map_or("", |(_, value)| value);
    let (path, options) = (value("PATH"), value(JAVA));
    let has_java = path.split(':').any(|folder| Path::new(folder).join("java").is_file());
    // Words of the options are told apart by spaces.
    if !has_java || options.contains(PROPERTY) || temporary.contains(char::is_whitespace) {
        return None;
    }
    Some((JAVA.to_owned(), format!("{options} {PROPERTY}{temporary}").trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_is_told_where_there_is_one() {
        let dir = tempfile::tempdir().unwrap();
        let of = |options: &str, temporary: &str| {
            let path = format!("/nowhere:{}", dir.path().display());
            let env = [("PATH".to_owned(), path), (JAVA.to_owned(), options.to_owned())];
            told(&env, temporary).map(|(_, value)| value)
        };
        assert_eq!(of("", "/tmp/x"), None);
        std::fs::write(dir.path().join("java"), "").unwrap();
        assert_eq!(of("", "/tmp/x").unwrap(), "-Djava.io.tmpdir=/tmp/x");
        assert_eq!(of("-Xmx1g", "/tmp/x").unwrap(), "-Xmx1g -Djava.io.tmpdir=/tmp/x");
        assert_eq!(of("-Djava.io.tmpdir=/own", "/tmp/x"), None);
        assert_eq!(of("", "/tmp/x y"), None);
    }
}
