//! Errors by phase; each phase has an exit code of its own. A HOLD is a result, never an error.

use crate::repo::RepoError;

/// Why a run ended without an outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Settings, credentials, repository, trigger or test runner: all problems at once.
    #[error("{}", list(.0))]
    Config(Vec<String>),
    /// The plan: all problems at once.
    #[error("{}", list(.0))]
    Plan(Vec<String>),
    /// No verdict was reached.
    #[error("{0:#}")]
    Abort(anyhow::Error),
    /// Ended by a signal; holds the exit code (130 or 143).
    #[error("interrupted: all that was done is kept, and the next run of the day resumes here")]
    Signal(u8),
}

impl Error {
    /// A single configuration problem.
    pub(crate) fn config(problem: impl Into<String>) -> Self {
        Self::Config(vec![problem.into()])
    }

    /// A single plan problem.
    pub(crate) fn plan(problem: impl Into<String>) -> Self {
        Self::Plan(vec![problem.into()])
    }
}

fn list(problems: &[String]) -> String {
    problems.join("\n")
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::Abort(error)
    }
}

impl From<RepoError> for Error {
    fn from(error: RepoError) -> Self {
        match error {
            RepoError::Unusable(problem) => Self::config(problem),
            RepoError::Conflict { .. } => Self::plan(error.to_string()),
            RepoError::Push { .. } | RepoError::Behind { .. } => Self::Abort(error.into()),
            RepoError::Other(error) => Self::Abort(error),
        }
    }
}
