//! What pace's own references are called. Pure.

use sha2::{Digest as _, Sha256};

/// Characters of a sprint's name in a reference.
const SLUG: usize = 60;

/// The names of a day's reference of `kind` (`lock`, `journal`), best first: one that no clone has and no CI sees, and
/// a branch for a forge that takes nothing else.
pub(crate) fn names(kind: &str, sprint: &str, day: u32) -> [String; 2] {
    let name = slug(sprint);
    [format!("refs/pace/{kind}/{name}/day-{day}"), format!("refs/heads/pace-{kind}/{name}/day-{day}")]
}

/// `sprint` as one part of a reference's name; different sprints have different ones.
fn slug(sprint: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
    let slug: String = sprint.chars().map(plain).take(SLUG).collect();
    if slug == sprint && !slug.is_empty() {
        return slug;
    }
    let digest = Sha256::digest(sprint.as_bytes());
    digest.iter().take(4).fold(slug + "-", |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sprint_has_references_of_its_own() {
        let [own, branch] = names("lock", "spring-1", 3);
        assert_eq!(own, "refs/pace/lock/spring-1/day-3");
        assert_eq!(branch, "refs/heads/pace-lock/spring-1/day-3");
        let mut seen = std::collections::BTreeSet::new();
        for sprint in ["pace/sprint", "pace-sprint", "pace.sprint", "", "..", "Früh ling", &"x".repeat(300)]
        {
            let [name, branch] = names("lock", sprint, 1);
            assert!(
                git2::Reference::is_valid_name(&name) && git2::Reference::is_valid_name(&branch),
                "{name}"
            );
            assert!(seen.insert(name));
        }
    }
}
