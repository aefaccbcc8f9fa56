//! The story card of a dry run, as YAML for people and pipes. Knows no store: the artifact itself is written
//! elsewhere, to the letter.

use std::io::Write;

use crate::domain::artifact::StoryCard;
use crate::prompt::plain::visible;

use super::log;

/// Writes `card` as YAML. Text that a log would read as a command is broken, hidden characters are left out.
pub(crate) fn write(out: &mut dyn Write, card: &StoryCard) -> anyhow::Result<()> {
    let yaml = serde_yaml::to_string(card)?;
    for line in visible(&yaml).lines() {
        writeln!(out, "{}", log::tame(line))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Agent;
    use crate::domain::artifact::StoryCardStory;

    fn card(title: &str) -> StoryCard {
        StoryCard {
            day: 1,
            agent: Agent::Prime,
            theme: "User model and password hashing".into(),
            stories: vec![StoryCardStory {
                title: title.into(),
                acceptance_criteria: vec!["User.create() stores bcrypt-hashed password".into()],
                out_of_scope: vec!["OAuth / social login".into()],
            }],
            carried: vec![],
        }
    }

    #[test]
    fn the_card_reads_as_the_artifact() {
        let mut out = Vec::new();
        let card = card("Secure user creation");
        write(&mut out, &card).unwrap();
        let text = String::from_utf8(out).unwrap();
        insta::assert_snapshot!("story_card", text);
        assert_eq!(serde_saphyr::from_str::<StoryCard>(&text).unwrap(), card);
    }

    #[test]
    fn a_hostile_title_starts_no_command() {
        let mut out = Vec::new();
        write(&mut out, &card("a\n::error::x\n##[error]y\u{202e}\x1b[31m")).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|l| !l.trim_start().starts_with("::")), "{text}");
        assert!(!text.contains("##[") && !text.contains(['\x1b', '\u{202e}']), "{text}");
    }
}
