//! Whether this run may happen at all: who started it, and whether it is the answer to pace's own push. Comes before
//! anything is spent.

use std::path::Path;

use serde_json::Value;

use super::site::Site;
use crate::domain::event::{Event, Events, Level};
use crate::error::Error;
use crate::platform::Platform;
use crate::platform::actor::{self, News, Standing, Trigger};
use crate::settings::{LogStyle, Settings};

/// Payloads of events are smaller (GitHub: 25 MB).
const PAYLOAD: u64 = 32 << 20;

/// What follows from how the run was started.
pub(crate) enum Admitted {
    Go,
    /// Nothing is to be done; the reason was told.
    Skip,
}

/// Looks at the trigger of the run.
///
/// # Errors
/// [`Error::Config`] where a stranger, a bot or another repository may have started it.
pub(crate) async fn admit(
    settings: &Settings,
    site: &Site,
    platform: &Platform,
    events: &dyn Events,
) -> Result<Admitted, Error> {
    let ci = &settings.ci;
    let payload = ci.event_path.as_deref().and_then(read);
    let event = ci.event.as_deref().unwrap_or_default();
    let message = match actor::news(event, payload.as_ref()) {
        Some(News::Push) => Some(site.repo.head_message()?),
        Some(News::Review) => Some(site.repo.reviewed_message()?),
        None => None,
    };
    if message.is_some_and(|message| actor::is_own_commit(&message)) {
        let text = "This run was started by pace's own push: nothing to do".to_owned();
        events.emit(Event::Notice { level: Level::Info, text });
        return Ok(Admitted::Skip);
    }
    if ci.log_style == LogStyle::GitHub {
        let trigger = Trigger { event: event.to_owned(), actors: ci.actors.clone() };
        check_actor(&trigger, payload.as_ref(), platform).await?;
    }
    Ok(Admitted::Go)
}

async fn check_actor(trigger: &Trigger, payload: Option<&Value>, platform: &Platform) -> Result<(), Error> {
    match actor::judge(trigger, payload) {
        Standing::Trusted => Ok(()),
        Standing::Refused(reason) => Err(Error::config(reason)),
        Standing::Ask(accounts) => {
            for account in &accounts {
                let may = platform.access.may_write(account).await;
                if !may.map_err(|error| Error::config(format!("{error:#}")))? {
                    return Err(Error::config(actor::refused(trigger, account)));
                }
            }
            Ok(())
        }
    }
}

fn read(path: &Path) -> Option<Value> {
    let small = std::fs::metadata(path).is_ok_and(|file| file.len() <= PAYLOAD);
    let text = small.then(|| std::fs::read_to_string(path).ok()).flatten()?;
    serde_json::from_str(&text).ok()
}
