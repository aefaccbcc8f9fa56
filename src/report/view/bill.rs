//! What a run cost, as bodies show it.

use serde::Serialize;

use crate::domain::money::Bill;

/// What the run cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct BillView {
    pub calls: u32,
    pub tokens: u64,
    /// US dollars of this run; `None` where a price is unknown.
    pub cost: Option<f64>,
    pub models: Vec<ModelView>,
}

/// What one model cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ModelView {
    pub name: String,
    pub calls: u32,
    pub tokens: u64,
    /// US dollars; `None` where its price is unknown.
    pub cost: Option<f64>,
}

impl From<&Bill> for BillView {
    fn from(bill: &Bill) -> Self {
        Self {
            calls: bill.spends.iter().map(|s| s.calls).sum(),
            tokens: bill.usage().total(),
            cost: bill.cost(|_| true),
            models: bill
                .models
                .iter()
                .map(|spend| ModelView {
                    name: spend.model.clone(),
                    calls: spend.calls,
                    tokens: spend.usage.total(),
                    cost: spend.cost,
                })
                .collect(),
        }
    }
}
