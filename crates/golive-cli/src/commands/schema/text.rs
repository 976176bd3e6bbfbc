//! How versioned migrations read on a terminal.

use std::path::PathBuf;

use golive_migrate::{
    ChangeClass, Direction, Effect, MigrationProof, Scaffold, SchemaDrift, SchemaLint, Standing,
    VersionedFinding, VersionedPlan, VersionedRun, VersionedStatus,
};

pub(super) fn status(status: &VersionedStatus) -> String {
    let mut lines = vec![format!("target     {}", status.target)];
    for one in &status.migrations {
        let standing = match one.standing {
            Standing::Applied => "applied",
            Standing::Baseline => "baseline",
            Standing::Pending => "pending",
            Standing::HalfRun => "HALF RUN",
            Standing::HalfTakenBack => "HALF DOWN",
            _ => "MISSING",
        };
        let at = one
            .applied_at
            .as_deref()
            .map(|at| format!("  {}", at.get(..19).unwrap_or(at)))
            .unwrap_or_default();
        let back = if one.has_down || one.standing == Standing::Missing { "" } else { "  no way back" };
        lines.push(format!("{standing:<10} {:<40}{at}{back}", one.name).trim_end().to_owned());
        if let Some(sql) = one.half.as_ref().and_then(|half| half.sql.as_deref()) {
            lines.push(format!("           {sql}"));
        }
    }
    if status.migrations.is_empty() {
        lines.push("no migrations".to_owned());
    }
    lines.extend(findings(&status.findings));
    lines.join("\n")
}

pub(super) fn plan(plan: &VersionedPlan) -> String {
    let mut lines = vec![format!("-- {}: nothing was changed", plan.target)];
    for migration in &plan.migrations {
        lines.push(format!("\n-- {}", migration.name));
        lines.extend(migration.notes.iter().map(|note| format!("-- note: {note}")));
        lines.extend(migration.statements.iter().map(|statement| format!("{statement};")));
    }
    if plan.migrations.is_empty() {
        lines.push("-- nothing is pending".to_owned());
    }
    lines.extend(findings(&plan.findings).into_iter().map(|line| format!("-- {line}")));
    lines.join("\n")
}

pub(super) fn run(run: &VersionedRun) -> String {
    let mut lines = vec![format!("target     {}", run.target)];
    lines.extend(run.recognized.iter().map(|name| format!("recognized {name}")));
    for ran in &run.ran {
        let what = if ran.direction == Direction::Up { "applied" } else { "taken back" };
        let resumed = match ran.resumed_after {
            0 => String::new(),
            count => format!(", {count} statements were done before"),
        };
        lines.push(format!("{what:<10} {} ({:.1} s{resumed})", ran.name, ran.milliseconds as f64 / 1000.0));
    }
    if let Some(stopped) = &run.stopped {
        let line = stopped.line.map(|line| format!(", line {line}")).unwrap_or_default();
        let effect = match stopped.effect {
            Effect::Done => "it took effect",
            Effect::NotDone => "it did not take effect",
            _ => "it may or may not have taken effect",
        };
        lines.push(format!(
            "STOPPED    {} at statement {}{line}: {effect}",
            stopped.migration, stopped.statement
        ));
        lines.extend(stopped.sql.iter().map(|sql| format!("           {sql}")));
        lines.push(format!("           {}", stopped.reason));
        lines.push(
            "           mend what is named, then run the command again: what is done stays done".to_owned(),
        );
    }
    lines.extend(findings(&run.findings));
    if run.is_done() && run.ran.is_empty() && run.recognized.is_empty() {
        lines.push("nothing to do".to_owned());
    }
    lines.join("\n")
}

pub(super) fn check(
    proof: &MigrationProof,
    drift: Option<&SchemaDrift>,
    lint: Option<&SchemaLint>,
    all: &[VersionedFinding],
) -> String {
    let mut lines = vec![format!(
        "proof      {} up, {} down and up again on MariaDB {}, {} tables: {}",
        proof.applied,
        proof.taken_back,
        proof.server_version,
        proof.tables,
        if proof.holds() { "the same schema" } else { "NOT proven" }
    )];
    match drift {
        None => lines.push("drift      not looked for: no target is named".to_owned()),
        Some(drift) if drift.is_none() => {
            lines.push(format!(
                "drift      none: {} is what its {} migrations make",
                drift.target, drift.applied
            ));
        }
        Some(drift) => {
            lines.push(format!("drift      {} differences in {}", drift.deviations.len(), drift.target));
        }
    }
    if let Some(drift) = drift.filter(|drift| drift.server_version != drift.disposable_version) {
        lines.push(format!(
            "           MariaDB {} against {}: versions may write the same definition in two ways",
            drift.server_version, drift.disposable_version
        ));
    }
    for change in lint.iter().flat_map(|lint| &lint.changes) {
        let class = match change.class {
            ChangeClass::Instant => "instant",
            ChangeClass::Online => "online",
            ChangeClass::BlocksWrites => "blocks writes",
            ChangeClass::Copies => "copies the table, blocks writes",
            _ => "unknown",
        };
        let rows = change.rows.map_or("not there yet".to_owned(), |rows| format!("about {rows} rows"));
        lines.push(format!(
            "pending    {}: {} ({}, {rows}): {class}",
            change.migration, change.sql, change.table
        ));
    }
    lines.extend(findings(all));
    lines.join("\n")
}

pub(super) fn new(name: &str, files: &[PathBuf], scaffold: &Scaffold, from_drift: bool) -> String {
    let mut lines: Vec<String> = files.iter().map(|file| format!("written    {}", file.display())).collect();
    lines.extend(scaffold.left.iter().map(|left| format!("LEFT       {left}")));
    if from_drift {
        lines.push(format!(
            "next       review both files; the live database has all this already, so enter it there: `golive schema up --baseline {name}`"
        ));
    }
    lines.join("\n")
}

fn findings(all: &[VersionedFinding]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}
