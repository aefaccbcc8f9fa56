//! (interim)
pub(crate) struct Line {
    pub ok: bool,
    pub what: String,
    pub text: String,
}
impl Line {
    pub(crate) fn good(w: &str, text: String) -> Self {
        Self { ok: true, what: w.into(), text }
    }
    pub(crate) fn bad(w: &str, text: String) -> Self {
        Self { ok: false, what: w.into(), text }
    }
}
pub(crate) fn text(l: &[Line]) -> String {
    l.iter().map(|l| format!("{} {} {}\n", l.ok, l.what, l.text)).collect()
}
