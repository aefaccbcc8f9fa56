//! The commit status `pace`.

use futures_util::future::BoxFuture;
use reqwest::Method;
use serde_json::json;

use super::GitLab;
use crate::platform::http::{Call, Failure, encoded, line};
use crate::platform::mend::Need;
use crate::platform::{Status, StatusText};

/// Name of the status; the wait for the CI leaves it out.
pub(super) const NAME: &str = "pace";

/// GitLab refuses longer descriptions (255).
const DESCRIPTION: usize = 240;

impl Status for GitLab {
    fn set<'a>(&'a self, commit: &'a str, status: &'a StatusText) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let mut body = json!({
                "state": if status.good { "success" } else { "failed" },
                "name": NAME,
                "description": line(&status.description, DESCRIPTION),
            });
            if let Some(url) = &status.url {
                body["target_url"] = url.as_str().into();
            }
            let path = self.path(&format!("/statuses/{}", encoded(commit)));
            match self.sender().send(&Call::set(Method::POST, path, body)).await {
                // It has that state already.
                Err(Failure::Refused { status: 400, said, .. }) if said.contains("Cannot transition") => {
                    Ok(())
                }
                other => other.map(drop).map_err(|failure| {
                    self.explain(Need::Statuses, "the commit status could not be set", &failure)
                }),
            }
        })
    }
}
