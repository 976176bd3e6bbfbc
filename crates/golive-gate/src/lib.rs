//! Judges the evidence of a go-live against the thirteen criteria of the checklist, and writes the report.
//!
//! Everything here is a pure function: facts, step results, a policy and the time come in; a [`Report`] goes out and is
//! rendered as JSON, terminal text, HTML, JUnit or Markdown. What must not be here: looking at anything. Whoever collects
//! the facts lives elsewhere, so that a judgement can be repeated, byte for byte, from what was recorded.
//!
//! The rule that the rest follows: **no evidence never passes**. A fact that is missing, too old, dated in the future, of
//! the wrong type or contradicted makes its criterion [`Status::Unknown`], and an unknown criterion keeps the verdict
//! from being [`Verdict::Go`].
//!
//! ```
//! use chrono::{TimeZone, Utc};
//! use golive_gate::{Fact, Policy, Status, Verdict, judge};
//!
//! let now = Utc.with_ymd_and_hms(2026, 5, 4, 12, 0, 0).unwrap();
//! let facts = [
//!     Fact::new("tls.grade", "A+", "graded shop.example:443", now),
//!     Fact::new("tls.redirects_http", true, "GET http://shop.example/", now),
//! ];
//! let report = judge(&facts, &[], &Policy::default(), now);
//! assert_eq!(report.criterion("tls").unwrap().status, Status::Pass);
//! assert_eq!(report.verdict, Verdict::Inconclusive); // twelve others have no evidence yet
//! ```

mod criteria;
mod fact;
mod figures;
mod judge;
mod policy;
mod render;
mod report;
mod settled;
mod step;

pub use criteria::{Criterion, PolicyLimit, Requirement, Test, criteria};
pub use fact::Fact;
pub use figures::Figure;
pub use judge::judge;
pub use policy::{Policy, PolicyError, Waiver};
pub use render::{to_html, to_json, to_junit, to_markdown, to_text};
pub use report::{CriterionResult, Evidence, Report, SCHEMA_VERSION, Status, Verdict};
pub use step::{StepResult, StepStatus, phase_title};
