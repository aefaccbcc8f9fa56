//! (interim)
pub(crate) fn text(c: &crate::domain::artifact::StoryCard) -> anyhow::Result<String> {
    Ok(serde_yaml::to_string(c)?)
}
