//! How a migration reads in a terminal. No decision here.

use std::fmt::Write;
use std::path::Path;

use golive_migrate::{
    ConstraintReport, CopyReport, Finding, Intended, Mismatch, MismatchKind, Plan, Provider, ProviderState,
    QuarantinedRows, SchemaReport, Source, Survey, Target, Verdict, Verification,
};

use super::findings::{self, Notes};

pub(super) fn survey(survey: &Survey) -> String {
    let mut text = format!("{} tables, {} rows\n", survey.tables.len(), survey.rows());
    for table in &survey.tables {
        let _ = writeln!(
            text,
            "  {:<32} {:>10} rows  {:>3} columns  {:>2} foreign keys",
            table.name,
            table.rows,
            table.columns.len(),
            table.foreign_keys.len()
        );
    }
    findings::all(&mut text, &survey.findings, Notes::Full);
    text
}

/// What every column becomes, and why.
pub(super) fn types(survey: &Survey) -> String {
    let mut text = format!("{:<40} {:<18} {:<18} seen\n", "column", "declared", "becomes");
    for table in &survey.tables {
        for column in &table.columns {
            let seen = &column.census;
            let kinds = [
                (seen.integers, "integers"),
                (seen.reals, "reals"),
                (seen.texts, "texts"),
                (seen.blobs, "blobs"),
                (seen.nulls, "NULL"),
            ];
            let kinds: Vec<String> = kinds
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, kind)| format!("{count} {kind}"))
                .collect();
            let declared = if column.declared.is_empty() { "-" } else { &column.declared };
            let _ = writeln!(
                text,
                "{:<40} {:<18} {:<18} {}",
                format!("{}.{}", table.name, column.name),
                declared,
                column.target.to_string(),
                if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") }
            );
        }
    }
    text.push('\n');
    text
}

/// Rows that policies set aside.
pub(super) fn quarantine(aside: &[QuarantinedRows]) -> String {
    let mut text = String::new();
    for rows in aside {
        let _ = writeln!(
            text,
            "set aside    {} rows of {}: {} (for example {})",
            rows.count,
            rows.table,
            rows.reason,
            rows.keys.join("; ")
        );
    }
    if !aside.is_empty() {
        text.push_str("             they lie whole in _golive_migrate_quarantine of the target\n");
    }
    text
}

pub(super) fn blocked(blocking: &[Finding]) -> String {
    let mut text = format!("{} findings block the migration:\n", blocking.len());
    for finding in blocking {
        findings::one(&mut text, finding);
        let _ = writeln!(text, "      or accept it: --accept {}", finding.selector());
    }
    text.push_str("`golive explain ID` tells what each means; nothing was changed\n");
    text
}

pub(super) fn plan(plan: &Plan) -> String {
    let mut text =
        format!("{} tables in {} tiers, {} rows\n", plan.tables.len(), plan.tiers.len(), plan.rows());
    for (number, tier) in plan.tiers.iter().enumerate() {
        let _ = writeln!(text, "  tier {:>2}: {}", number + 1, tier.join(", "));
    }
    text.push('\n');
    for statement in plan.statements() {
        let _ = writeln!(text, "{statement};");
    }
    if !plan.findings.is_empty() {
        text.push('\n');
        findings::all(&mut text, &plan.findings, Notes::Full);
    }
    text
}

pub(super) fn run(
    plan: &Plan,
    schema: &SchemaReport,
    copied: &CopyReport,
    constraints: &ConstraintReport,
    verified: &Verification,
) -> String {
    let resumed = if schema.resumed || copied.resumed { " (continued an earlier run)" } else { "" };
    let mut text = String::new();
    if !plan.findings.is_empty() {
        findings::all(&mut text, &plan.findings, Notes::Short);
    }
    let _ = write!(
        text,
        "schema       {} tables{resumed}\n\
         copy         {} rows by {} in {:.2} s, {:.0} rows/s\n\
         constraints  {} indexes, {} foreign keys, {} proven without orphans\n{}",
        schema.tables,
        copied.rows,
        copied.method,
        copied.seconds,
        copied.rows_per_second,
        constraints.indexes_added,
        constraints.foreign_keys_added,
        constraints.foreign_keys_proven,
        verification(verified)
    );
    text.push_str(changed_source(verified));
    text
}

pub(super) fn verification(found: &Verification) -> String {
    let verdict = match found.verdict {
        Verdict::Match => "match",
        Verdict::SampleMatch => "sampled, no difference seen: no proof",
        _ => "mismatch",
    };
    let mut text = format!(
        "verdict      {verdict}: {} tables, {} rows, {} cells compared by {} in {:.2} s\n",
        found.tables.len(),
        found.rows,
        found.cells,
        found.method,
        found.seconds
    );
    if let Some(sample) = &found.sample {
        let _ = writeln!(
            text,
            "sample       {} of {} rows were compared, the others were only counted; --seed {} chooses the same again",
            sample.rows, sample.of_rows, sample.seed
        );
    }
    for table in found.tables.iter().chain(&found.views).filter(|table| !table.is_equal()) {
        let _ = writeln!(
            text,
            "  {}: {} mismatches, {} rows in the source, {} in the target",
            table.name, table.mismatch_count, table.rows_source, table.rows_target
        );
        for mismatch in &table.mismatches {
            let _ = writeln!(text, "    {}", one(mismatch));
        }
        let shown = table.mismatches.len() as u64;
        if table.mismatch_count > shown {
            let _ = writeln!(text, "    and {} more", table.mismatch_count - shown);
        }
    }
    for difference in &found.schema {
        let known = match difference.finding {
            Some(id) if difference.intended == Intended::Unknown => {
                format!(" (a plan may have meant it, {id}, but none is known here)")
            }
            _ => String::new(),
        };
        let _ = writeln!(text, "  {}: {}{known}", difference.table, difference.what);
    }
    for difference in &found.intended {
        let id = difference.finding.unwrap_or_default();
        let _ = writeln!(text, "  as planned ({id}), {}: {}", difference.table, difference.what);
    }
    text
}

/// What is to be done about a source whose file is not the one that was copied.
pub(super) fn changed_source(found: &Verification) -> &'static str {
    match found.verdict {
        _ if !found.source_changed_since_copy => "",
        Verdict::Match => {
            "warning      the source is not byte for byte what was copied: it was written to\n             \
             since, or one frozen state of it was copied. Now every cell is equal: stop\n             \
             the application, then switch\n"
        }
        _ => {
            "next         the source is not byte for byte what was copied: if it was written to\n             \
             since, stop the application, empty the target and migrate again\n"
        }
    }
}

fn one(mismatch: &Mismatch) -> String {
    let what = match mismatch.kind {
        MismatchKind::MissingInTarget => "is missing in the target",
        MismatchKind::OnlyInTarget => "is only in the target",
        _ => "differs",
    };
    let column = mismatch.column.as_deref().map(|column| format!(", column {column}")).unwrap_or_default();
    format!("key {}{column} {what}", mismatch.key)
}

/// What a provider state says, and since when, by whom and why.
pub(super) fn said(file: &Path, state: &ProviderState) -> String {
    let at = match state.provider {
        Provider::Mariadb => format!("MariaDB at {}", state.target),
        _ => "SQLite".to_owned(),
    };
    let mut text = format!(
        "{} says {at}\n        since {}, by {}",
        file.display(),
        state.switched_at.format("%F %T UTC"),
        state.switched_by
    );
    if state.provider != Provider::Mariadb {
        let _ = write!(text, "\n        left: MariaDB at {}", state.target);
    }
    if let Some(why) = &state.note {
        let _ = write!(text, "\n        why: {why}");
    }
    if let Some(past) = state.history.last() {
        let (count, was) =
            (state.history.len(), if past.provider == Provider::Mariadb { "MariaDB" } else { "SQLite" });
        let since = past.switched_at.format("%F %T UTC");
        let _ = write!(
            text,
            "\n        before: {was} since {since}, by {} ({count} in the history)",
            past.switched_by
        );
    }
    text
}

pub(super) fn status(
    source: &Source,
    target: &Target,
    file: Option<&Path>,
    state: Option<&ProviderState>,
) -> String {
    let mut text = format!(
        "source  {}{}\ntarget  {} (MariaDB {})\n",
        source.path().display(),
        if source.is_wal() { " (WAL)" } else { "" },
        target.display_name(),
        target.server().version
    );
    let said = match (file, state) {
        (None, _) => "not looked at: give --state FILE".to_owned(),
        (Some(file), None) => {
            let file = file.display();
            format!(
                "{file} does not exist: not switched, the application is on SQLite\nnext    golive migrate switch --state {file}"
            )
        }
        (Some(file), Some(state)) => said(file, state),
    };
    let _ = writeln!(text, "state   {said}");
    text
}
