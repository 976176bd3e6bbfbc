//! A load report in the forms that other tools and people read: HTML, JUnit, Prometheus text.
//!
//! What must not be here: figures of its own, or anything from elsewhere: the page loads nothing.

mod chart;
mod html;
mod junit;
mod prometheus;

pub use html::to_html;
pub use junit::to_junit;
pub use prometheus::to_prometheus;

/// Text that is safe in HTML and in an attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
