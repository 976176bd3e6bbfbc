//! What happens during a run, as data. Whoever shows it (a board, plain lines, server-sent events) lives elsewhere.

use golive_gate::StepResult;
use serde::Serialize;

/// Something that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A step began.
    StepStarted {
        /// Which.
        step: &'static str,
        /// Its phase.
        phase: u8,
        /// What it does.
        title: &'static str,
    },
    /// A step knows what it will do.
    StepPlanned {
        /// Which.
        step: &'static str,
        /// One action a line.
        plan: Vec<String>,
    },
    /// A step moves through something countable.
    Progress {
        /// Which.
        step: &'static str,
        /// What it is at: a table, a scenario.
        item: String,
        /// How many are done.
        done: u64,
        /// Of how many, if known.
        total: Option<u64>,
        /// How many a second.
        per_second: Option<f64>,
    },
    /// A step ended.
    StepEnded {
        /// How.
        result: Box<StepResult>,
    },
    /// A word on what goes on beside the steps: a server started, the application restarted.
    Note {
        /// The word.
        text: String,
    },
}

/// Whoever wants to know.
pub type Observer = std::sync::Arc<dyn Fn(Event) + Send + Sync>;

/// Nobody wants to know.
#[must_use]
pub fn nobody() -> Observer {
    std::sync::Arc::new(|_| {})
}
