//! Load tests that check what was answered, a review of the queries behind them, and sizing advice for the server.
//!
//! - [`run`] drives an HTTP application by a [`LoadPlan`]: closed scenarios (so many users with think time) and open ones
//!   (so many arrivals a second, measured from the moment a request *should* have gone out, so that a stalled server
//!   cannot hide its stall). Every answer is held against an [`Expect`]: an application that answers defaults while its
//!   database is down fails, however fast it is.
//! - [`review_queries`] finds the statements that cost most, explains their plans and says which index is missing.
//! - [`prove_indexes`] tries such indexes on a disposable copy and keeps those that paid.
//! - [`size_server`] computes the memory settings of a MariaDB server from its facts, with the arithmetic shown.
//!
//! What must not be here: knowledge of any particular application, its paths or its tables.

mod agent;
mod capacity;
mod check;
mod compare;
mod growth;
mod journey;
mod measure;
mod plan;
mod prove;
mod render;
mod report;
mod review;
mod review_rules;
mod run;
mod schedule;
mod size;
mod target;
mod template;
mod threshold;
mod watch;

pub use agent::{Agent, AgentError, AgentEvent, AgentTls, Agents, run_with_agents, serve_agent};
pub use capacity::{Capacity, Try, find_capacity};
pub use check::{Expect, JsonCheck, JsonTest};
pub use compare::{Comparison, Difference, compare};
pub use growth::{Growth, Trend};
pub use journey::{Extract, FeedOrder, Feeder, JourneyStep, SignIn};
pub use plan::{Body, LoadPlan, RequestTemplate, Scenario, ScenarioKind};
pub use prove::{
    DisposableCopy, IndexProof, IndexVerdict, ProveError, ProveOptions, QueryCost, TriedIndex, TriedQuery,
    prove_indexes, render_index_migration,
};
pub use render::{to_html, to_junit, to_prometheus};
pub use report::{
    KindReport, Latency, LoadReport, Mark, Moment, Sample, ScenarioReport, StepReport, StopReason,
};
pub use review::{
    Finding, FindingKind, QueryReview, QuerySource, ReviewError, ReviewOptions, ReviewedQuery, Workload,
    collect_workload, review_queries,
};
pub use review_rules::{ReviewRule, review_rules};
pub use run::{LoadError, Progress, run, run_sampled};
pub use schedule::Arrivals;
pub use size::{
    HostFacts, ServerFacts, Setting, SizingAdvice, Subtraction, observe_host, observe_server, size_server,
};
pub use target::PublicTargetConfirmation;
pub use threshold::{Judged, Threshold, ThresholdError, Verdict};
pub use watch::{GENERATOR_MEMORY, Sampler, Watched, watch_all, watch_own_memory, watch_server};
