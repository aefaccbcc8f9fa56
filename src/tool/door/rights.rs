//! Which names may be written: a pure rule over names. What a name turns out to be on the disk is the
//! door's own business.

use super::Name;
use crate::domain::dependencies::Dependencies;
use crate::domain::own;

/// The context documents, which the agent that keeps the docs may write.
const CONTEXT: [&str; 4] = [
    ".pace/context/engineering.md",
    ".pace/context/security.md",
    ".pace/context/devops.md",
    ".pace/context/product.md",
];

/// CI definitions and pace's own folder: written only where the operator names them, not by way of `.`.
const NAMED_ONLY: [(&str, &str); 10] = [
    (".github/workflows", "a CI definition"),
    (".github/actions", "a CI definition"),
    (".gitlab-ci.yml", "a CI definition"),
    (".gitlab/ci", "a CI definition"),
    ("Jenkinsfile", "a CI definition"),
    ("bitbucket-pipelines.yml", "a CI definition"),
    (".circleci", "a CI definition"),
    ("azure-pipelines.yml", "a CI definition"),
    ("azure-pipelines.yaml", "a CI definition"),
    ("pace", "pace's own configuration"),
];

/// What may be written through a door.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rights {
    writable: Vec<Name>,
    closed: Vec<Name>,
    named_only: Vec<(Name, &'static str)>,
    /// The context documents and the README at the root.
    docs: bool,
    made: Dependencies,
}

impl Rights {
    /// Reading only.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Writing below `folders` (`.` for all), but nothing that is one of `protected` or lies below: the plan,
    /// templates, dependency folders. An `Err` names an entry that is no path below the root.
    pub(crate) fn source(folders: &[String], protected: &[String]) -> Result<Self, String> {
        let parse = |all: &[String]| all.iter().map(|one| Name::parse(one)).collect::<Result<Vec<_>, _>>();
        let own: Vec<String> = own::closed().map(str::to_owned).collect();
        Ok(Self {
            writable: parse(folders)?,
            closed: [parse(&own)?, parse(protected)?].concat(),
            named_only: NAMED_ONLY
                .iter()
                .map(|&(one, what)| Ok((Name::parse(one)?, what)))
                .collect::<Result<_, String>>()?,
            docs: false,
            made: Dependencies::default(),
        })
    }

    /// The same without the folders of dependencies, also those that are made later.
    pub(crate) fn leaving_alone(self, made: &Dependencies) -> Self {
        Self { made: made.clone(), ..self }
    }

    /// Writing the context documents, the README at the root and what lies below `folder`.
    pub(crate) fn docs(folder: Option<&str>, protected: &[String]) -> Result<Self, String> {
        let folders: Vec<String> = folder.iter().map(|&one| one.to_owned()).collect();
        Ok(Self { docs: true, ..Self::source(&folders, protected)? })
    }

    /// Takes the folders that a `.gitmodules` names out of what may be written. The rough reading is enough:
    /// a line too many only protects more.
    pub(super) fn protect_submodules(&mut self, gitmodules: &str) {
        let paths = gitmodules.lines().filter_map(|line| {
            let (key, value) = line.split_once('=')?;
            let value = value.trim().trim_matches('"');
            (key.trim().eq_ignore_ascii_case("path")).then(|| Name::parse(value).ok())?
        });
        self.closed.extend(paths.filter(|path| !path.parts().is_empty()));
    }

    /// Why `name` may not be written; `None` where it may.
    pub(crate) fn refusal(&self, name: &Name) -> Option<String> {
        if name.is_in_git() {
            return Some("`.git` is neither read nor written".to_owned());
        }
        if name.has_invisible() {
            return Some("the name has characters that people do not see".to_owned());
        }
        if self.docs && CONTEXT.contains(&name.to_string().as_str()) {
            return None;
        }
        if let Some(closed) = self.closed.iter().find(|closed| name.may_be_within(closed)) {
            return Some(format!("`{closed}` is protected"));
        }
        let readme = self.docs && is_readme(name);
        let made = self
            .made
            .folders()
            .into_iter()
            .find(|folder| Name::parse(folder).is_ok_and(|folder| name.may_be_within(&folder)));
        if let Some(folder) = made {
            return Some(format!(
                "`{folder}` holds dependencies; change the manifest, and pace installs them before the next test run"
            ));
        }
        let mut granting = self.writable.iter().filter(|folder| name.is_within(folder)).peekable();
        if granting.peek().is_none() && !readme {
            return Some(self.outside());
        }
        let (closed, what) = self.named_only.iter().find(|(closed, _)| name.may_be_within(closed))?;
        let named = granting.any(|folder| !folder.parts().is_empty());
        (!named).then(|| {
            format!("it is {what} (`{closed}`), which is written only where the operator names it as a source folder")
        })
    }

    fn outside(&self) -> String {
        let mut places: Vec<String> = self.writable.iter().map(|one| format!("`{one}`")).collect();
        if self.docs {
            places.push("the context documents in `.pace/context`".to_owned());
            places.push("the README".to_owned());
        }
        if places.is_empty() {
            return "nothing may be written here".to_owned();
        }
        format!("only these places may be: {}", places.join(", "))
    }
}

/// `README`, `README.md`, `readme.rst`, `README.de.md` at the root.
fn is_readme(name: &Name) -> bool {
    let [only] = name.parts() else { return false };
    let lower = only.to_lowercase();
    lower == "readme" || lower.starts_with("readme.")
}
