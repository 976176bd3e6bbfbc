//! The report as one HTML file.
//!
//! What must not be here: scripts, external resources, or text that did not go through maud's escaping.

use crate::Report;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// placeholder replaced below
#[must_use]
pub fn to_html(report: &Report) -> String {
    let page: Markup = html! { (DOCTYPE) html { body { h1 { (report.application) } (PreEscaped("")) } } };
    page.into_string()
}
