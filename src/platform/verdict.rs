//! Jobs of a commit → what the CI says of it. Pure; each forge translates its own words into [`Stand`].

use crate::domain::observation::CiState;

/// How a single job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    Good,
    Bad,
    Pending,
    /// Goes on only when a person does something.
    Waits,
    /// Says nothing, e.g. skipped as a whole.
    Void,
}

/// One job, run or status of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub name: String,
    pub stand: Stand,
    /// The forge's own word, for people.
    pub word: String,
    pub url: Option<String>,
}

/// What can be said now; `None` = wait on.
///
/// A failure counts at once. A job that waits for a person counts only when nothing else is on its way any more: what
/// still runs may yet fail. No job at all is nothing to say.
pub(super) fn settled(jobs: &[Job]) -> Option<CiState> {
    let of = |stand| jobs.iter().filter(move |job| job.stand == stand);
    if let Some(bad) = of(Stand::Bad).next() {
        return Some(CiState::Red { job: bad.name.clone(), url: bad.url.clone() });
    }
    if of(Stand::Pending).next().is_some() {
        return None;
    }
    let waiting: Vec<_> = of(Stand::Waits).map(|job| format!("{} ({})", job.name, job.word)).collect();
    if !waiting.is_empty() {
        return Some(CiState::NeedsHuman { detail: format!("waits for a person: {}", waiting.join(", ")) });
    }
    let good: Vec<_> = of(Stand::Good).map(|job| job.name.clone()).collect();
    (!good.is_empty()).then_some(CiState::Green { jobs: good })
}

/// Names of the jobs that still run.
pub(super) fn pending(jobs: &[Job]) -> Vec<String> {
    jobs.iter().filter(|job| job.stand == Stand::Pending).map(|job| job.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs(stands: &[(&str, Stand)]) -> Vec<Job> {
        stands
            .iter()
            .map(|(name, stand)| Job {
                name: (*name).into(),
                stand: *stand,
                word: "manual".into(),
                url: None,
            })
            .collect()
    }

    #[test]
    fn table() {
        use Stand::{Bad, Good, Pending, Void, Waits};
        let green =
            |names: &[&str]| Some(CiState::Green { jobs: names.iter().map(ToString::to_string).collect() });
        let red = |job: &str| Some(CiState::Red { job: job.into(), url: None });
        let human = || Some(CiState::NeedsHuman { detail: "waits for a person: w (manual)".into() });
        for (given, expected) in [
            (vec![], None),
            (vec![("a", Void)], None),
            (vec![("a", Good), ("b", Good)], green(&["a", "b"])),
            (vec![("a", Good), ("v", Void)], green(&["a"])),
            (vec![("a", Good), ("b", Pending)], None),
            (vec![("b", Pending), ("x", Bad)], red("x")),
            (vec![("w", Waits), ("b", Pending)], None),
            (vec![("w", Waits), ("x", Bad)], red("x")),
            (vec![("w", Waits), ("a", Good)], human()),
            (vec![("w", Waits)], human()),
        ] {
            assert_eq!(settled(&jobs(&given)), expected, "{given:?}");
        }
    }
}
