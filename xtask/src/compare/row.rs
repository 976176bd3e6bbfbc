//! What one tool made of one database. Pure: from what the tool said and what the independent reader saw.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::page::safe;

/// What a tool said of a database.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Columns and tables that a finding named as changed, set aside or not carried.
    named: BTreeSet<String>,
    /// Kinds of promises of which something was said not to be carried.
    kinds: BTreeSet<&'static str>,
    /// In a few words.
    said: String,
}

/// Which findings speak of which kind of promise, and by which word the peer would.
const KINDS: [(&str, &[&str], &str); 8] = [
    ("tables", &["MIG-EXCLUDED", "MIG-VIRTUAL"], "table"),
    ("primary keys", &["MIG-KEY"], "primary"),
    ("unique keys", &["MIG-INDEX", "MIG-UNIQUE"], "unique"),
    ("foreign keys", &["MIG-FK"], "foreign"),
    ("checks", &["MIG-CHECK"], "check"),
    ("defaults", &["MIG-DEFAULT"], "default"),
    ("views", &["MIG-VIEW"], "view"),
    ("triggers", &["MIG-TRIGGER"], "trigger"),
];

impl Outcome {
    /// From the findings of a survey, and the complaint of a run.
    pub(super) fn golive(findings: &Value, complaint: &str) -> Self {
        let mut outcome = Self::default();
        let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
        for finding in findings.as_array().into_iter().flatten() {
            let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
            if text("severity") == "note" {
                continue;
            }
            outcome.named.insert(format!("{}.{}", text("table"), text("column")));
            outcome.named.insert(text("table"));
            let id = text("id");
            let kinds = KINDS.iter().filter(|(_, ids, _)| ids.iter().any(|one| id.starts_with(one)));
            outcome.kinds.extend(kinds.map(|(kind, _, _)| *kind));
            *counts.entry((text("severity").replace('_', " "), id)).or_default() += 1;
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
        let told = complaints.join(" ").to_ascii_lowercase();
        let kinds =
            KINDS.iter().filter(|(_, _, word)| told.contains(word)).map(|(kind, _, _)| *kind).collect();
        Self { named: BTreeSet::new(), kinds, said }
    }
}

/// One tool on one database.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) tool: &'static str,
    pub(super) code: u8,
    pub(super) seconds: f64,
    pub(super) rows_in: u64,
    pub(super) rows_out: u64,
    pub(super) lost: u64,
    pub(super) said: String,
    changed: u64,
    /// The columns with most changed values, and how many each.
    places: Vec<(u64, String)>,
    /// Kinds of promises, how many the source makes and how many the target keeps.
    promises: Vec<(&'static str, u64, u64)>,
    /// Lost rows, changed values and promises that nothing named.
    unnamed: u64,
}

impl Row {
    pub(super) fn new(tool: &'static str, code: u8, seconds: f64, read: &Value, outcome: Outcome) -> Self {
        let mut row = Self {
            tool,
            code,
            seconds,
            rows_in: 0,
            rows_out: 0,
            lost: 0,
            said: if outcome.said.is_empty() { "nothing".to_owned() } else { outcome.said },
            changed: 0,
            places: Vec::new(),
            promises: Vec::new(),
            unnamed: 0,
        };
        for (table, found) in read["tables"].as_object().into_iter().flatten() {
            let count = |key: &str| found[key].as_u64().unwrap_or_default();
            row.rows_in += count("rows_in");
            row.rows_out += count("rows_out");
            row.lost += count("lost");
            if !outcome.named.contains(table) {
                row.unnamed += count("lost");
            }
            for (column, times) in found["changed"].as_object().into_iter().flatten() {
                let times = times.as_u64().unwrap_or_default();
                row.changed += times;
                row.places.push((times, format!("{table}.{column}")));
                if !outcome.named.contains(&format!("{table}.{column}")) {
                    row.unnamed += times;
                }
            }
        }
        row.places.sort_by(|one, other| other.cmp(one));
        for (kind, _, _) in KINDS {
            let count = |at: usize| read["promises"][kind][at].as_u64().unwrap_or_default();
            row.promises.push((kind, count(0), count(1)));
            if !outcome.kinds.contains(kind) {
                row.unnamed += count(0).saturating_sub(count(1));
            }
        }
        row
    }

    /// What the source holds.
    pub(super) fn held(&self) -> String {
        let promised = self.promises.iter().filter(|(_, count, _)| *count > 0);
        let kinds =
            promised.filter(|(kind, _, _)| *kind != "tables").map(|(kind, count, _)| counted(*count, kind));
        let tables =
            self.promises.iter().find(|(kind, _, _)| *kind == "tables").map_or(0, |(_, count, _)| *count);
        let rows = format!("{} in {}", counted(self.rows_in, "rows"), counted(tables, "tables"));
        std::iter::once(rows).chain(kinds).collect::<Vec<_>>().join(", ")
    }

    /// The exit code, and whether it can be believed.
    pub(super) fn ended(&self) -> String {
        format!("{}{}", if self.lost_silently() { "**silently** " } else { "" }, self.code)
    }

    /// Values changed, and where most of them are.
    pub(super) fn changed(&self) -> String {
        let shown: Vec<String> =
            self.places.iter().take(3).map(|(times, place)| format!("{} × {times}", safe(place))).collect();
        match self.places.len() {
            0 => "0".to_owned(),
            1..4 => format!("{} ({})", self.changed, shown.join(", ")),
            all => {
                let more = counted(all as u64 - 3, "more columns");
                format!("{} ({}, and {more})", self.changed, shown.join(", "))
            }
        }
    }

    /// What the source promises beside its rows and the target does not.
    pub(super) fn not_carried(&self) -> String {
        if self.code != 0 && self.rows_out == 0 {
            return "everything".to_owned();
        }
        let missing = self.promises.iter().filter(|(_, promised, kept)| kept < promised);
        let parts = missing
            .map(|(kind, promised, kept)| format!("{} of {}", promised - kept, counted(*promised, kind)));
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
    }

    /// For the overview.
    pub(super) fn in_a_word(&self) -> String {
        if self.code != 0 && self.rows_out == 0 && self.tool.starts_with("golive") {
            return format!("exit {}, before the first row", self.code);
        }
        let mut parts = Vec::new();
        if self.lost > 0 {
            parts.push(format!("{} lost", counted(self.lost, "rows")));
        }
        if self.changed > 0 {
            parts.push(format!("{} changed", counted(self.changed, "values")));
        }
        if self.code == 0 && self.not_carried() != "nothing" {
            parts.push(format!("{} not carried", self.not_carried()));
        }
        let code = self.code;
        match (parts.is_empty(), self.lost_silently()) {
            (true, _) => format!("exit {code}: everything arrived"),
            (_, true) => format!("exit {code}, **silently**: {}", parts.join(", ")),
            (_, false) if code == 0 => format!("exit {code}, named: {}", parts.join(", ")),
            (_, false) => format!("exit {code}: {}", parts.join(", ")),
        }
    }

    /// Ended well, although something is lost that it did not name.
    pub(super) fn lost_silently(&self) -> bool {
        self.code == 0 && self.unnamed > 0
    }
}

/// A number and the thing counted, whose plural is given.
fn counted(count: u64, plural: &str) -> String {
    if count == 1 { format!("1 {}", plural.trim_end_matches('s')) } else { format!("{count} {plural}") }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// What the reader sees of a table whose rows are mostly lost.
    pub(in super::super) fn read() -> Value {
        json!({
            "tables": { "card": { "rows_in": 10, "rows_out": 3, "lost": 7, "changed": { "made": 3 } } },
            "promises": { "tables": [1, 1], "views": [1, 0] },
        })
    }

    fn finding(id: &str, severity: &str) -> Value {
        json!({ "id": id, "severity": severity, "table": "card", "column": "made" })
    }

    #[test]
    fn what_is_lost_without_a_word_is_silent_and_what_is_named_is_not() {
        let of =
            |code, findings: Value| Row::new("golive", code, 1.0, &read(), Outcome::golive(&findings, ""));
        let (rows, views) = (finding("MIG-A", "changes_data"), finding("MIG-VIEW", "changes_data"));
        assert!(of(0, json!([])).lost_silently());
        assert!(!of(0, json!([rows, views])).lost_silently());
        assert!(of(0, json!([rows])).lost_silently(), "the view is not named");
        assert!(of(0, json!([finding("MIG-A", "note"), finding("MIG-VIEW", "note")])).lost_silently());
        assert!(!of(10, json!([])).lost_silently(), "it said that it failed");
    }

    #[test]
    fn a_row_is_told_in_a_word() {
        let of =
            |code, findings: Value| Row::new("golive", code, 1.0, &read(), Outcome::golive(&findings, ""));
        assert_eq!(
            of(0, json!([finding("MIG-VIEW", "changes_data")])).in_a_word(),
            "exit 0, named: 7 rows lost, 3 values changed, 1 of 1 view not carried"
        );
        let whole =
            json!({ "tables": { "card": { "rows_in": 1, "rows_out": 1, "lost": 0, "changed": {} } } });
        let whole = Row::new("golive", 0, 1.0, &whole, Outcome::default());
        assert_eq!(whole.in_a_word(), "exit 0: everything arrived");
        let none = json!({ "tables": { "card": { "rows_in": 1, "rows_out": 0, "lost": 1, "changed": {} } } });
        let none = Row::new("golive", 10, 1.0, &none, Outcome::default());
        assert_eq!(none.in_a_word(), "exit 10, before the first row");
    }
}
