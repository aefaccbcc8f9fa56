//! (interim)
pub(crate) struct StatusRow {
    pub day: u32,
    pub story: String,
    pub decision: String,
    pub attempts: usize,
    pub cost: Option<f64>,
    pub open_advisories: usize,
}
pub(crate) fn table(r: &[StatusRow]) -> String {
    format!("{}\n", r.len())
}
