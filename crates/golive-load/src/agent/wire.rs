//! What a coordinator and an agent say to each other, and how large it may be.
//!
//! What must not be here: connections.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::measure::Tally;
use crate::plan::{LoadPlan, Part, Scenario};
use crate::report::StopReason;

/// From the coordinator.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Ask {
    /// The first word; nothing else is heard before it was right.
    Hello { version: u32, token: String },
    /// Make ready; boxed, as it is large.
    Prepare(Box<Task>),
    /// Answer at once, so that the way here can be timed.
    Ping,
    /// Begin so many microseconds after this arrived.
    Begin { in_micros: u64 },
    /// End now and tell what was measured.
    Stop,
}

/// From the agent.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Tell {
    Welcome,
    Ready,
    Pong,
    /// It will not, for this reason.
    Refused {
        why: String,
    },
    /// What was seen since the last time, a tally a spot.
    Seen {
        tallies: Vec<Tally>,
        all: Totals,
    },
    /// The cores that it took, and of how many.
    Done {
        stopped: StopReason,
        cores: Option<(f64, f64)>,
    },
}

/// Since the run began, warm-up included.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Totals {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) content_failures: u64,
}

/// One agent's part of a plan.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Task {
    base_url: String,
    duration_micros: u64,
    warm_up_micros: u64,
    request_timeout_micros: u64,
    max_requests: u64,
    seed: u64,
    root_certificate_pem: Option<String>,
    scenarios: Vec<Scenario>,
    /// Of each scenario; it is not among what a scenario is written with.
    tokens: Vec<Vec<String>>,
    part: Part,
}

impl Task {
    pub(super) fn new(plan: &LoadPlan, part: Part) -> Self {
        let micros = |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let tokens = |scenario: &Scenario| {
            scenario.tokens.iter().map(|token| token.expose_secret().to_owned()).collect()
        };
        Self {
            base_url: plan.base_url.to_string(),
            duration_micros: micros(plan.duration),
            warm_up_micros: micros(plan.warm_up),
            request_timeout_micros: micros(plan.request_timeout),
            max_requests: plan.max_requests,
            seed: plan.seed,
            root_certificate_pem: plan.root_certificate_pem.clone(),
            tokens: plan.scenarios.iter().map(tokens).collect(),
            scenarios: plan.scenarios.clone(),
            part,
        }
    }

    /// The plan. Which hosts may be loaded is not among it: the agent's own operator says that. `None` where it makes no sense.
    pub(super) fn plan(self) -> Option<LoadPlan> {
        if self.part.of == 0 || self.part.index >= self.part.of || self.tokens.len() != self.scenarios.len() {
            return None;
        }
        let mut scenarios = self.scenarios;
        // A file would be one of this machine, and somebody else named it.
        if scenarios.iter().flat_map(|scenario| &scenario.data).any(|feeder| feeder.file.is_some()) {
            return None;
        }
        for (scenario, tokens) in scenarios.iter_mut().zip(self.tokens) {
            scenario.tokens = tokens.into_iter().map(SecretString::from).collect();
        }
        let mut plan = LoadPlan::new(Url::parse(&self.base_url).ok()?, scenarios);
        plan.duration = std::time::Duration::from_micros(self.duration_micros);
        plan.warm_up = std::time::Duration::from_micros(self.warm_up_micros);
        plan.request_timeout = std::time::Duration::from_micros(self.request_timeout_micros);
        plan.max_requests = self.max_requests;
        plan.seed = self.seed;
        plan.root_certificate_pem = self.root_certificate_pem;
        plan.part = self.part;
        Some(plan)
    }
}

/// Both sides must speak the same.
pub(super) const VERSION: u32 = 1;
/// Before the token was right.
pub(super) const MAX_HELLO: usize = 4096;
/// A plan with its data, or a second's counts.
pub(super) const MAX_MESSAGE: usize = 256 * 1024 * 1024;
