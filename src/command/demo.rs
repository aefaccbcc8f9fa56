//! `pace demo`: a complete sprint day in a fresh repository, with the local platform and a recorded model. No key,
//! no network; the project tests itself with `sh` alone.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context as _;

use super::results::Results;
use super::{Exit, Invocation};
use crate::domain::event::{Event, Events as _, Level};
use crate::error::Error;
use crate::evidence::scan;
use crate::prompt::EMBEDDED;
use crate::secret::Redactor;

/// Files of the demo's project, below `templates/demo/project/`.
const PROJECT: [&str; 5] =
    [".github/workflows/test.yml", "README.md", "plan.yaml", "src/greet.sh", "test.sh"];

/// Runs the demo; the exit code of its day.
pub(crate) async fn demo(invocation: &Invocation) -> Exit {
    let own = invocation.variable("PACE_TEMPLATES_DIR");
    let dir =
        tempfile::Builder::new().prefix("pace-demo-").tempdir().map_err(|e| Error::Abort(e.into()))?.keep();
    let project = dir.join("project");
    lay_out(own.as_deref().map(Path::new), &dir, &project).map_err(Error::Abort)?;

    let inside = Invocation {
        environment: environment(invocation, &dir),
        dir: project.clone(),
        started: invocation.started,
        holding: invocation.holding.clone(),
    };
    let settings = inside.settings()?;
    let redactor = Redactor::default().with_patterns(scan::redact);
    let terminal = inside.terminal(settings.ci.log_style, redactor.clone());
    let say = |text: String| terminal.emit(Event::Notice { level: Level::Info, text });
    say(format!("A demo day in {}: the model is a recording, all else is real", project.display()));
    let mut results = Results::default();
    let code = super::run::run_in(&settings, &inside, &terminal, redactor, &mut results).await?;
    say(format!("Look around: {}", project.join(".pace/day-1").display()));
    Ok(code)
}

fn lay_out(own: Option<&Path>, dir: &Path, project: &Path) -> anyhow::Result<()> {
    let write = |path: &Path, name: &str| {
        let folder = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(path, part(own, name)?))
            .with_context(|| format!("cannot write {}", path.display()))
    };
    write(&dir.join("recording.yaml"), "recording.yaml")?;
    for path in PROJECT {
        write(&project.join(path), &format!("project/{path}"))?;
    }
    crate::repo::init(project, "main", "Greet the world")
}

/// A file of the demo: the user's own below their templates folder, else the embedded one.
fn part(own: Option<&Path>, name: &str) -> std::io::Result<Vec<u8>> {
    let name = format!("demo/{name}");
    match own.map(|folder| folder.join(&name)).filter(|path| path.is_file()) {
        Some(path) => std::fs::read(path),
        None => Ok(EMBEDDED.get_file(&name).map(|file| file.contents().to_vec()).unwrap_or_default()),
    }
}

/// The demo's settings, and what a shell needs to be found.
fn environment(invocation: &Invocation, dir: &Path) -> Vec<(OsString, OsString)> {
    let recording = dir.join("recording.yaml");
    let kept = [
        "PATH",
        "HOME",
        "TMPDIR",
        "LANG",
        "LC_ALL",
        "NO_COLOR",
        "PACE_TEMPLATES_DIR",
        "PACE_LOG",
        "PACE_SANDBOX",
    ];
    let mut environment: Vec<(OsString, OsString)> =
        invocation.environment.iter().filter(|(name, _)| kept.iter().any(|k| name == k)).cloned().collect();
    for (name, value) in [
        ("DAY", "1"),
        ("PACE_LLM_PROVIDER", "replay"),
        ("PACE_LLM_BASE_URL", recording.to_string_lossy().as_ref()),
        ("PACE_MODEL", "claude-sonnet-4-6"),
        ("PACE_MAX_RETRIES", "0"),
        ("PACE_PLATFORM", "local"),
        ("PACE_PRODUCT_NAME", "greet"),
        ("PACE_SOURCE_DIRS", "src,tests"),
        ("PACE_TEST_COMMAND", "sh test.sh"),
    ] {
        environment.push((name.into(), value.into()));
    }
    environment
}
