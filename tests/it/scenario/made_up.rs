//! Secrets for scenarios, made when a test runs: `{{made-up github token}}` in a scenario or a script becomes a value
//! of that form, the same in every file. So nothing in the repository looks like a key.

use crate::binary::Finished;
use crate::project::{Project, collect};

/// Placeholder, what its value begins with, and what it goes on with.
const FORMS: [(&str, &str, usize); 3] = [
    ("{{made-up github token}}", "ghp_", 36),
    ("{{made-up stripe key}}", "sk_live_", 32),
    ("{{made-up secret}}", "", 40),
];

/// `text` with every placeholder filled.
pub(super) fn fill(text: &str) -> String {
    FORMS.iter().zip(values()).fold(text.to_owned(), |text, ((name, ..), value)| text.replace(name, &value))
}

fn values() -> impl Iterator<Item = String> {
    (1..).zip(FORMS).map(|(seed, (_, start, length))| {
        let mut random = fastrand::Rng::with_seed(seed);
        let rest = std::iter::repeat_with(|| random.alphanumeric()).take(length);
        start.chars().chain(rest).collect()
    })
}

/// Where made-up values are that should have stayed out: of the run's words, of `.pace`, of every object of git.
pub(super) fn leaks(project: &Project, finished: &Finished) -> Vec<String> {
    let mut problems = Vec::new();
    let mut look = |place: &str, bytes: &[u8]| {
        for ((name, ..), value) in FORMS.iter().zip(values()) {
            if bytes.windows(value.len()).any(|window| window == value.as_bytes()) {
                problems.push(format!("{place} holds {name}"));
            }
        }
    };
    look("stdout", finished.stdout.as_bytes());
    look("stderr", finished.stderr.as_bytes());
    for folder in [".pace", ".git"] {
        collect(&project.dir.join(folder), &mut |file| {
            look(&file.display().to_string(), &std::fs::read(file).unwrap_or_default());
        });
    }
    for (id, content) in project.objects() {
        look(&format!("the object {id}"), &content);
    }
    problems
}
