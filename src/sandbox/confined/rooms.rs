//! Which rooms a child of this run has: what is the project's, what is a credential's place, where tools keep
//! their caches. Looks at the file system; must not know how rooms are built.

use std::fs;
use std::path::{Path, PathBuf};

use super::order::{Rooms, Shown};
use crate::sandbox::ground::Ground;

/// Places of credentials below a home folder.
const CREDENTIALS: &[&str] = &[
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".docker",
    ".config/gcloud",
    ".config/gh",
    ".config/glab-cli",
    ".config/hub",
    ".config/git",
    ".config/containers",
    ".config/op",
    ".config/pip",
    ".config/pypoetry",
    ".config/composer/auth.json",
    ".config/rclone",
    ".config/NuGet",
    ".config/github-copilot",
    ".config/hcloud",
    ".config/doctl",
    ".config/heroku",
    ".config/helm",
    ".config/sops",
    ".config/fly",
    ".config/configstore",
    ".config/google-chrome",
    ".config/chromium",
    ".mozilla",
    ".password-store",
    ".age",
    ".oci",
    ".fly",
    ".huggingface",
    ".cache/huggingface/token",
    ".kaggle",
    ".sentryclirc",
    ".local/share/uv/credentials",
    ".local/share/fish/fish_history",
    ".local/share/containers",
    ".local/share/keyrings",
    ".git-credentials",
    ".gitconfig",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".yarnrc.yml",
    ".pypirc",
    ".pip",
    ".gem/credentials",
    ".bundle/config",
    ".composer/auth.json",
    ".cargo/credentials",
    ".cargo/credentials.toml",
    ".m2/settings.xml",
    ".m2/settings-security.xml",
    ".gradle/gradle.properties",
    ".gradle/init.gradle",
    ".gradle/init.d",
    ".nuget/NuGet",
    ".terraform.d",
    ".terraformrc",
    ".vault-token",
    ".pgpass",
    ".my.cnf",
    ".boto",
    ".s3cfg",
    ".databrickscfg",
    ".anthropic",
    ".claude",
    ".claude.json",
    ".codex",
    ".bash_history",
    ".zsh_history",
    ".python_history",
    ".psql_history",
    ".mysql_history",
];
/// The machine's own. Daemons listen below `/run`.
const MACHINE: &[&str] = &[
    "/run",
    "/var/run",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/ssh",
    "/etc/docker",
    "/etc/kubernetes",
    "/etc/rancher",
    "/etc/gitlab-runner",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/spool/cron",
    "/sys/kernel/debug",
    "/sys/kernel/tracing",
    "/sys/fs/bpf",
];
/// Where tools keep what they fetched, below a home folder.
const CACHES: &[&str] = &[
    ".cache",
    ".cargo/registry",
    ".cargo/git",
    ".m2/repository",
    ".gradle/caches",
    ".gradle/daemon",
    ".gradle/native",
    ".gradle/wrapper",
    ".gradle/notifications",
    ".npm",
    ".nuget/packages",
    ".local/share/NuGet",
    ".dotnet",
    ".yarn",
    ".pnpm-store",
    ".local/share/pnpm",
    ".local/share/uv",
    "go",
];
/// The same by the variable that moves them.
const CACHE_VARIABLES: &[&str] = &[
    "GOCACHE",
    "GOMODCACHE",
    "GOPATH",
    "GRADLE_USER_HOME",
    "UV_CACHE_DIR",
    "PIP_CACHE_DIR",
    "npm_config_cache",
    "YARN_CACHE_FOLDER",
    "COREPACK_HOME",
    "NUGET_PACKAGES",
];
/// Folders of Cargo's home that are a cache.
const CARGO: [&str; 2] = ["registry", "git"];
/// Which caches a tool fills, below a home folder.
const TOOLS: &[(&str, &[&str])] = &[
    ("cargo", &[".cargo/registry", ".cargo/git"]),
    ("go", &["go", ".cache"]),
    ("npm", &[".npm"]),
    ("npx", &[".npm"]),
    ("pnpm", &[".local/share/pnpm", ".cache"]),
    ("yarn", &[".yarn", ".cache"]),
    ("pip", &[".cache"]),
    ("uv", &[".cache", ".local/share/uv"]),
    ("poetry", &[".cache"]),
    ("mvn", &[".m2/repository"]),
    ("mvnw", &[".m2/repository"]),
    ("gradle", &[".gradle/caches", ".gradle/wrapper"]),
    ("gradlew", &[".gradle/caches", ".gradle/wrapper"]),
    ("dotnet", &[".nuget/packages", ".local/share/NuGet"]),
];
/// Which folders at the top of the work tree a tool makes. Without mounts nothing new can be made there, so pace does.
const MADE: &[(&str, &[&str])] = &[
    ("npm", &["node_modules"]),
    ("pnpm", &["node_modules"]),
    ("yarn", &["node_modules", ".yarn"]),
    ("bun", &["node_modules"]),
    ("venv", &[".venv"]),
    ("uv", &[".venv"]),
    ("poetry", &[".venv"]),
    ("bundle", &["vendor", ".bundle"]),
    ("composer", &["vendor"]),
    ("dotnet", &["obj", "bin"]),
];
/// Credentials that a variable moves out of the home folder.
const MOVED_CREDENTIALS: &[(&str, &[&str])] = &[
    ("CARGO_HOME", &["credentials", "credentials.toml"]),
    ("GRADLE_USER_HOME", &["gradle.properties", "init.gradle", "init.d"]),
    ("DOTNET_CLI_HOME", &[".nuget/NuGet"]),
];
/// Variables that say where programs are.
const PROGRAM_VARIABLES: &[&str] =
    &["JAVA_HOME", "GOROOT", "RUSTUP_HOME", "VIRTUAL_ENV", "NVM_DIR", "DOTNET_ROOT"];

impl Ground {
    /// The rooms as they are now. `temporary` stands for `/tmp` where that cannot be private. A `setup` script fills
    /// the dependency folders and the tools' caches.
    pub(super) fn rooms(&self, temporary: &Path, setup: Option<&str>) -> Rooms {
        let work = real(&self.root).unwrap_or_else(|| self.root.clone());
        let home = self
            .variable("HOME")
            .and_then(|home| real(Path::new(home)))
            .filter(|home| home.is_dir() && home.parent().is_some() && !home.starts_with(&work));
        let git = git_places(&work);
        let mut hidden: Vec<PathBuf> = MACHINE.iter().map(PathBuf::from).collect();
        hidden.extend(self.hidden.iter().cloned());
        // Also root's own, whose home a child of root could name.
        for place in home.iter().cloned().chain([PathBuf::from("/root")]) {
            hidden.extend(CREDENTIALS.iter().map(|path| place.join(path)));
        }
        for (name, files) in MOVED_CREDENTIALS {
            let place = self.variable(name).map(PathBuf::from).filter(|place| place.is_absolute());
            hidden.extend(place.iter().flat_map(|place| files.iter().map(|file| place.join(file))));
        }
        // What leads to the work tree stays: hiding it would hide the work.
        let hidden = present(hidden).into_iter().filter(|path| !work.starts_with(path)).collect();
        for place in setup.into_iter().flat_map(|script| needed(MADE, script)) {
            // It may be there.
            let _ = fs::create_dir(work.join(place));
        }
        let outside_work = |path: &PathBuf| !path.starts_with(&work) && path.is_dir();
        let caches = self.caches(home.as_deref(), setup).into_iter();
        let caches: Vec<_> = caches.filter(|path| outside_work(path) && !work.starts_with(path)).collect();
        let inside = |path: &PathBuf| path.starts_with(&work) && *path != work;
        let here = |paths: Vec<String>| {
            present(paths.iter().map(|path| work.join(path))).into_iter().filter(inside).collect::<Vec<_>>()
        };
        let mut readonly = here(self.protected.iter().cloned().chain(submodules(&work)).collect());
        let writable = if setup.is_some() {
            caches.clone()
        } else {
            let made = here(self.dependencies.folders());
            let scratch = here(self.dependencies.scratch()).into_iter();
            readonly.extend(made.iter().cloned());
            scratch.filter(|path| path.is_dir() && made.iter().any(|made| path.starts_with(made))).collect()
        };
        Rooms {
            readonly,
            replaced: configurations(&git),
            git,
            hidden,
            writable,
            caches,
            programs: self.programs().filter(|path| outside_work(path) && !work.starts_with(path)).collect(),
            home,
            work,
            temporary: temporary.to_owned(),
            shown: None,
        }
    }

    /// Where tools keep what they fetched. What the tools of a `setup` need is made, so that it lasts.
    fn caches(&self, home: Option<&Path>, setup: Option<&str>) -> Vec<PathBuf> {
        let mut caches: Vec<PathBuf> =
            home.iter().flat_map(|home| CACHES.iter().map(|path| home.join(path))).collect();
        caches.extend(CACHE_VARIABLES.iter().filter_map(|name| self.variable(name)).map(PathBuf::from));
        let cargo = self.variable("CARGO_HOME").map(PathBuf::from);
        caches.extend(cargo.iter().flat_map(|place| CARGO.map(|folder| place.join(folder))));
        if let (Some(home), Some(script)) = (home, setup) {
            for place in needed(TOOLS, script).map(|place| home.join(place)) {
                // Without it the setup fills a layer that is discarded; the next command then misses what it fetched.
                let _ = fs::create_dir_all(&place);
            }
        }
        present(caches.into_iter().filter(|path| path.is_absolute()))
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn programs(&self) -> impl Iterator<Item = PathBuf> {
        let path = self.variable("PATH").unwrap_or_default().split(':');
        let named = PROGRAM_VARIABLES.iter().filter_map(|name| self.variable(name));
        present(path.chain(named).filter(|path| path.starts_with('/')).map(PathBuf::from)).into_iter()
    }
}

/// The places that the tools of `script` need.
fn needed<'a>(
    table: &'a [(&'a str, &'a [&'a str])],
    script: &str,
) -> impl Iterator<Item = &'a &'a str> + use<'a> {
    let words: Vec<String> = script.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_owned).collect();
    let named = table.iter().filter(move |(tool, _)| words.iter().any(|word| word == tool));
    named.flat_map(|(_, places)| *places)
}

/// The file that says who resolves names, where it lies in a hidden folder: a child with network needs it.
pub(super) fn resolver(hidden: &[PathBuf]) -> Option<Shown> {
    let file = real(Path::new("/etc/resolv.conf"))?;
    let folder = hidden.iter().find(|hidden| file.starts_with(hidden))?.clone();
    let path = file.strip_prefix(&folder).ok()?.to_owned();
    Some(Shown { text: fs::read_to_string(&file).ok()?, folder, path })
}

fn real(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

/// Those that exist, links followed, each once.
fn present(paths: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = paths.into_iter().filter_map(|path| real(&path)).collect();
    found.sort();
    found.dedup();
    found
}

/// Paths of submodules. The rough reading is enough: a line too many only protects more.
fn submodules(work: &Path) -> Vec<String> {
    let text = fs::read_to_string(work.join(".gitmodules")).unwrap_or_default();
    let paths = text.lines().filter_map(|line| line.split_once('=')).filter(|(key, _)| key.trim() == "path");
    paths.map(|(_, value)| value.trim().trim_matches('"').to_owned()).collect()
}

/// Where git keeps its own of this work tree: `.git`, and what it points to in a linked work tree.
fn git_places(work: &Path) -> Vec<PathBuf> {
    let dot = work.join(".git");
    let mut places = vec![dot.clone()];
    if let Ok(text) = fs::read_to_string(&dot)
        && let Some(folder) = text.trim().strip_prefix("gitdir: ")
    {
        let folder = work.join(folder);
        if let Ok(common) = fs::read_to_string(folder.join("commondir")) {
            places.push(folder.join(common.trim()));
        }
        places.push(folder);
    }
    present(places)
}

/// Git's configuration files, and what of them a child sees: they may hold a checkout's token.
fn configurations(git: &[PathBuf]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<(PathBuf, usize)> = git.iter().map(|path| (path.clone(), 0)).collect();
    while let Some((folder, depth)) = folders.pop() {
        for name in ["config", "config.worktree"] {
            if let Some(path) = real(&folder.join(name)).filter(|path| path.is_file()) {
                let text = fs::read_to_string(&path).unwrap_or_default();
                found.push((path, harmless(&text)));
            }
        }
        let inside = if depth == 0 { folder.join("modules") } else { folder };
        if depth < 4 {
            let entries = fs::read_dir(inside).into_iter().flatten().filter_map(Result::ok);
            let entries = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let named = |entry: &fs::DirEntry| {
                !["objects", "refs", "logs", "hooks", "info"].iter().any(|name| entry.file_name() == *name)
            };
            folders.extend(entries.filter(named).map(|entry| (entry.path(), depth + 1)));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// What git must know to read the repository, and nothing that runs, redirects or opens anything.
fn harmless(config: &str) -> String {
    const CORE: &[&str] =
        &["repositoryformatversion", "filemode", "bare", "ignorecase", "symlinks", "autocrlf"];
    const EXTENSIONS: &[&str] = &["objectformat", "refstorage"];
    let mut clean = String::new();
    let mut allowed: &[&str] = &[];
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            allowed = match line.to_ascii_lowercase().as_str() {
                "[core]" => CORE,
                "[extensions]" => EXTENSIONS,
                _ => &[],
            };
            if !allowed.is_empty() {
                clean.push_str(line);
                clean.push('\n');
            }
        } else if let Some((name, value)) = line.split_once('=') {
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            let plain = value.bytes().all(|b| b.is_ascii_alphanumeric());
            if plain && allowed.contains(&name.as_str()) {
                clean.push_str(&format!("\t{name} = {value}\n"));
            }
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dependencies::Dependencies;

    #[test]
    fn a_childs_git_configuration_holds_nothing_that_acts() {
        let config = "[core]\n\trepositoryformatversion = 1\n\tbare = false\n\tfsmonitor = touch /tmp/x\n\thooksPath = /evil\n\tpager=evil\n[extensions]\n\tobjectFormat = sha256\n\tworktreeConfig = true\n[remote \"origin\"]\n\turl = https://x:token@host/\n[http \"https://host/\"]\n\textraheader = AUTHORIZATION: basic c2VjcmV0\n[include]\n\tpath = /evil\n[url \"https://evil/\"]\n\tinsteadOf = https://host/\n";
        assert_eq!(
            harmless(config),
            "[core]\n\trepositoryformatversion = 1\n\tbare = false\n[extensions]\n\tobjectformat = sha256\n"
        );
    }

    #[test]
    fn rooms_know_the_projects_own_and_a_homes_credentials() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        for path in ["home/.ssh", "home/.cache", "home/work/.git", "home/work/.pace", "home/work/src"] {
            fs::create_dir_all(base.join(path)).unwrap();
        }
        fs::write(base.join("home/.netrc"), "machine x").unwrap();
        fs::write(base.join("home/work/.git/config"), "[core]\n").unwrap();
        let home = base.join("home");
        let ground = Ground {
            root: home.join("work"),
            protected: vec![".pace".into(), "absent.yaml".into(), "../..".into()],
            hidden: vec![base.join("nowhere"), home.clone()],
            env: vec![("HOME".into(), home.display().to_string())],
            dependencies: Dependencies::default(),
        };
        let rooms = ground.rooms(&base, None);
        assert_eq!(rooms.readonly, [home.join("work/.pace")]);
        assert_eq!(rooms.git, [home.join("work/.git")]);
        assert_eq!(rooms.caches, [home.join(".cache")]);
        assert!(rooms.hidden.contains(&home.join(".ssh")) && rooms.hidden.contains(&home.join(".netrc")));
        assert!(!rooms.hidden.contains(&home));
        assert_eq!(rooms.replaced, [(home.join("work/.git/config"), "[core]\n".to_owned())]);
        assert_eq!(rooms.home, Some(home));
    }
}
