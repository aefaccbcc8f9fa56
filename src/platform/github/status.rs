//! The commit status `pace`.

use futures_util::future::BoxFuture;
use reqwest::Method;
use serde_json::json;

use super::{GitHub, explain};
use crate::platform::http::{Call, encoded, line};
use crate::platform::mend::Need;
use crate::platform::{Status, StatusText};

/// Name of the status; the wait for the CI leaves it out.
pub(super) const CONTEXT: &str = "pace";

/// GitHub refuses longer descriptions.
const DESCRIPTION: usize = 140;

impl Status for GitHub {
    fn set<'a>(&'a self, commit: &'a str, status: &'a StatusText) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let mut body = json!({
                "state": if status.good { "success" } else { "failure" },
                "context": CONTEXT,
                "description": line(&status.description, DESCRIPTION),
            });
            if let Some(url) = &status.url {
                body["target_url"] = url.as_str().into();
            }
            let call = Call::set(Method::POST, self.path(&format!("/statuses/{}", encoded(commit))), body);
            let set = self.sender().send(&call).await;
            set.map(drop)
                .map_err(|failure| explain(Need::Statuses, "the commit status could not be set", &failure))
        })
    }
}
