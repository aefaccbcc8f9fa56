//! A release played to its end by `scripts/release`, against a bare repository in the place of the forge and with a
//! program in the place of `gh`: two commits, three tags, files that are what the table says, and a runner that gets them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::release::{ASSETS, VERSION, field, named, read, whole};
use super::web::Web;
use super::{root, run, sha256};
use crate::binary::{Finished, own_variable};
use crate::forge::fixture::git;
use crate::project::copy;

/// What a released file of this test says when it runs.
fn content(version: &str, asset: &str) -> String {
    format!("#!/bin/sh\necho I am pace {version} of {asset}\n")
}

struct Forge {
    _scratch: tempfile::TempDir,
    home: PathBuf,
    repository: PathBuf,
    bare: PathBuf,
}

impl Forge {
    /// A forge that has commit X.
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let home = scratch.path().to_owned();
        let (repository, bare) = (home.join("repository"), home.join("acme/pace-action.git"));
        for folder in ["scripts", "templates"] {
            copy(&root().join(folder), &repository.join(folder));
        }
        for file in ["Cargo.toml", "action.yml"] {
            std::fs::copy(root().join(file), repository.join(file)).unwrap();
        }
        git(&repository, "init -q -b main");
        git(&repository, "add .");
        git(&repository, "commit -qm X");
        std::fs::create_dir_all(bare.parent().unwrap()).unwrap();
        git(&home, &format!("clone -q --bare {} {}", repository.display(), bare.display()));
        // What is there when the release is made: all files, and not yet the moving tag.
        let gh = format!(
            "echo \"$* | $(git -C {} for-each-ref --format='%(refname:short)' refs/tags | tr '\\n' ' ')\" >>{}",
            bare.display(),
            home.join("said").display()
        );
        let programs = home.join("programs");
        std::fs::create_dir_all(&programs).unwrap();
        std::fs::write(programs.join("gh"), format!("#!/bin/sh\n{gh}\n")).unwrap();
        std::fs::set_permissions(programs.join("gh"), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { _scratch: scratch, home, repository, bare }
    }

    /// As the workflow does it: the built files are sealed, and Y is published.
    fn release(&self, version: &str) -> Finished {
        let built = self.home.join(format!("built-{version}"));
        std::fs::create_dir_all(&built).unwrap();
        for asset in ASSETS {
            std::fs::write(built.join(format!("pace-{version}-{asset}")), content(version, asset)).unwrap();
            std::fs::write(built.join(format!("pace-{version}-{asset}.cdx.json")), "{}").unwrap();
        }
        let built = built.to_string_lossy().into_owned();
        let sealed = self.script("seal", &[built.clone(), "https://releases.example/download".into()]);
        assert_eq!(sealed.code, 0, "{}", sealed.transcript());
        self.script("publish", &[built])
    }

    fn script(&self, name: &str, args: &[String]) -> Finished {
        let path = format!("{}:{}", self.home.join("programs").display(), own_variable("PATH").unwrap());
        let server = format!("file://{}", self.home.display());
        let given = [
            ("PATH", path.as_str()),
            ("GITHUB_SERVER_URL", server.as_str()),
            ("GITHUB_REPOSITORY", "acme/pace-action"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
        ];
        run(&self.repository.join("scripts/release").join(name), args, &self.home, &self.home, &given)
    }

    fn at(&self, name: &str) -> String {
        git(&self.bare, &format!("rev-parse {name}"))
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.home.join("said")).unwrap_or_default()
    }

    /// What somebody gets who follows `tag`.
    fn checked_out(&self, tag: &str) -> PathBuf {
        let folder = self.home.join(format!("at-{tag}"));
        git(&self.home, &format!("clone -q -b {tag} {} {}", self.bare.display(), folder.display()));
        folder
    }
}

#[test]
fn a_release_is_two_commits_and_runs_from_its_moving_tag() {
    let forge = Forge::new();
    let (x, moving) = (forge.at("main"), format!("v{}", VERSION.split('.').next().unwrap()));
    let published = forge.release(VERSION);
    assert_eq!(published.code, 0, "{}", published.transcript());

    // Y adds the checksums to X and nothing else; every tag is Y.
    let tag = format!("v{VERSION}");
    let y = forge.at(&tag);
    assert_eq!(git(&forge.bare, &format!("rev-parse {y}^")), x);
    assert_eq!(
        git(&forge.bare, &format!("diff --name-only {x} {y}")),
        "scripts/checksums.txt\ntemplates/pace.yml"
    );
    assert!(git(&forge.bare, &format!("log -1 --format=%b {y}")).contains(&x), "Y names what was built");
    assert_eq!([forge.at(VERSION), forge.at(&moving)], [y.clone(), y.clone()]);
    assert_eq!(forge.at("main"), x, "a branch is not touched");

    // The release has every file, and was made before anybody could follow the moving tag.
    let said = forge.said();
    let made = said.lines().find(|line| line.starts_with("release create")).unwrap();
    let (call, tags) = made.split_once(" | ").unwrap();
    assert!(call.starts_with(&format!("release create {tag} --verify-tag")), "{call}");
    for file in whole(VERSION) {
        assert!(call.contains(&format!("/{file} ")) && call.contains(&format!("/{file}.cdx.json")), "{call}");
    }
    let tags: Vec<_> = tags.split(' ').collect();
    assert!(tags.contains(&tag.as_str()) && !tags.contains(&moving.as_str()), "{tags:?}");

    // Tag version, file names and table are of one piece, in the action and in the component.
    let action = forge.checked_out(&moving);
    let table = read(&action, "scripts/checksums.txt");
    assert_eq!(field(&table, "version"), VERSION);
    assert_eq!(named(&table, VERSION), whole(VERSION));
    for asset in ASSETS {
        let row = format!("{}  pace-{VERSION}-{asset}\n", sha256(content(VERSION, asset).as_bytes()));
        assert!(table.contains(&row), "{table}");
        assert!(read(&action, "templates/pace.yml").contains(row.trim_end()), "{row}");
    }

    // And a runner gets the very file that was built.
    let asset = format!("{}-linux", std::env::consts::ARCH);
    let mirror =
        Web::start([(format!("/v{VERSION}/pace-{VERSION}-{asset}"), content(VERSION, &asset).into_bytes())]);
    let got = installed(&forge.home, &action, &mirror.url());
    assert_eq!(got.code, 0, "{}", got.transcript());
    assert_eq!(got.stdout, format!("I am pace {VERSION} of {asset}\n"));
}

#[test]
fn a_release_that_exists_is_never_moved_and_the_next_one_keeps_it() {
    let forge = Forge::new();
    assert_eq!(forge.release(VERSION).code, 0);
    let (tag, moving) = (format!("v{VERSION}"), format!("v{}", VERSION.split('.').next().unwrap()));
    let first = forge.at(&tag);

    // The same version from another commit: nothing happens, nothing is made.
    git(&forge.repository, "reset -q --hard HEAD^");
    git(&forge.repository, &format!("tag -d {tag}"));
    git(&forge.repository, "commit -q --allow-empty -m another");
    let said = forge.said();
    let again = forge.release(VERSION);
    assert_ne!(again.code, 0, "{}", again.transcript());
    assert_eq!(
        [forge.at(&tag), forge.at(VERSION), forge.at(&moving)],
        [first.clone(), first.clone(), first.clone()]
    );
    assert_eq!(forge.said().matches("release create").count(), said.matches("release create").count());

    // The next version: the moving tag follows, the old release can still be named.
    git(&forge.repository, "reset -q --hard");
    git(&forge.repository, &format!("fetch -q --tags --force {}", forge.bare.display()));
    git(&forge.repository, &format!("reset -q --hard {tag}^"));
    let next = {
        let (head, patch) = VERSION.rsplit_once('.').unwrap();
        format!("{head}.{}", patch.parse::<u32>().unwrap() + 1)
    };
    let manifest = read(&forge.repository, "Cargo.toml");
    let manifest =
        manifest.replacen(&format!("version = \"{VERSION}\""), &format!("version = \"{next}\""), 1);
    std::fs::write(forge.repository.join("Cargo.toml"), manifest).unwrap();
    git(&forge.repository, "commit -qam next");
    let published = forge.release(&next);
    assert_eq!(published.code, 0, "{}", published.transcript());
    assert_eq!(forge.at(&tag), first);
    assert_eq!(forge.at(&moving), forge.at(&format!("v{next}")));
    let table = read(&forge.checked_out(&moving), "scripts/checksums.txt");
    assert_eq!((named(&table, &next), named(&table, VERSION)), (whole(&next), whole(VERSION)));
}

/// A commit that is no release has no file to fetch, and says what to do instead.
#[test]
fn without_a_release_nothing_is_fetched_and_the_mend_is_said() {
    let scratch = tempfile::tempdir().unwrap();
    copy(&root().join("scripts"), &scratch.path().join("scripts"));
    let none = "version none\nfrom none\n";
    std::fs::write(scratch.path().join("scripts/checksums.txt"), none).unwrap();
    let mirror = Web::start([]);
    let got = installed(scratch.path(), scratch.path(), &mirror.url());
    assert_eq!(got.code, 2, "{}", got.transcript());
    assert!(got.stderr.contains("use a tag such as v1, or the input binary"), "{}", got.transcript());
    assert_eq!(mirror.asked().len(), 0);
}

/// Runs what `scripts/install.sh` of `action` gets from `mirror`.
fn installed(home: &Path, action: &Path, mirror: &str) -> Finished {
    let script = format!(
        "set -eu; . {0}/scripts/install.sh; table=$(cat {0}/scripts/checksums.txt); into={1}/into; install_pace; exec \"$pace\"",
        action.display(),
        home.display()
    );
    let given = [("want_binary", ""), ("want_version", ""), ("want_mirror", mirror)];
    run("sh".as_ref(), &["-c".into(), script], home, home, &given)
}
