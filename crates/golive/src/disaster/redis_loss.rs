//! Redis is killed while keys are written, and its disk is gone; a server is started on the newest backup. What was
//! written since is lost, and how much that is is measured: whoever cannot bear it keeps it elsewhere too.

use std::time::Instant;

use golive_sandbox::{Redis, RedisOptions};

use super::stage::{doing, run, wait};
use super::{Disaster, DisasterError, DisasterOptions, DisasterReport};

/// Keys that are in the backup, and as many that are written after it.
const KEYS: u64 = 200;

pub(super) fn rehearse(options: &DisasterOptions) -> Result<DisasterReport, DisasterError> {
    let folder = tempfile::tempdir().map_err(doing("make a folder for the rehearsal"))?;
    let (repository, key) = (folder.path().join("backups"), folder.path().join("backup.key"));
    let home = folder.path().join("redis");
    let mut first = RedisOptions::new();
    first.directory = Some(home.clone());
    let redis = Redis::start(&first).map_err(doing("start a disposable Redis"))?;
    let mut confirmed = Vec::new();
    write(&redis, &mut confirmed)?;
    let mut commands = Vec::new();
    let mut golive = |words: &[&str]| {
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        for (option, path) in [("--repository", &repository), ("--key", &key)] {
            all.extend([option.to_owned(), path.display().to_string()]);
        }
        let shown = |text: String| {
            let places = [(&repository, "\"$REPOSITORY\""), (&key, "\"$KEY\""), (&home, "DIRECTORY")];
            places.iter().fold(text, |text, (path, name)| text.replace(&path.display().to_string(), name))
        };
        run(options, folder.path(), &redis.url(), &all, &mut commands, shown)
    };
    golive(&["create", "--redis", "--redis-url", "env:TARGET"])?;
    write(&redis, &mut confirmed)?;

    let (began, at) = (Instant::now(), (options.clock)());
    redis.kill().map_err(doing("kill Redis"))?;
    std::fs::remove_dir_all(redis.data_directory()).map_err(doing("remove its data"))?;
    if redis.command(&["PING"]).is_ok() {
        return Err(DisasterError::Unnoticed);
    }
    let new_home = folder.path().join("again");
    let data = new_home.join("data");
    golive(&["verify"])?;
    golive(&["restore", "--into", &data.display().to_string()])?;
    let mut second = RedisOptions::new();
    // Off until the file is loaded: a server that starts with it takes no notice of the file.
    (second.directory, second.append_only) = (Some(new_home.clone()), false);
    let copy = Redis::start(&second).map_err(doing("start Redis on what came back"))?;
    let ask = |words: &[&str]| copy.command(words).map_err(doing("ask the Redis that came back"));
    ask(&["CONFIG", "SET", "appendonly", "yes"])?;
    // Until its log holds what it loaded, the next crash loses all of it, and it does not let itself be stopped.
    wait("Redis to have written its log", || {
        let said = ask(&["INFO", "persistence"]).unwrap_or_default();
        let written =
            ["aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0", "aof_last_bgrewrite_status:ok"];
        written.iter().all(|word| said.lines().any(|line| line.trim_end() == *word))
    })?;
    let recovered: u64 = ask(&["DBSIZE"])?.trim().parse().map_err(doing("count the keys that came back"))?;
    let recovery_seconds = began.elapsed().as_secs_f64();
    let back = usize::try_from(recovered).unwrap_or(usize::MAX).min(confirmed.len());
    let lost = confirmed.last().zip(back.checked_sub(1).and_then(|last| confirmed.get(last)));
    for executed in &mut commands {
        executed.command = executed.command.replace(&data.display().to_string(), "DIRECTORY/data");
    }
    Ok(DisasterReport {
        disaster: Disaster::RedisLoss,
        at,
        recovery_seconds,
        lost_seconds: lost.map_or(0.0, |(last, back): (&Instant, &Instant)| last.duration_since(*back).as_secs_f64()),
        committed: confirmed.len() as u64,
        recovered,
        noticed: "Redis did not answer; what was written since the backup is lost, and revocations are filled in again \
                  from their journal where the application keeps one"
            .to_owned(),
        commands,
    })
}

fn write(redis: &Redis, confirmed: &mut Vec<Instant>) -> Result<(), DisasterError> {
    for _ in 0..KEYS {
        let key = format!("golive_drill:{}", confirmed.len());
        redis.command(&["SET", &key, "written"]).map_err(doing("write to Redis"))?;
        confirmed.push(Instant::now());
    }
    Ok(())
}
