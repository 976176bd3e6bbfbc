//! `explain`: what a finding, a criterion, a step or an exit code means and how to mend it; offline.

use golive_gate::{Policy, criteria};
use serde::Serialize;

use crate::args::Global;
use crate::commands::migrate::findings::decision;
use crate::commands::support::show;
use crate::exit::{End, Failure, Result};

/// What `explain` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A finding such as CFG-001, MIG-FK-ORPHAN or redis.evicts, a criterion by number or key, a step, or an exit code such as
    /// `exit-10`; all of them are listed without it.
    id: Option<String>,
}

/// What is known of one identity.
#[derive(Debug, Serialize)]
struct Text {
    id: String,
    kind: &'static str,
    title: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    says: Vec<String>,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let all = all();
    let Some(id) = &args.id else {
        show(global, &all, || {
            all.iter()
                .map(|text| format!("{:<28} {:<10} {}", text.id, text.kind, text.title))
                .collect::<Vec<_>>()
                .join("\n")
        });
        return Ok(End::Ready);
    };
    let number = id.parse::<u8>().ok();
    let key = number.and_then(|number| criteria().iter().find(|one| one.number == number)).map(|one| one.key);
    let wanted = key.unwrap_or(id);
    // A step and the criterion it serves may bear one name: both are told.
    let found: Vec<&Text> = all.iter().filter(|text| text.id.eq_ignore_ascii_case(wanted)).collect();
    if found.is_empty() {
        return Err(Failure::usage(format!(
            "explain {id}: there is no such finding, criterion, step or exit code; `golive explain` lists all"
        )));
    }
    show(global, &found, || found.iter().map(|text| paragraph(text)).collect::<Vec<_>>().join("\n\n"));
    Ok(End::Ready)
}

fn paragraph(text: &Text) -> String {
    let mut lines = vec![format!("{} ({}): {}", text.id, text.kind, text.title)];
    lines.extend(text.says.iter().map(|line| format!("  {line}")));
    lines.join("\n")
}

fn all() -> Vec<Text> {
    let mut all = Vec::new();
    for criterion in criteria() {
        let policy = Policy::default();
        let says = criterion
            .requirements
            .iter()
            .map(|need| format!("{}: {} ({})", need.fact, need.test.expected(&policy), need.says))
            .chain([format!(
                "supplied in phase {} by {}",
                criterion.phase,
                suppliers(criterion.requirements)
            )])
            .collect();
        all.push(Text {
            id: criterion.key.to_owned(),
            kind: "criterion",
            title: format!("{}. {}", criterion.number, criterion.title),
            says,
        });
    }
    for step in golive::list() {
        let says = vec![
            format!("phase {}, checklist {}", step.phase, step.checklist.join(" ")),
            format!("comes after: {}", words(step.after)),
            format!("supplies: {}", words(step.supplies)),
            format!("run it alone with `golive run --only {}`", step.id),
        ];
        all.push(Text { id: step.id.to_owned(), kind: "step", title: step.title.to_owned(), says });
    }
    all.extend(findings());
    for (code, title, next) in EXIT_CODES {
        all.push(Text {
            id: format!("exit-{code}"),
            kind: "exit code",
            title: title.to_owned(),
            says: vec![next.to_owned()],
        });
    }
    all
}

/// Every identity that a finding of any crate may have; a test holds this to the code.
fn findings() -> Vec<Text> {
    let finding = |id: &str, title: &str, says: Vec<String>| Text {
        id: id.to_owned(),
        kind: "finding",
        title: title.to_owned(),
        says,
    };
    let severity = |severity: String| format!("severity: {severity}");
    let why = |why: &str| format!("why: {why}");
    let mend = |remedy: &str| format!("mend: {remedy}");
    let mut all = Vec::new();
    all.extend(golive_deploy::rules().map(|rule| {
        let says = vec![severity(rule.severity.to_string()), why(rule.why), mend(rule.remedy)];
        finding(rule.id, rule.title, says)
    }));
    all.extend(golive_migrate::survey_rules().iter().map(|rule| {
        let look = "where it is, and which rows: golive migrate survey".to_owned();
        let offers: Vec<String> = rule.offers.iter().map(ToString::to_string).collect();
        let decide = (!offers.is_empty()).then(|| format!("decide: {}", decision(rule.id, &offers)));
        let says =
            [why(rule.why), format!("settle: {}", rule.remedy)].into_iter().chain(decide).chain([look]);
        finding(rule.id, rule.title, says.collect())
    }));
    all.extend(golive_migrate::versioned_rules().iter().map(|rule| {
        let says = vec![severity(rule.weight.to_string()), why(rule.why), mend(rule.remedy)];
        finding(rule.id, rule.title, says)
    }));
    all.extend(golive_cache::cache_rules().iter().map(|rule| {
        let look = "look again with: golive cache check".to_owned();
        finding(rule.id, rule.title, vec![why(rule.why), mend(rule.remedy), look])
    }));
    all.extend(golive_load::review_rules().iter().map(|rule| {
        let look = "which query, and the index: golive db review".to_owned();
        finding(rule.id, rule.title, vec![why(rule.why), mend(rule.remedy), look])
    }));
    all
}

fn suppliers(requirements: &[golive_gate::Requirement]) -> String {
    let steps = golive::list();
    let supplies = |step: &&golive::About| requirements.iter().any(|need| step.supplies.contains(&need.fact));
    let names: Vec<&str> = steps.iter().filter(supplies).map(|step| step.id).collect();
    words(&names)
}

fn words(all: &[&str]) -> String {
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

const EXIT_CODES: [(u8, &str, &str); 7] = [
    (0, "done; ready", "nothing to do"),
    (1, "a bug in golive", "report it with the message and the command"),
    (
        2,
        "usage or configuration error",
        "correct the command or golive.toml as the message says; nothing was changed",
    ),
    (10, "looked, and it is not ready or does not match", "mend what is listed, then run the command again"),
    (
        11,
        "ready but for warnings, and --deny-warnings was given",
        "mend the warnings, or leave the option out",
    ),
    (
        12,
        "could not look: a server, tool or file is out of reach",
        "`golive doctor` says what is missing and how to get it",
    ),
    (
        75,
        "another run holds the lock, or try again later",
        "wait for it to end, then try again; `golive status` says how far it is",
    ),
];
