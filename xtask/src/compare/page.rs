//! The comparison as Markdown. Pure: from what was read to a page.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

/// What a tool said of a database.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Columns and tables that a finding named as changed, set aside or not carried.
    named: BTreeSet<String>,
    /// In a few words.
    said: String,
}

impl Outcome {
    /// From the findings of a survey, and the complaint of a run.
    pub(super) fn golive(findings: &Value, complaint: &str) -> Self {
        let mut outcome = Self::default();
        let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
        for finding in findings.as_array().into_iter().flatten() {
            let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
            if text("severity") != "note" {
                outcome.named.insert(format!("{}.{}", text("table"), text("column")));
                outcome.named.insert(text("table"));
                *counts.entry((text("severity").replace('_', " "), text("id"))).or_default() += 1;
            }
        }
        let parts = counts.iter().map(|((severity, id), places)| match places {
            1 => format!("{id} ({severity})"),
            _ => format!("{id} ({severity}) in {places} places"),
        });
        outcome.said = parts.collect::<Vec<_>>().join("; ");
        if outcome.said.is_empty() {
            complaint.trim().lines().next().unwrap_or("nothing to name").clone_into(&mut outcome.said);
        }
        outcome
    }

    /// From what the peer printed: its warnings and errors, without their time; else its last word, where it failed.
    pub(super) fn peer(code: u8, printed: &str) -> Self {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let complaints: Vec<String> = printed
            .lines()
            .filter_map(|line| {
                line.find("WARNING").or_else(|| line.find("ERROR")).map(|from| words(&line[from..]))
            })
            .collect();
        let last = printed.lines().rev().map(words).find(|line| !line.is_empty());
        let said = match (complaints.as_slice(), last) {
            ([], Some(last)) if code != 0 => last.chars().take(160).collect(),
            ([], _) => "nothing".to_owned(),
            ([one], _) => one.chars().take(160).collect(),
            ([first, rest @ ..], _) => {
                format!("{} (and {} more)", first.chars().take(160).collect::<String>(), rest.len())
            }
        };
        Self { named: BTreeSet::new(), said }
    }
}

/// One tool on one database.
#[derive(Debug)]
pub(super) struct Row {
    tool: &'static str,
    code: u8,
    seconds: f64,
    rows_in: u64,
    rows_out: u64,
    lost: u64,
    changed: u64,
    /// The columns with most changed values, and how many each.
    places: Vec<(u64, String)>,
    /// Of these, lost rows and changed values that nothing named.
    unnamed: u64,
    said: String,
}

impl Row {
    pub(super) fn new(tool: &'static str, code: u8, seconds: f64, read: Value, outcome: Outcome) -> Self {
        let (mut rows_in, mut rows_out, mut lost, mut changed, mut unnamed) = (0, 0, 0, 0, 0);
        let mut places: Vec<(u64, String)> = Vec::new();
        for (table, found) in read["tables"].as_object().into_iter().flatten() {
            let count = |key: &str| found[key].as_u64().unwrap_or_default();
            rows_in += count("rows_in");
            rows_out += count("rows_out");
            lost += count("lost");
            if !outcome.named.contains(table) {
                unnamed += count("lost");
            }
            for (column, times) in found["changed"].as_object().into_iter().flatten() {
                let times = times.as_u64().unwrap_or_default();
                changed += times;
                places.push((times, format!("{table}.{column}")));
                if !outcome.named.contains(&format!("{table}.{column}")) {
                    unnamed += times;
                }
            }
        }
        places.sort_by(|one, other| other.cmp(one));
        Self { tool, code, seconds, rows_in, rows_out, lost, changed, places, unnamed, said: outcome.said }
    }

    /// Values changed, and where most of them are.
    fn changed(&self) -> String {
        let shown: Vec<String> =
            self.places.iter().take(3).map(|(times, place)| format!("{} × {times}", safe(place))).collect();
        match self.places.len() {
            0 => "0".to_owned(),
            1..4 => format!("{} ({})", self.changed, shown.join(", ")),
            all => format!("{} ({}, and {} more columns)", self.changed, shown.join(", "), all - 3),
        }
    }

    /// Ended well, although something is lost that it did not name.
    fn lost_silently(&self) -> bool {
        self.code == 0 && self.unnamed > 0
    }
}

/// The page.
#[derive(Debug)]
pub(super) struct Page {
    versions: Vec<String>,
    rows: Vec<(String, Row)>,
    left_out: Vec<(String, String)>,
}

impl Page {
    /// `versions` begins with the date.
    pub(super) fn new(versions: Vec<String>) -> Self {
        Self { versions, rows: Vec::new(), left_out: Vec::new() }
    }

    pub(super) fn add(&mut self, title: &str, rows: Vec<Row>) {
        self.rows.extend(rows.into_iter().map(|row| (title.to_owned(), row)));
    }

    pub(super) fn left_out(&mut self, title: &str, why: &str) {
        self.left_out.push((title.to_owned(), why.to_owned()));
    }

    /// Whether golive ended with 0 although something is lost or changed that no finding named.
    pub(super) fn golive_lost_silently(&self) -> bool {
        self.rows.iter().any(|(_, row)| row.tool.starts_with("golive") && row.lost_silently())
    }

    pub(super) fn text(&self) -> String {
        let mut page = HEAD.to_owned();
        for (title, row) in &self.rows {
            let silently = if row.lost_silently() { "**silently** " } else { "" };
            let _ = writeln!(
                page,
                "| {title} | {} | {} | {} | {} | {} | {silently}{} | {:.1} | {} |",
                row.tool,
                row.rows_in,
                row.rows_out,
                row.lost,
                row.changed(),
                row.code,
                row.seconds,
                safe(&row.said)
            );
        }
        for (title, why) in &self.left_out {
            let _ = writeln!(page, "\nNot compared: {title}, since {why}.");
        }
        let (date, programs) =
            self.versions.split_first().map_or(("", [].as_slice()), |(date, rest)| (date.as_str(), rest));
        let _ = write!(page, "\nMade on {date} by `cargo xtask compare`, with {}.\n", programs.join(", "));
        page
    }
}

fn safe(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

const HEAD: &str = "\
# Databases in common use, moved by two tools

Each database is made by the program that owns it, moved by `golive migrate survey`, `run` and `verify`, and by sqlite3-to-mysql with its
defaults, to two empty databases of one server; then a reader that belongs to neither (`xtask/compare/read.py`) holds both results
against the source, value by value. *Lost*: a row of the source whose key is not in the target. *Changed*: a value that does not mean the
same in its new type (the same number, text, bytes, instant). **silently**: it ended with 0, and something is lost or changed that it did
not name. Exit code 10 of golive: it refused before it wrote a row and said why, or, where rows came out, its own verification found a
difference; 12: it could not read the source. *decided*: with decisions about its findings, which lie in `xtask/compare`; rows set aside
count as lost here. A film rental (Sakila) and a trading company (Northwind) are missing: no package that we found carries them.

| database | tool | rows in | rows out | rows lost | values changed | exit code | seconds | what it named |
|---|---|---:|---:|---:|---:|---:|---:|---|
";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read() -> Value {
        json!({ "tables": { "card": { "rows_in": 10, "rows_out": 3, "lost": 7, "changed": { "made": 3 } } } })
    }

    #[test]
    fn what_is_lost_without_a_word_is_silent_and_what_is_named_is_not() {
        let silent = Row::new("golive", 0, 1.0, read(), Outcome::default());
        assert!(silent.lost_silently());
        let findings = json!([
            { "id": "MIG-A", "severity": "changes_data", "table": "card", "column": "made" },
        ]);
        let told = Row::new("golive", 0, 1.0, read(), Outcome::golive(&findings, ""));
        assert!(!told.lost_silently());
        let note = json!([{ "id": "MIG-A", "severity": "note", "table": "card", "column": "made" }]);
        assert!(Row::new("golive", 0, 1.0, read(), Outcome::golive(&note, "")).lost_silently());
        assert!(
            !Row::new("golive", 10, 1.0, read(), Outcome::default()).lost_silently(),
            "it said that it failed"
        );
    }

    #[test]
    fn the_page_shows_the_figures_and_what_was_left_out() {
        let mut page = Page::new(vec!["2026-01-01".to_owned(), "golive 1".to_owned()]);
        page.add(
            "cards",
            vec![Row::new("sqlite3-to-mysql", 0, 1.25, read(), Outcome::peer(0, "x WARNING  a | b\nfine"))],
        );
        page.left_out("places", "it is not installed");
        let text = page.text();
        assert!(
            text.contains(
                "| cards | sqlite3-to-mysql | 10 | 3 | 7 | 3 (card.made × 3) | **silently** 0 | 1.2 | WARNING a \\| b |"
            ),
            "{text}"
        );
        assert!(text.contains("Not compared: places, since it is not installed."));
        assert!(text.ends_with("Made on 2026-01-01 by `cargo xtask compare`, with golive 1.\n"), "{text}");
        assert!(!page.golive_lost_silently());
    }
}
