//! What a step of the flow is: it looks and plans, acts, and proves by looking again.
//!
//! Not here: any particular step (`steps/`), and the order they run in (`flow`).

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use golive_gate::Fact;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::context::Context;

/// What is known of a step before it runs.
#[derive(Debug, Clone, Copy, Serialize)]
#[non_exhaustive]
pub struct About {
    /// Its name on the command line and in the journal.
    pub id: &'static str,
    /// The checklist's phase, 0 to 6; 7 is the gate.
    pub phase: u8,
    /// What it does, in a line.
    pub title: &'static str,
    /// The sections of the checklist that it serves.
    pub checklist: &'static [&'static str],
    /// The facts it supplies to the gate, so that a missing one names this step.
    pub supplies: &'static [&'static str],
    /// Steps that must have passed before.
    pub after: &'static [&'static str],
    /// Steps that must have ended before, however they ended.
    pub once_ended: &'static [&'static str],
    /// Whether it must be alone, because it restarts or breaks something on purpose.
    pub exclusive: bool,
}

impl About {
    pub(crate) const fn new(id: &'static str, phase: u8, title: &'static str) -> Self {
        Self {
            id,
            phase,
            title,
            checklist: &[],
            supplies: &[],
            after: &[],
            once_ended: &[],
            exclusive: false,
        }
    }

    pub(crate) const fn checklist(mut self, sections: &'static [&'static str]) -> Self {
        self.checklist = sections;
        self
    }

    pub(crate) const fn supplies(mut self, facts: &'static [&'static str]) -> Self {
        self.supplies = facts;
        self
    }

    pub(crate) const fn after(mut self, steps: &'static [&'static str]) -> Self {
        self.after = steps;
        self
    }

    pub(crate) const fn once_ended(mut self, steps: &'static [&'static str]) -> Self {
        self.once_ended = steps;
        self
    }

    pub(crate) const fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }
}

/// What a step would do: it prints in full, and acting follows it without a choice of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// One action a line.
    pub lines: Vec<String>,
    /// What acting needs of it.
    pub data: Value,
}

impl Plan {
    /// A plan of one line.
    pub(crate) fn line(text: impl Into<String>) -> Self {
        Self { lines: vec![text.into()], data: Value::Null }
    }

    /// A plan of many lines.
    pub(crate) fn lines(lines: Vec<String>) -> Self {
        Self { lines, data: Value::Null }
    }

    pub(crate) fn with(mut self, data: impl Into<Value>) -> Self {
        self.data = data.into();
        self
    }
}

/// What was seen after acting, fact by fact.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Proof {
    /// The facts, each with where it was seen and when.
    pub facts: Vec<Fact>,
    /// What could not be looked at, and why.
    pub unknown: Vec<String>,
    /// What was seen and is not as it must be, beyond what the facts themselves tell.
    pub findings: Vec<String>,
    /// What was seen, is not as it should be, and does not count, and why.
    pub notes: Vec<String>,
}

/// Collects the facts of one look: they share their source and their time.
pub(crate) struct Witness {
    source: String,
    at: DateTime<Utc>,
    proof: Proof,
}

impl Witness {
    pub(crate) fn new(source: impl Into<String>, at: DateTime<Utc>) -> Self {
        Self { source: source.into(), at, proof: Proof::default() }
    }

    /// Records what was seen.
    pub(crate) fn saw(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.proof.facts.push(Fact::new(key, value.into(), self.source.clone(), self.at));
        self
    }

    /// Records that something could not be looked at.
    pub(crate) fn could_not(&mut self, reason: impl Into<String>) -> &mut Self {
        self.proof.unknown.push(reason.into());
        self
    }

    /// Records something that is not as it must be.
    pub(crate) fn finds(&mut self, finding: impl Into<String>) -> &mut Self {
        self.proof.findings.push(finding.into());
        self
    }

    /// Records something that somebody decided to leave as it is.
    pub(crate) fn notes(&mut self, note: impl Into<String>) -> &mut Self {
        self.proof.notes.push(note.into());
        self
    }

    /// From here on facts come from somewhere else.
    pub(crate) fn source(&mut self, source: impl Into<String>) -> &mut Self {
        self.source = source.into();
        self
    }

    /// From here on facts are of another time.
    pub(crate) fn at(&mut self, at: DateTime<Utc>) -> &mut Self {
        self.at = at;
        self
    }

    pub(crate) fn done(self) -> Proof {
        self.proof
    }
}

/// Why a step could not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StepError {
    /// Something it needs is not described or not there; the gate will see nothing, and nothing passes.
    #[error("{0}")]
    Unknown(String),
    /// It looked, and what it saw forbids going on.
    #[error("{0}")]
    Refused(String),
    /// It could not look or act.
    #[error("{doing}")]
    Failed {
        /// What it was about to do.
        doing: String,
        /// Why it could not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The operator ended the run.
    #[error("the run was ended; `--resume` goes on from here")]
    Cancelled,
}

impl StepError {
    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown(reason.into())
    }
}

/// Gives an error the words for what the step was doing.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl Into<String>) -> Result<T, StepError>;
}

impl<T, E> Doing<T> for Result<T, E>
where
    E: std::error::Error + Send + Sync + 'static,
{
    fn doing(self, what: impl Into<String>) -> Result<T, StepError> {
        self.map_err(|source| StepError::Failed { doing: what.into(), source: Box::new(source) })
    }
}

/// One step of the flow.
#[async_trait]
pub trait Step: Send + Sync {
    /// Its name, place and order.
    fn about(&self) -> About;

    /// Looks, and says what it would do. Changes nothing.
    async fn plan(&self, context: &Context) -> Result<Plan, StepError>;

    /// Does what the plan says. May be killed at any point and run again.
    async fn apply(&self, _context: &Context, _plan: &Plan) -> Result<(), StepError> {
        Ok(())
    }

    /// Looks again, by another path than the act.
    async fn prove(&self, context: &Context) -> Result<Proof, StepError>;
}

/// The whole chain of an error, from what was tried down to the cause. Some libraries repeat the cause in their own
/// words; it is then said once.
///
/// ```
/// let error = golive::Config::read("/nowhere/golive.toml".as_ref()).unwrap_err();
/// assert!(golive::error_chain(&error).starts_with("read /nowhere/golive.toml"));
/// ```
#[must_use]
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
