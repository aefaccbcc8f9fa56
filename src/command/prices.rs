//! The prices that a run is rated by, and what an unknown one means.

use crate::domain::event::Level;
use crate::domain::terms::Rated;
use crate::error::Error;
use crate::llm::prices::Prices;
use crate::settings::{Provider, Settings};

/// The price list: the embedded one under the user's.
pub(crate) fn prices(settings: &Settings) -> Result<Prices, Error> {
    let Some(path) = &settings.money.prices else { return Ok(Prices::embedded()) };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::config(format!("PACE_PRICES: {name} cannot be read: {e}")))?;
    Prices::with_override(path, &text).map_err(Error::Config)
}

/// An unknown model is refused under an explicit cap and told under the default one; it is never free.
pub(crate) fn check_prices(
    settings: &Settings,
    models: &[&Rated],
    notice: &dyn Fn(Level, String),
) -> Result<(), Error> {
    if settings.llm.provider == Provider::Replay {
        return Ok(());
    }
    let unknown: std::collections::BTreeSet<_> =
        models.iter().filter(|m| m.price.is_none()).map(|m| m.name.as_str()).collect();
    for name in unknown {
        let problem = format!("the price of model `{name}` is unknown: give it in a PACE_PRICES file");
        let caps = [
            ("PACE_MAX_RUN_COST_USD", settings.money.cap_explicit),
            ("PACE_DAILY_BUDGET", settings.money.daily_budget_usd.is_some()),
        ];
        if let Some((cap, _)) = caps.iter().find(|(_, wanted)| *wanted) {
            return Err(Error::config(format!("{problem}, or {cap} cannot be kept")));
        }
        notice(
            Level::Warning,
            format!("{problem}; until then its cost is shown as unknown and no cap holds it"),
        );
    }
    Ok(())
}
