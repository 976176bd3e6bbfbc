//! The page of all traps, for `docs/traps.md`.

/// All traps as Markdown.
#[must_use]
pub fn page() -> String {
    String::new()
}
