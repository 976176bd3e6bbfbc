//! The page of the runbook that rehearsed disasters make: what happened, what was run, how long it took.

use std::fmt::Write as _;

use super::{Disaster, DisasterFailure, DisasterReport};

/// Renders the page as markdown. What failed stands in it too: a page that is silent about it would be taken for all.
pub fn render_disasters(
    application: &str,
    reports: &[DisasterReport],
    failures: &[DisasterFailure],
) -> String {
    let mut text = format!(
        "# Rehearsed disasters of the database of {application}\n\nEach was rehearsed on disposable servers with a copy of \
         the data, while rows were written. The commands are those that were run; `$REPOSITORY` and `$KEY` stand for the \
         places of the backups and their key, and `TARGET` in the environment is the address of an empty server; of a lost \
         Redis the rows are keys, `TARGET` was Redis itself, and it is started again in `DIRECTORY` with `appendonly no`, then \
         `CONFIG SET appendonly yes`, until `INFO persistence` says `aof_rewrite_in_progress:0`.\n\n\
         | disaster | back after (RTO) | lost (RPO) | rows confirmed | rows back | rehearsed |\n|---|---|---|---|---|---|\n"
    );
    for report in reports {
        let _ = writeln!(
            text,
            "| {} | {:.1} s | {:.2} s | {} | {} | {} |",
            title(report.disaster),
            report.recovery_seconds,
            report.lost_seconds,
            report.committed,
            report.recovered,
            report.at.format("%Y-%m-%d %H:%M UTC")
        );
    }
    for failure in failures {
        let came = if failure.is_finding { "DID NOT COME BACK" } else { "not rehearsed" };
        let when = failure.at.format("%Y-%m-%d %H:%M UTC");
        let _ = writeln!(text, "| {} | {came} | unknown | | | {when} |", title(failure.disaster));
    }
    for failure in failures {
        let _ = write!(
            text,
            "\n## {}\n\nFailed: {}.\n",
            title(failure.disaster),
            failure.said.trim_end_matches('.')
        );
    }
    for report in reports {
        let _ = write!(
            text,
            "\n## {}\n\nNoticed: {}.\n\n```sh\n",
            title(report.disaster),
            report.noticed.trim_end_matches('.')
        );
        for executed in &report.commands {
            let _ = writeln!(text, "{}   # {:.2} s", executed.command, executed.seconds);
        }
        text.push_str("```\n");
    }
    text
}

fn title(disaster: Disaster) -> &'static str {
    match disaster {
        Disaster::DroppedTable => "a dropped table",
        Disaster::ServerLoss => "a lost server",
        Disaster::Corruption => "an overwritten table file",
        Disaster::FullDisk => "a full disk under the backups",
        Disaster::NetworkPartition => "a cut network before the database",
        Disaster::RedisLoss => "a lost Redis",
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::super::Executed;
    use super::*;

    #[test]
    fn the_page_reads_well() {
        let report = DisasterReport {
            disaster: Disaster::DroppedTable,
            at: DateTime::from_timestamp(1_795_348_800, 0).unwrap(),
            recovery_seconds: 4.25,
            lost_seconds: 0.0,
            committed: 40,
            recovered: 40,
            noticed: "the application's statements failed, and find-event named the DROP".to_owned(),
            commands: vec![Executed {
                command: "golive backup restore --before 0-1-42 --target env:TARGET --repository \"$REPOSITORY\" --key \"$KEY\""
                    .to_owned(),
                seconds: 3.5,
            }],
        };
        let failure = DisasterFailure {
            disaster: Disaster::ServerLoss,
            at: DateTime::from_timestamp(1_795_348_800, 0).unwrap(),
            is_finding: true,
            said: "recover by `golive backup restore`: no such luck".to_owned(),
        };
        let text = render_disasters("shop", &[report], &[failure]);
        for line in [
            "| a dropped table | 4.2 s | 0.00 s | 40 | 40 | 2026-11-22 12:00 UTC |",
            "| a lost server | DID NOT COME BACK | unknown | | | 2026-11-22 12:00 UTC |",
            "Failed: recover by `golive backup restore`: no such luck.",
            "Noticed: the application's statements failed, and find-event named the DROP.",
            "golive backup restore --before 0-1-42 --target env:TARGET --repository \"$REPOSITORY\" --key \"$KEY\"   # 3.50 s",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
