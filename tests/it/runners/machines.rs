//! Machines that are not here: which file of a release each gets, and what those hear that get none. The system's word is
//! a program's in the place of `uname`; what is fetched is a stand-in.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::web::Web;
use super::{run, sha256, shipped};
use crate::binary::{Finished, own_variable};

/// A step that fetches, on a `system` with a `machine`, for a run with `given`.
struct Runner<'a> {
    home: &'a Path,
    action: &'a Path,
    mirror: &'a str,
}

impl Runner<'_> {
    fn fetch(&self, (system, machine): (&str, &str), given: &[(&str, &str)]) -> (Finished, String) {
        let programs = self.home.join("programs");
        std::fs::create_dir_all(&programs).unwrap();
        let word = format!("#!/bin/sh\n[ \"$1\" = -s ] && echo {system} || echo {machine}\n");
        std::fs::write(programs.join("uname"), word).unwrap();
        std::fs::set_permissions(programs.join("uname"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let output = self.home.join("output");
        std::fs::write(&output, "").unwrap();
        let path = format!("{}:{}", programs.display(), own_variable("PATH").unwrap());
        let mut env = vec![
            ("PATH", path.as_str()),
            ("GITHUB_ACTION_PATH", self.action.to_str().unwrap()),
            ("GITHUB_OUTPUT", output.to_str().unwrap()),
            ("RUNNER_TEMP", self.home.to_str().unwrap()),
            ("FAIL_ON", "hold"),
            ("VERB", "run"),
            ("SANDBOX", ""),
            ("STAGE", ""),
            ("want_binary", ""),
            ("want_version", ""),
            ("want_mirror", self.mirror),
        ];
        env.extend(given);
        let step = self.action.join("scripts/action/fetch.sh").to_string_lossy().into_owned();
        let finished = run("sh".as_ref(), &[step], self.home, self.home, &env);
        (finished, std::fs::read_to_string(output).unwrap())
    }
}

#[test]
fn every_machine_gets_its_own_file_or_is_told_what_to_do() {
    let action = shipped();
    let assets = ["aarch64-linux", "aarch64-macos", "x86_64-linux", "x86_64-macos"];
    let name = |asset: &str| format!("pace-9.9.9-{asset}");
    let rows = assets.map(|asset| format!("{}  {}\n", sha256(asset.as_bytes()), name(asset)));
    let table = format!("version 9.9.9\nfrom https://releases.invalid/download\n{}", rows.concat());
    std::fs::write(action.path().join("scripts/checksums.txt"), table).unwrap();
    let mirror =
        Web::start(assets.map(|asset| (format!("/v9.9.9/{}", name(asset)), asset.as_bytes().to_vec())));
    let url = mirror.url();
    let scratch = tempfile::tempdir().unwrap();
    let runner = Runner { home: scratch.path(), action: action.path(), mirror: &url };
    let off = [("SANDBOX", "off")];
    for (machine, given, asset) in [
        (("Linux", "x86_64"), &[][..], "x86_64-linux"),
        (("Linux", "aarch64"), &[], "aarch64-linux"),
        (("Linux", "arm64"), &[], "aarch64-linux"),
        (("Darwin", "arm64"), &off[..], "aarch64-macos"),
        (("Darwin", "x86_64"), &off, "x86_64-macos"),
        (("Darwin", "arm64"), &[("VERB", "check")], "aarch64-macos"),
        (("Darwin", "arm64"), &[("VERB", "demo")], "aarch64-macos"),
        (("Darwin", "arm64"), &[("VERB", "status")], "aarch64-macos"),
        (("Darwin", "arm64"), &[("STAGE", "publish")], "aarch64-macos"),
    ] {
        let (fetched, output) = runner.fetch(machine, given);
        assert_eq!(fetched.code, 0, "{machine:?} {given:?}: {}", fetched.transcript());
        let path = output.trim().strip_prefix("pace=").unwrap();
        assert!(path.ends_with(&name(asset)), "{machine:?}: {path}");
        assert_eq!(std::fs::read(path).unwrap(), asset.as_bytes());
    }
    let asked = mirror.asked().len();
    for (machine, given, said) in [
        (("Darwin", "arm64"), &[][..], "use a Linux runner, or say sandbox: off"),
        (("Darwin", "arm64"), &[("STAGE", "work")], "use a Linux runner, or say sandbox: off"),
        (("FreeBSD", "amd64"), &[], "there is no binary for FreeBSD; use a Linux runner"),
        (("MINGW64_NT-10.0", "x86_64"), &[], "use a Linux runner, which may be a container or WSL"),
        (("Linux", "riscv64"), &[], "build one and name it with the input binary"),
    ] {
        let (refused, output) = runner.fetch(machine, given);
        assert_eq!((refused.code, output.as_str()), (2, ""), "{machine:?}: {}", refused.transcript());
        assert!(refused.stderr.contains(&format!("::error title=pace::")), "{}", refused.transcript());
        assert!(refused.stderr.contains(said), "{machine:?}: {}", refused.transcript());
    }
    assert_eq!(mirror.asked().len(), asked, "nothing is fetched for them");
}
