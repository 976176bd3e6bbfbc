//! The report in the forms that people and tools read. Each form is a view of the same [`Report`].
//!
//! What must not be here: decisions. A renderer that finds something to judge is in the wrong crate.

mod format;
mod html;
mod junit;
mod markdown;
mod text;

pub use html::to_html;
pub use junit::to_junit;
pub use markdown::to_markdown;
pub use text::to_text;

use crate::Report;

/// The report as one JSON document, indented.
#[must_use]
pub fn to_json(report: &Report) -> String {
    serde_json::to_string_pretty(report).expect("a report has string keys and finite numbers only")
}
