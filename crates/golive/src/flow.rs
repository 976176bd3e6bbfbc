//! Runs the steps: in their order, independent ones at the same time, each outcome journalled.
//!
//! Not here: what a step does (`steps/`), what its facts are worth (golive-gate).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use golive_gate::{StepResult, StepStatus};
use tokio::sync::RwLock;
use tokio::task::JoinSet;

use crate::context::Context;
use crate::event::Event;
use crate::journal::{Entry, JournalError};
use crate::step::{Plan, Proof, Step, StepError, error_chain};

/// How far a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Look and say what would be done.
    Plan,
    /// Look, act and prove.
    Act,
    /// Prove only: gather fresh evidence of what stands.
    Prove,
}

/// Which steps run, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FlowOptions {
    /// How far.
    pub mode: Mode,
    /// Take what the journal says has passed as done.
    pub resume: bool,
    /// Begin with this step; what stands before it is taken from the journal.
    pub from: Option<String>,
    /// This step alone.
    pub only: Option<String>,
    /// As far as this step: it, and the steps that must come before it. The rest is left for `--resume`.
    pub until: Option<String>,
    /// Ends the process the hard way at a point, to test that a killed run can be taken up again.
    pub dangerous_abort_at: Option<AbortAt>,
}

impl FlowOptions {
    /// All steps in this mode.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self { mode, resume: false, from: None, only: None, until: None, dangerous_abort_at: None }
    }
}

/// Where a test wants the process to die.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbortAt {
    /// After the step acted, before that is journalled.
    Applied(String),
    /// After the step's end is journalled.
    Ended(String),
}

/// Runs the steps and returns how each ended, in the order of the list.
///
/// # Errors
/// Only when the journal cannot be kept: a step that fails is a result, not an error.
pub(crate) async fn run(
    context: &Arc<Context>,
    steps: Vec<Arc<dyn Step>>,
    options: &FlowOptions,
) -> Result<Vec<StepResult>, JournalError> {
    let alone = Arc::new(RwLock::new(()));
    let order: Vec<&'static str> = steps.iter().map(|step| step.about().id).collect();
    let mut results = replay(context, &steps, options);
    let mut waiting: Vec<Arc<dyn Step>> =
        steps.into_iter().filter(|step| !results.contains_key(step.about().id)).collect();
    let mut running = JoinSet::new();
    loop {
        let ready: Vec<_> =
            waiting.extract_if(.., |step| is_ready(step.as_ref(), &order, &results)).collect();
        for step in ready {
            if let Some(reason) = held_back(step.as_ref(), &results, options) {
                let result = not_run(step.as_ref(), reason);
                tell_end(context, &result, options.mode)?;
                results.insert(step.about().id, result);
                continue;
            }
            let (context, alone, options) = (Arc::clone(context), Arc::clone(&alone), options.clone());
            running.spawn(async move { run_step(&context, step.as_ref(), &alone, &options).await });
        }
        if waiting.iter().any(|step| is_ready(step.as_ref(), &order, &results)) {
            continue;
        }
        let Some(ended) = running.join_next().await else { break };
        let result = match ended {
            Ok(result) => result?,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        let id = order.iter().find(|id| **id == result.id).expect("only listed steps run");
        results.insert(id, result);
    }
    Ok(order.iter().filter_map(|id| results.remove(id)).collect())
}

/// What need not run: passed before and taken up again, or left out by the operator.
fn replay(
    context: &Context,
    steps: &[Arc<dyn Step>],
    options: &FlowOptions,
) -> BTreeMap<&'static str, StepResult> {
    let mut earlier: BTreeMap<String, StepResult> =
        context.journal.finished().into_iter().map(|result| (result.id.clone(), result)).collect();
    let from = options.from.as_deref().and_then(|from| steps.iter().position(|step| step.about().id == from));
    let needed = options.until.as_deref().map(|until| needed_for(steps, until));
    let (mut kept, mut changes) = (BTreeMap::new(), Changes::default());
    for (place, step) in steps.iter().enumerate() {
        let id = step.about().id;
        let passed = earlier.get(id).is_some_and(|result| result.status == StepStatus::Passed);
        let left_out = options.only.as_deref().is_some_and(|only| only != id)
            || from.is_some_and(|from| place < from)
            || needed.as_ref().is_some_and(|needed| !needed.contains(id));
        let changed = if passed { changed_since(context, id) } else { Vec::new() };
        if left_out {
            changes.kept.extend(changed.first().map(|_| id));
            changes.sections.extend(changed);
            let known = earlier.remove(id);
            kept.insert(id, known.unwrap_or_else(|| skipped(step.as_ref())));
        } else if options.resume && passed && from.is_none() && options.only.is_none() {
            match changed.is_empty() {
                true => kept.extend(earlier.remove(id).map(|known| (id, known))),
                false => {
                    changes.again.push(id);
                    changes.sections.extend(changed);
                }
            }
        }
    }
    if let Some(text) = changes.text() {
        context.note(text);
    }
    kept
}

/// The step, and all that must have passed or ended before it. Each names only steps before it in the list.
fn needed_for(steps: &[Arc<dyn Step>], until: &str) -> BTreeSet<&'static str> {
    let mut needed: BTreeSet<&'static str> =
        steps.iter().map(|step| step.about().id).filter(|id| *id == until).collect();
    for about in steps.iter().rev().map(|step| step.about()) {
        if needed.contains(about.id) {
            needed.extend(about.after.iter().chain(about.once_ended));
        }
    }
    needed
}

/// What golive.toml said when a step passed, and no longer says.
#[derive(Default)]
struct Changes {
    sections: BTreeSet<String>,
    /// Steps that run again for it.
    again: Vec<&'static str>,
    /// Steps that are left out of this run all the same.
    kept: Vec<&'static str>,
}

impl Changes {
    fn text(&self) -> Option<String> {
        if self.sections.is_empty() {
            return None;
        }
        let sections: Vec<String> = self.sections.iter().map(|name| format!("[{name}]")).collect();
        let mut text = format!(
            "golive.toml, or a file that it names, changed since the run began, in {}",
            sections.join(", ")
        );
        if !self.again.is_empty() {
            text.push_str(&format!(
                "; passed with the old one, so done and proven again: {}",
                self.again.join(", ")
            ));
        }
        if !self.kept.is_empty() {
            text.push_str(&format!(
                "; left out of this run, so they stand as they passed with the old one: {} (`--resume` alone proves them again)",
                self.kept.join(", ")
            ));
        }
        Some(text)
    }
}

/// The sections that a step depends on, by their digests as they are now.
fn sections_of(context: &Context, id: &str) -> BTreeMap<String, String> {
    let digests = &context.config.digests;
    let found = crate::steps::reads(id).iter().filter_map(|name| digests.get_key_value(*name));
    found.map(|(name, digest)| (name.clone(), digest.clone())).collect()
}

/// The sections that a step ended with and that are others now, or gone, or new. Where either side is not known, none.
fn changed_since(context: &Context, id: &str) -> Vec<String> {
    let (then, now) = (context.journal.ended_with(id), sections_of(context, id));
    if then.is_empty() || context.config.digests.is_empty() {
        return Vec::new();
    }
    let names: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    names.into_iter().filter(|name| then.get(*name) != now.get(*name)).cloned().collect()
}

fn is_ready(step: &dyn Step, order: &[&'static str], results: &BTreeMap<&'static str, StepResult>) -> bool {
    let about = step.about();
    let mut before = about.after.iter().chain(about.once_ended);
    before.all(|id| results.contains_key(id) || !order.contains(id))
}

/// Why a step must not run, if it must not.
fn held_back(
    step: &dyn Step,
    results: &BTreeMap<&'static str, StepResult>,
    options: &FlowOptions,
) -> Option<String> {
    if options.mode != Mode::Act || options.only.is_some() {
        return None;
    }
    step.about().after.iter().find_map(|id| {
        let before = results.get(id)?;
        let fine = before.status == StepStatus::Passed;
        (!fine).then(|| format!("{NOT_RUN} `{id}` has not passed{}", root_cause(before)))
    })
}

/// Why the step before did not pass, or the one before it: the operator mends the first of the chain.
fn root_cause(before: &StepResult) -> String {
    let why = before.error.as_deref().or(before.reason.as_deref()).unwrap_or_default();
    let root = match why.strip_prefix(NOT_RUN) {
        Some(chain) => chain.split_once(": ").map_or("", |(_, root)| root),
        None => why,
    };
    if root.is_empty() { String::new() } else { format!(": {root}") }
}

const NOT_RUN: &str = "not run: step";

async fn run_step(
    context: &Context,
    step: &dyn Step,
    alone: &RwLock<()>,
    options: &FlowOptions,
) -> Result<StepResult, JournalError> {
    let about = step.about();
    // A step that breaks things on purpose waits for the others and holds them off.
    let _shared;
    let _own;
    if about.exclusive {
        _own = alone.write().await;
    } else {
        _shared = alone.read().await;
    }
    (context.observer)(Event::StepStarted { step: about.id, phase: about.phase, title: about.title });
    if options.mode == Mode::Act {
        context.journal.append(Entry::Started { at: context.now(), step: about.id.to_owned() })?;
    }
    let began = std::time::Instant::now();
    let mut plan = Plan::default();
    let outcome = tokio::select! {
        outcome = go_through(context, step, options, &mut plan) => outcome,
        () = context.cancel.cancelled() => Err(StepError::Cancelled),
    };
    let mut result = empty_result(step, StepStatus::Unknown);
    result.seconds = began.elapsed().as_secs_f64();
    result.plan = plan.lines;
    settle(&mut result, outcome, options.mode, !about.after.is_empty(), context);
    tell_end(context, &result, options.mode)?;
    if options.dangerous_abort_at == Some(AbortAt::Ended(about.id.to_owned())) {
        std::process::abort();
    }
    Ok(result)
}

async fn go_through(
    context: &Context,
    step: &dyn Step,
    options: &FlowOptions,
    plan: &mut Plan,
) -> Result<Proof, StepError> {
    let id = step.about().id;
    if options.mode != Mode::Prove {
        *plan = step.plan(context).await?;
        (context.observer)(Event::StepPlanned { step: id, plan: plan.lines.clone() });
    }
    if options.mode == Mode::Plan {
        return Ok(Proof::default());
    }
    if options.mode == Mode::Act {
        step.apply(context, plan).await?;
        if options.dangerous_abort_at == Some(AbortAt::Applied(id.to_owned())) {
            std::process::abort();
        }
        let applied = Entry::Applied { at: context.now(), step: id.to_owned() };
        context.journal.append(applied).map_err(|source| StepError::Failed {
            doing: "record what was done".to_owned(),
            source: Box::new(source),
        })?;
    }
    step.prove(context).await
}

/// Turns what a step came to into its result. The gate's own requirements say whether a fact is good.
fn settle(
    result: &mut StepResult,
    outcome: Result<Proof, StepError>,
    mode: Mode,
    later: bool,
    context: &Context,
) {
    match outcome {
        Ok(_) if mode == Mode::Plan => result.status = StepStatus::Planned,
        // What comes later may look at what does not exist yet; only the first steps' errors are errors of the plan.
        Err(error) if mode == Mode::Plan && later && !matches!(error, StepError::Refused(_)) => {
            result.status = StepStatus::Planned;
            result.reason = Some(format!("known once the steps before have run ({})", error_chain(&error)));
        }
        Ok(mut proof) => {
            proof.findings.extend(broken_requirements(&proof, context));
            result.proof = proof.facts;
            result.status = match (proof.findings.is_empty(), proof.unknown.is_empty()) {
                (false, _) => StepStatus::Failed,
                (true, false) => StepStatus::Unknown,
                (true, true) => StepStatus::Passed,
            };
            let all = proof.findings.into_iter().chain(proof.unknown).chain(proof.notes);
            let reasons: Vec<String> = all.collect();
            result.reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        }
        Err(StepError::Unknown(reason)) => {
            result.status = StepStatus::Unknown;
            result.reason = Some(reason);
        }
        Err(StepError::Refused(reason)) => {
            result.status = StepStatus::Failed;
            result.reason = Some(reason);
        }
        Err(error) => {
            result.status = StepStatus::Failed;
            result.error = Some(error_chain(&error));
        }
    }
}

/// What the gate will hold against these facts, in its own words: a step never judges its facts twice.
fn broken_requirements(proof: &Proof, context: &Context) -> Vec<String> {
    let report = golive_gate::judge(&proof.facts, &[], &context.config.gate, context.now());
    let evidence = report.criteria.iter().flat_map(|criterion| &criterion.evidence);
    evidence
        .filter(|evidence| evidence.status == golive_gate::Status::Fail)
        .map(|evidence| {
            let seen = evidence.value.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{}: expected {}, saw {seen}", evidence.says, evidence.expected)
        })
        .collect()
}

fn empty_result(step: &dyn Step, status: StepStatus) -> StepResult {
    let about = step.about();
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let mut result = StepResult::new(about.id, about.phase, about.title, status);
    result.checklist = owned(about.checklist);
    result.supplies = owned(about.supplies);
    result
}

fn not_run(step: &dyn Step, reason: String) -> StepResult {
    let mut result = empty_result(step, StepStatus::Unknown);
    result.reason = Some(reason);
    result
}

fn skipped(step: &dyn Step) -> StepResult {
    let mut result = empty_result(step, StepStatus::Skipped);
    result.reason = Some("left out of this run".to_owned());
    result
}

fn tell_end(context: &Context, result: &StepResult, mode: Mode) -> Result<(), JournalError> {
    if mode != Mode::Plan {
        let config = sections_of(context, &result.id);
        let entry = Entry::Ended { at: context.now(), result: Box::new(result.clone()), config };
        context.journal.append(entry)?;
    }
    (context.observer)(Event::StepEnded { result: Box::new(result.clone()) });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_far_as_a_step_is_that_step_and_what_comes_before_it() {
        let steps = crate::steps::all();
        let needed = |until: &str| needed_for(&steps, until).into_iter().collect::<Vec<_>>();
        assert_eq!(needed("verify"), ["baseline", "constraints", "copy", "schema", "survey", "verify"]);
        assert!(needed("switch").contains(&"verify") && !needed("switch").contains(&"in-use"));
        assert_eq!(needed("nowhere"), Vec::<&str>::new(), "an unknown one was refused before");
    }
}
