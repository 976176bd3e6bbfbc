//! What a survey finds in the source, what may be decided about it, and the decisions as lines of `golive.toml`: shown as a difference
//! first, and written only where the file is still the one that was shown.
//!
//! Not here: what a policy does (golive-migrate), and asking anybody (the frontends).

mod edit;
mod survey;

pub use edit::{DecideError, Decision, DiffLine, decide};
pub use survey::{SurveySourceError, Surveyed, SurveyedFinding, survey_source};
