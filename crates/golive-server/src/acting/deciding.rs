//! Deciding about what a survey finds: each decision is tried by a survey with it, shown as a difference of golive.toml, and written
//! only when that difference was confirmed.
//!
//! Not here: what a policy does, and how the file is written (golive).

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use golive::migrate::Policy;
use golive::{Config, Decision, Surveyed, decide, survey_source};

use super::{Actor, Doing, Refusal, guarded, is_idle};
use crate::clock;

/// What is decided, by selector; no policy takes a decision back.
pub(crate) type Choices = BTreeMap<String, Option<Policy>>;

/// What a survey found, with decisions that are not written yet where there are any.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) at: DateTime<Utc>,
    pub(crate) surveyed: Surveyed,
    pub(crate) proposal: Option<Proposal>,
}

/// Decisions that the survey was made with, and that golive.toml does not hold yet.
#[derive(Debug)]
pub(crate) struct Proposal {
    /// Confirms this one and no other.
    pub(crate) id: u64,
    pub(crate) decision: Decision,
    choices: Choices,
}

impl Actor {
    /// What the last survey found.
    pub(crate) fn found(&self) -> Option<Arc<Found>> {
        self.lock().found.clone()
    }

    /// Whether decisions can be written anywhere.
    pub(crate) fn can_decide(&self) -> bool {
        self.acts.file.is_some()
    }

    /// Looks at the source with what golive.toml says now. Proposals are dropped.
    pub(crate) fn survey(self: &Arc<Self>) -> Result<(), Refusal> {
        self.begin(Doing::Surveying { since: clock::now() }, is_idle)?;
        let actor = Arc::clone(self);
        tokio::spawn(async move {
            let work = Arc::clone(&actor);
            let found = guarded(async move { work.look(&work.acts.now()?, None).await }).await;
            actor.surveyed(found);
        });
        Ok(())
    }

    /// Tries decisions: those proposed before, and these.
    pub(crate) fn choose(self: &Arc<Self>, chosen: Choices) -> Result<(), Refusal> {
        let file = self.acts.file.clone().ok_or(Refusal::NoChoice)?;
        let mut state = self.lock();
        is_idle(&state)?;
        let found = state.found.clone().ok_or(Refusal::NoChoice)?;
        let mut choices = found.proposal.as_ref().map(|known| known.choices.clone()).unwrap_or_default();
        for (selector, policy) in chosen {
            let finding = found.surveyed.finding(&selector).ok_or(Refusal::NoChoice)?;
            if policy.is_some_and(|policy| !finding.offers.contains(&policy)) {
                return Err(Refusal::NoChoice);
            }
            choices.insert(selector, policy);
        }
        state.begin(Doing::Surveying { since: clock::now() });
        state.made += 1;
        let id = state.made;
        drop(state);
        self.tell();
        let actor = Arc::clone(self);
        tokio::spawn(async move {
            let work = Arc::clone(&actor);
            let found = guarded(async move {
                let decision = decide(&file, &choices).map_err(|error| golive::error_chain(&error))?;
                let config = decision.config.clone();
                let proposal = decision.changes().then_some(Proposal { id, decision, choices });
                work.look(&config, proposal).await
            });
            actor.surveyed(found.await);
        });
        Ok(())
    }

    /// Writes what was proposed under this number into golive.toml.
    pub(crate) fn write(&self, proposal: u64) -> Result<(), Refusal> {
        let mut state = self.lock();
        is_idle(&state)?;
        let found = state.found.clone().ok_or(Refusal::OtherPlan)?;
        let known = found.proposal.as_ref().filter(|known| known.id == proposal).ok_or(Refusal::OtherPlan)?;
        match known.decision.write() {
            Ok(()) => {
                let (at, surveyed) = (found.at, found.surveyed.clone());
                state.found = Some(Arc::new(Found { at, surveyed, proposal: None }));
                state.begin(Doing::Nothing); // a plan that was made before does not hold any more
            }
            Err(error) => state.failed = Some(golive::error_chain(&error)),
        }
        drop(state);
        self.tell();
        Ok(())
    }

    async fn look(&self, config: &Config, proposal: Option<Proposal>) -> Result<Found, String> {
        let surveyed = survey_source(config, &*self.acts.environment).await;
        let surveyed = surveyed.map_err(|error| golive::error_chain(&error))?;
        Ok(Found { at: clock::now(), surveyed, proposal })
    }

    fn surveyed(&self, found: Result<Found, String>) {
        let mut state = self.lock();
        state.doing = Doing::Nothing;
        match found {
            Ok(found) => state.found = Some(Arc::new(found)),
            // What was found before stands, with its time.
            Err(why) => state.failed = Some(why),
        }
        drop(state);
        self.tell();
    }
}
