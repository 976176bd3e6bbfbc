//! `migrate verify`: everything, by digests, a sample, or against what was recorded at cut-over.

use golive_migrate::{
    CancellationToken, ChangeKind, Method, RecordedVerification, Sample, SampleSize, Source, Target, Verdict,
    Verification, VerifyOptions, verify, verify_recorded,
};

use super::failure::ToFailure;
use super::{Sides, Stall, connect, moving, open, text};
use crate::args::Global;
use crate::commands::support::{Meter, show};
use crate::exit::{End, Failure, Result};
use crate::{clock, commands};

/// What `verify` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    sides: Sides,
    /// What the target is compared with. `recorded` needs no source: it tells which of the migrated rows were changed or
    /// deleted since the switch, and how many were added.
    #[arg(long, value_enum, default_value_t = Against::Source)]
    against: Against,
    /// Have the server compute digests, and stream only ranges that differ: for a target that is far away.
    #[arg(long)]
    digest: bool,
    /// Compare only so many rows (`5000`), or so much of each table (`2%`), chosen at random. It proves nothing, and a
    /// switch does not follow from it.
    #[arg(long, value_name = "ROWS|PERCENT%", conflicts_with = "digest", value_parser = sample_size)]
    sample: Option<SampleSize>,
    /// The seed of a sample that is to be repeated.
    #[arg(long, value_name = "NUMBER", requires = "sample")]
    seed: Option<u64>,
    #[command(flatten)]
    stall: Stall,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Against {
    Source,
    Recorded,
}

fn sample_size(text: &str) -> std::result::Result<SampleSize, String> {
    let wrong = || "give a number of rows, like 5000, or a share, like 2%".to_owned();
    match text.strip_suffix('%') {
        Some(percent) => {
            let percent: f64 = percent.trim().parse().map_err(|_| wrong())?;
            if percent > 0.0 && percent <= 100.0 { Ok(SampleSize::Percent(percent)) } else { Err(wrong()) }
        }
        None => text.parse().ok().filter(|rows| *rows > 0).map(SampleSize::Rows).ok_or_else(wrong),
    }
}

pub(super) async fn run(global: &Global, args: &VerifyArgs) -> Result {
    let target = connect(global, &args.sides).await?;
    if args.against == Against::Recorded {
        let mut options = VerifyOptions::default();
        options.stall_timeout = args.stall.timeout();
        let found = verify_recorded(&target, &options).await.map_err(ToFailure::failure)?;
        show(global, &found, || recorded(&found));
        return Ok(if found.verdict == Verdict::Match { End::Ready } else { End::NotReady });
    }
    let source = open(global, &args.sides).await?;
    let method = match args.sample {
        Some(size) => {
            let seed = args.seed.unwrap_or_else(|| clock::now().timestamp_micros().unsigned_abs());
            Method::Sample(Sample::new(size, seed))
        }
        None if args.digest => Method::DIGESTS,
        None => Method::Rows,
    };
    // What the plan intended, the target keeps itself.
    let mut options = VerifyOptions::default();
    options.stall_timeout = args.stall.timeout();
    options.method = method;
    let verification = compared(global, &source, &target, options, CancellationToken::new()).await?;
    show(global, &verification, || text::verification(&verification) + text::changed_source(&verification));
    Ok(end(global, &verification))
}

/// A sample without a difference is no proof, and a file that is not what was copied may go on changing: ready, but for a
/// warning.
pub(super) fn end(global: &Global, verification: &Verification) -> End {
    match verification.verdict {
        Verdict::Match if verification.source_changed_since_copy && global.deny_warnings => End::Warnings,
        Verdict::Match => End::Ready,
        // What was not compared may be what was written.
        Verdict::SampleMatch if verification.source_changed_since_copy => End::NotReady,
        Verdict::SampleMatch if global.deny_warnings => End::Warnings,
        Verdict::SampleMatch => End::Ready,
        _ => End::NotReady,
    }
}

/// Compares both sides, with what was intended.
pub(super) async fn compared(
    global: &Global,
    source: &Source,
    target: &Target,
    mut options: VerifyOptions,
    cancel: CancellationToken,
) -> std::result::Result<Verification, Failure> {
    let config = commands::config_or_nothing(global)?;
    options.exclude.extend(config.migrate.exclude.iter().cloned());
    options.cancel = cancel;
    let meter = Meter::new(global, "comparing both sides");
    let verification = verify(source, target, &options, &moving(&meter, "comparing", 0)).await;
    meter.clear();
    verification.map_err(ToFailure::failure)
}

fn recorded(found: &RecordedVerification) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "verdict      {}: {} rows of {} tables recorded on {}, {} added since, {} changed or deleted; looked at in {:.2} s\n",
        if found.verdict == Verdict::Match { "match" } else { "mismatch" },
        found.tables.iter().map(|table| table.rows_recorded).sum::<u64>(),
        found.tables.len(),
        found.recorded_at.format("%F %T UTC"),
        found.added(),
        found.lost(),
        found.seconds
    );
    if found.verdict != Verdict::Match {
        text.push_str("             rows of the migration were changed or deleted since: the application's\n             work, or a mishap\n");
    }
    for table in found.tables.iter().filter(|table| !table.is_kept()) {
        let _ = writeln!(text, "  {}: {} changed, {} deleted", table.name, table.changed, table.deleted);
        for change in &table.changes {
            let what = if change.kind == ChangeKind::Changed { "was changed" } else { "is gone" };
            let _ = writeln!(text, "    key {} {what}", change.key);
        }
        for column in &table.columns {
            let _ = writeln!(text, "    column {column}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_a_number_or_a_share() {
        assert_eq!(sample_size("500"), Ok(SampleSize::Rows(500)));
        assert_eq!(sample_size("2.5%"), Ok(SampleSize::Percent(2.5)));
        for text in ["0", "0%", "101%", "-1", "some", "%"] {
            assert!(sample_size(text).is_err(), "{text}");
        }
    }
}
