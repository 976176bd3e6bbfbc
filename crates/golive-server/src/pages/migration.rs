//! The migration: what the survey found, how far each table is, what the comparison came to, whether the application follows.
//!
//! Not here: moving anything (golive-migrate).

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::parts::{self, Tone};
use super::{Scene, about_run, plot, show, steps, topic};
use crate::access::Visitor;
use crate::look::{Look, StepState};
use crate::router::Site;

/// How far a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableState {
    Waiting,
    Copying,
    Copied,
    Verifying,
    Verified,
}

impl TableState {
    /// The word of the JSON interface.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Copying => "copying",
            Self::Copied => "copied",
            Self::Verifying => "verifying",
            Self::Verified => "verified",
        }
    }
}

/// A table with its numbers.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// Rows of the source; unknown before there is a plan.
    pub(crate) rows: Option<u64>,
    pub(crate) copied: u64,
    pub(crate) compared: u64,
    pub(crate) per_second: Option<f64>,
    pub(crate) state: TableState,
}

/// Every table of the migration in the order of the copy.
pub(crate) fn tables_of(look: &Look) -> Vec<Table> {
    let state = |id: &str| look.step(id).map_or(StepState::Waiting, |(_, state)| state);
    let (copy, verify) = (state("copy"), state("verify"));
    let items = |step: &'static str| look.progress.iter().filter(move |item| item.step == step);
    let planned = look.step("copy").and_then(|(step, _)| step.ended.as_ref());
    let mut tables: Vec<(String, Option<u64>)> = planned
        .map(|result| golive::tables_to_copy(&result.plan))
        .unwrap_or_default()
        .into_iter()
        .map(|(name, rows)| (name, Some(rows)))
        .collect();
    for item in items("copy") {
        if !tables.iter().any(|(name, _)| *name == item.item) {
            tables.push((item.item.clone(), item.total));
        }
    }
    let copied: BTreeMap<&str, _> = items("copy").map(|item| (item.item.as_str(), item)).collect();
    let compared: BTreeMap<&str, _> = items("verify").map(|item| (item.item.as_str(), item)).collect();
    let table = |(name, rows): (String, Option<u64>)| {
        let (copying, comparing) = (copied.get(name.as_str()), compared.get(name.as_str()));
        let whole = rows.unwrap_or_default();
        // A copy that passed has counted the rows of the target itself.
        let done = if copy == StepState::Passed { whole } else { copying.map_or(0, |item| item.done) };
        let seen = if verify == StepState::Passed { whole } else { comparing.map_or(0, |item| item.done) };
        let state = match (copy, verify) {
            (_, StepState::Passed) => TableState::Verified,
            (StepState::Passed, StepState::Running) if comparing.is_some() => TableState::Verifying,
            (StepState::Passed, _) => TableState::Copied,
            _ if rows.is_some_and(|rows| rows > 0 && done >= rows) => TableState::Copied,
            _ if done > 0 => TableState::Copying,
            _ => TableState::Waiting,
        };
        let per_second = comparing.filter(|_| state == TableState::Verifying).or(copying);
        Table {
            name,
            rows,
            copied: done,
            compared: seen,
            per_second: per_second.and_then(|item| item.per_second),
            state,
        }
    };
    tables.into_iter().map(table).collect()
}

pub(crate) async fn migration(State(site): State<Site>, Extension(visitor): Extension<Visitor>) -> Response {
    about_run(&site, &visitor, "page-migration", |scene| {
        let known = golive::list();
        let tables = tables_of(scene.look);
        html! {
            (topic::criteria(scene, &["migration"]))
            (topic::figures(scene, &FIGURES))
            section aria-labelledby="tables" {
                h2 #tables { (scene.words.t("tables-title")) }
                @if let Some(problem) = &scene.look.progress_problem {
                    p.notice.unknown { (Tone::Unknown.icon()) " " (scene.words.t("tables-problem")) " " code { (show::line(problem, 300)) } }
                }
                @if tables.is_empty() { p.quiet { (scene.words.t("tables-none")) } } @else { (board(scene, &tables)) }
            }
            section aria-labelledby="steps" {
                h2 #steps { (scene.words.t("page-steps")) }
                @for (step, state) in scene.look.steps().filter(|(step, _)| step.phase == 1) {
                    (steps::card(scene, step, state, known.iter().find(|about| about.id == step.id)))
                }
            }
            (topic::commands(scene.words, &COMMANDS))
        }
    })
    .await
}

/// How far all of it is, and each table.
pub(crate) fn board(scene: &Scene<'_>, tables: &[Table]) -> Markup {
    let words = scene.words;
    let all: u64 = tables.iter().filter_map(|table| table.rows).sum();
    let done: u64 = tables.iter().map(|table| table.copied).sum();
    let complete = tables
        .iter()
        .filter(|table| !matches!(table.state, TableState::Waiting | TableState::Copying))
        .count();
    html! {
        @let tone = if complete == tables.len() { Tone::Pass } else { Tone::Running };
        div.far.(tone.class()) {
            label for="rows" {
                (words.with("tables-far", &[
                    ("done", show::count(words, done).into()), ("all", show::count(words, all).into()),
                    ("complete", complete.into()), ("tables", tables.len().into()),
                ]))
            }
            progress #rows max=(all.max(1)) value=(if all == 0 { 1 } else { done }) { (done) }
        }
        (plot::pace(words, &scene.look.pace))
        div.table-box tabindex="0" {
            table.tables {
                thead { tr {
                    th scope="col" { (words.t("table-name")) }
                    th.number scope="col" { (words.t("table-rows")) }
                    th.number scope="col" { (words.t("table-copied")) }
                    th.number scope="col" { (words.t("table-compared")) }
                    th.number scope="col" { (words.t("table-rate")) }
                    th scope="col" { (words.t("table-state")) }
                } }
                tbody { @for table in tables { (row(scene, table)) } }
            }
        }
    }
}

fn row(scene: &Scene<'_>, table: &Table) -> Markup {
    let words = scene.words;
    let (tone, word) = match table.state {
        TableState::Waiting => (Tone::Idle, "state-waiting"),
        TableState::Copying => (Tone::Running, "table-copying"),
        TableState::Copied => (Tone::Idle, "table-is-copied"),
        TableState::Verifying => (Tone::Running, "table-verifying"),
        TableState::Verified => (Tone::Pass, "table-verified"),
    };
    html! {
        tr {
            th scope="row" data-label=(words.t("table-name")) { code { (show::line(&table.name, 64)) } }
            td.number data-label=(words.t("table-rows")) { (table.rows.map_or_else(|| "—".to_owned(), |rows| show::count(words, rows))) }
            td.number data-label=(words.t("table-copied")) { (show::count(words, table.copied)) }
            td.number data-label=(words.t("table-compared")) { (show::count(words, table.compared)) }
            td.number data-label=(words.t("table-rate")) {
                @match table.per_second { Some(rate) => { (show::number(words, rate.round())) }, None => { "—" } }
            }
            td data-label=(words.t("table-state")) { (parts::badge(tone, &words.t(word))) }
        }
    }
}

const FIGURES: [&str; 8] = [
    "survey.tables",
    "survey.blocking",
    "survey.changing",
    "migrate.rows_verified",
    "migrate.cells_verified",
    "migrate.value_mismatches",
    "migrate.rows_per_second",
    "application.database",
];
const COMMANDS: [&str; 3] = ["golive migrate survey", "golive migrate verify", "golive migrate status"];
