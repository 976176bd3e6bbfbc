//! The disk of the backups runs full while one is taken: on a small disk of its own, in memory, that only the commands
//! see. What was there stays whole, what did not fit is never listed, and once there is room the next backup is good.

use std::path::Path;
use std::time::{Duration, Instant};

use golive_backup::Repository;
use golive_sandbox::{MariaDb, ProcessSpec, run_to_end};

use super::stage::{Stage, Writer, doing};
use super::{Disaster, DisasterError, DisasterOptions, DisasterReport, Executed};

/// A backup larger than this would fill the memory that the small disk is made of.
const LARGEST_BYTES: u64 = 512 * 1024 * 1024;
/// Room for manifests and proofs.
const SPARE_BYTES: u64 = 8 * 1024 * 1024;
const WITHIN: Duration = Duration::from_secs(3600);

/// Each command's exit code, its milliseconds, and the first line of what it said; then the next.
const SCRIPT: &str = r#"
mount -t tmpfs -o "size=$SIZE" tmpfs "$DISK" || exit 90
run() {
  begin=$(date +%s%N)
  "$GOLIVE" backup "$@" --repository "$DISK/backups" --key "$KEY" >"$DISK.out" 2>"$DISK.err"
  code=$?
  end=$(date +%s%N)
  if [ "$code" = 0 ]; then said=$(head -n 1 "$DISK.out"); else said=$(tail -n 1 "$DISK.err"); fi
  echo "$code $(((end - begin) / 1000000)) $said"
}
run create --target env:TARGET
head -c "$SIZE" /dev/zero >"$DISK/filling" 2>/dev/null
run create --target env:TARGET
run list
rm "$DISK/filling"
run create --target env:TARGET
run verify
run restore --target env:COPY
"#;

/// What one command of the script came to.
struct Step {
    code: i32,
    seconds: f64,
    said: String,
}

pub(super) fn rehearse(
    options: &DisasterOptions,
    stage: &Stage,
    writer: Writer,
) -> Result<DisasterReport, DisasterError> {
    let at = (options.clock)();
    let written = writer.end();
    let copy = stage.empty_server()?;
    let steps = run(stage, options, &copy)?;
    let [first, full, listed, again, verified, restored] = steps.as_slice() else {
        return Err(DisasterError::Command {
            command: "golive backup create".to_owned(),
            said: told(&steps),
        });
    };
    for (step, command) in
        [(first, "create"), (listed, "list"), (again, "create"), (verified, "verify"), (restored, "restore")]
    {
        if step.code != 0 {
            let command = format!("golive backup {command}");
            return Err(DisasterError::Command { command, said: step.said.clone() });
        }
    }
    // A backup that did not fit and was called one, or half of one that is listed.
    if full.code == 0 || !listed.said.starts_with("1 backups") {
        return Err(DisasterError::Unnoticed);
    }
    let place = "--repository \"$REPOSITORY\" --key \"$KEY\"";
    let executed = |command: &str, step: &Step| Executed {
        command: format!("golive backup {command} {place}"),
        seconds: step.seconds,
    };
    let commands = vec![
        executed("list", listed),
        executed("create --target env:TARGET", again),
        executed("verify", verified),
        executed("restore --target env:COPY", restored),
    ];
    let seconds: f64 = listed.seconds + again.seconds + verified.seconds;
    let noticed = format!("the backup ended with exit code {}: {}", full.code, full.said);
    // The report counts from the disaster on; what came before it here is the play's own.
    let began = Instant::now().checked_sub(Duration::from_secs_f64(seconds)).unwrap_or_else(Instant::now);
    written.report(stage, &copy, Disaster::FullDisk, at, began, noticed, commands)
}

fn run(stage: &Stage, options: &DisasterOptions, copy: &MariaDb) -> Result<Vec<Step>, DisasterError> {
    let (repository, key) = stage.places();
    let stored = stored_bytes(repository)?;
    if stored > LARGEST_BYTES {
        let problem = format!("the newest backup holds {stored} bytes, too many for a disk in memory");
        return Err(doing("make a small disk")(std::io::Error::other(problem)));
    }
    let folder = tempfile::tempdir().map_err(doing("make a folder for the small disk"))?;
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).map_err(doing("make a folder for the small disk"))?;
    let text = |path: &Path| path.display().to_string();
    let spec = ProcessSpec::new("unshare")
        .arguments(["--map-root-user", "--mount", "sh", "-uc", SCRIPT])
        .directory(folder.path())
        .environment([
            ("GOLIVE", text(&options.program)),
            ("DISK", text(&disk)),
            ("KEY", text(key)),
            ("SIZE", (stored * 2 + SPARE_BYTES).to_string()),
            ("TARGET", stage.url()),
            ("COPY", copy.url(&options.database)),
        ]);
    let ended = run_to_end(spec, WITHIN).map_err(doing("run the commands on a small disk"))?;
    if !ended.status.success() {
        let said = ended.errors.lines().last().unwrap_or_default().to_owned();
        return Err(doing("mount a small disk in a name space of its own (unshare, of util-linux)")(
            std::io::Error::other(said),
        ));
    }
    Ok(ended.output.lines().filter_map(step).collect())
}

fn stored_bytes(repository: &Path) -> Result<u64, DisasterError> {
    let keys = golive_backup::Keys::new(golive_backup::Key::generate().recipient());
    let repository = Repository::open_local(repository, keys).map_err(doing("open the repository"))?;
    let all = repository.list().map_err(doing("list the backups"))?;
    Ok(all.last().map_or(0, golive_backup::Manifest::stored_bytes))
}

fn step(line: &str) -> Option<Step> {
    let mut words = line.splitn(3, ' ');
    let code = words.next()?.parse().ok()?;
    let milliseconds: f64 = words.next()?.parse().ok()?;
    Some(Step { code, seconds: milliseconds / 1000.0, said: words.next().unwrap_or_default().to_owned() })
}

fn told(steps: &[Step]) -> String {
    steps.last().map(|step| step.said.clone()).unwrap_or_default()
}
