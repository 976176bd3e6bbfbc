//! When backups are taken: a plan for those who take them inside their own process, and texts for those who run them from
//! outside: a systemd service with its timer, or one cron line. Installing them is not done here.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, Timelike, Utc};

/// When a backup is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Due {
    /// At once: its time has come, or was missed.
    Now,
    /// At this time.
    At(DateTime<Utc>),
}

/// How far a run that was missed may lie behind when the clock was set back and nothing else can be told.
const JUST_NOW: TimeDelta = TimeDelta::minutes(5);
/// How long a schedule sleeps before it looks at the clock again, which may have been set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Above so many bytes of data a restore each day costs too much.
const DAILY_PROOF_BYTES: u64 = 20_000_000_000;

/// Decides when the next daily run is due. However many were missed, it is made up for once. A last run in the future
/// says that the clock was set back: it neither stops the schedule nor starts a run at an odd hour.
pub fn next_due(daily_at: NaiveTime, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Due {
    let today = now.date_naive().and_time(daily_at).and_utc();
    let (latest, next) = match today <= now {
        true => (today, today + TimeDelta::days(1)),
        false => (today - TimeDelta::days(1), today),
    };
    match last {
        None => Due::Now,
        Some(last) if last > now && now - latest > JUST_NOW => Due::At(next),
        Some(last) if last > now || last < latest => Due::Now,
        Some(_) => Due::At(next),
    }
}

/// Whether a restore is to prove the newest backup: daily below 20 GB of data, else weekly, and always when none did.
pub fn proof_is_due(data_bytes: u64, last_proof: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    // An hour early, so that a run that begins a little sooner than the day before does not wait another day.
    let every = if data_bytes < DAILY_PROOF_BYTES { TimeDelta::days(1) } else { TimeDelta::days(7) };
    last_proof.is_none_or(|last| last > now || now - last >= every - TimeDelta::hours(1))
}

/// Runs `job` each day at a time, inside the process of an application, until `until` is done. One at a time: the next is
/// only looked for when one has ended. `last` tells when a run last began, by whatever outlives the process (the newest
/// backup's `created_at`, or the last attempt's). A job that fails is tried again at its next time: it notes its failure
/// itself.
pub async fn keep_schedule<F: Future<Output = ()>>(
    daily_at: NaiveTime,
    clock: impl Fn() -> DateTime<Utc>,
    last: impl FnMut() -> Option<DateTime<Utc>>,
    job: impl FnMut() -> F,
    until: impl Future<Output = ()>,
) {
    keep(daily_at, clock, last, job, tokio::time::sleep, until).await;
}

async fn keep<F: Future<Output = ()>, S: Future<Output = ()>>(
    daily_at: NaiveTime,
    clock: impl Fn() -> DateTime<Utc>,
    mut last: impl FnMut() -> Option<DateTime<Utc>>,
    mut job: impl FnMut() -> F,
    sleep: impl Fn(Duration) -> S,
    until: impl Future<Output = ()>,
) {
    tokio::pin!(until);
    let mut tried: Option<DateTime<Utc>> = None;
    loop {
        let now = clock();
        // The newest of both, so that a job that left nothing behind is not tried without a pause.
        let wait = match next_due(daily_at, last().max(tried), now) {
            Due::Now => {
                tried = Some(now);
                tokio::select! { () = job() => {}, () = &mut until => return }
                continue;
            }
            Due::At(at) => (at - now).to_std().unwrap_or_default().min(LOOK_AGAIN),
        };
        tokio::select! { () = sleep(wait) => {}, () = &mut until => return }
    }
}

/// Renders a service that keeps the binary log archived; it is started again whenever it ends.
pub fn render_archiver(options: &ScheduleOptions) -> String {
    let command = options.command.iter().map(|word| systemd_word(word)).collect::<Vec<_>>().join(" ");
    let environment = options.environment_file.as_ref();
    let environment =
        environment.map(|path| format!("EnvironmentFile={}\n", path.display())).unwrap_or_default();
    format!(
        "[Unit]\nDescription=Archive the binary log of the database as it is written\n\
         Wants=network-online.target\nAfter=network-online.target mariadb.service\nStartLimitIntervalSec=0\n\n\
         [Service]\nType=exec\nUser={}\n{environment}ExecStart={command}\nRestart=always\nRestartSec=5\n\
         UMask=0077\nPrivateTmp=yes\nNoNewPrivileges=yes\n\n[Install]\nWantedBy=multi-user.target\n",
        options.user
    )
}

/// What to run and when.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleOptions {
    /// Program and arguments, each as it is; quoting is done here. No secret belongs here.
    pub command: Vec<String>,
    /// The account it runs as.
    pub user: String,
    /// Time of day, UTC.
    pub daily_at: NaiveTime,
    /// A file with `NAME=value` lines (0600) that systemd reads for the command.
    pub environment_file: Option<PathBuf>,
}

impl ScheduleOptions {
    /// Daily at 02:15 UTC.
    pub fn new(command: Vec<String>, user: impl Into<String>) -> Self {
        let daily_at = NaiveTime::from_hms_opt(2, 15, 0).expect("02:15 is a time of day");
        Self { command, user: user.into(), daily_at, environment_file: None }
    }
}

/// The two unit files.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemdUnits {
    /// For `/etc/systemd/system/golive-backup.service`.
    pub service: String,
    /// For `/etc/systemd/system/golive-backup.timer`.
    pub timer: String,
}

/// Renders the service and its timer. A run missed while the machine was off is caught up.
pub fn render_systemd(options: &ScheduleOptions) -> SystemdUnits {
    let command = options.command.iter().map(|word| systemd_word(word)).collect::<Vec<_>>().join(" ");
    let environment = options
        .environment_file
        .as_ref()
        .map(|path| format!("EnvironmentFile={}\n", path.display()))
        .unwrap_or_default();
    let service = format!(
        "[Unit]\nDescription=Back up the database and prove the backup\n\
         Wants=network-online.target\nAfter=network-online.target mariadb.service\n\n\
         [Service]\nType=oneshot\nUser={}\n{environment}ExecStart={command}\n\
         UMask=0077\nNice=10\nIOSchedulingClass=idle\nPrivateTmp=yes\nNoNewPrivileges=yes\nTimeoutStartSec=6h\n",
        options.user
    );
    let timer = format!(
        "[Unit]\nDescription=Daily backup of the database\n\n\
         [Timer]\nOnCalendar=*-*-* {:02}:{:02}:{:02} UTC\nPersistent=true\nRandomizedDelaySec=0\nAccuracySec=1min\n\n\
         [Install]\nWantedBy=timers.target\n",
        options.daily_at.hour(),
        options.daily_at.minute(),
        options.daily_at.second()
    );
    SystemdUnits { service, timer }
}

/// Renders one line for `/etc/cron.d/golive-backup`. Cron does not catch up missed runs and uses the time zone of the
/// machine; keep it on UTC or prefer the timer.
pub fn render_cron(options: &ScheduleOptions) -> String {
    let command = options.command.iter().map(|word| cron_word(word)).collect::<Vec<_>>().join(" ");
    format!("{} {} * * * {} {command}\n", options.daily_at.minute(), options.daily_at.hour(), options.user)
}

/// One word of an `ExecStart=` line; see systemd.service(5), "Command lines".
fn systemd_word(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    if is_plain(word) { escaped } else { format!("\"{}\"", escaped.replace('\n', "\\n")) }
}

/// One word for the shell that cron starts; cron itself turns an unescaped percent sign into a newline.
fn cron_word(word: &str) -> String {
    let quoted = if is_plain(word) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) };
    quoted.replace('%', "\\%").replace('\n', " ")
}

fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:=,@+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> ScheduleOptions {
        let command = [
            "/usr/bin/golive",
            "--config",
            "/etc/my app/golive.toml",
            "backup",
            "create",
            "100%",
            "$x",
            "it's",
        ];
        ScheduleOptions {
            environment_file: Some(PathBuf::from("/etc/golive/backup.env")),
            ..ScheduleOptions::new(command.map(str::to_owned).to_vec(), "backup")
        }
    }

    #[test]
    fn a_run_is_due_once_whatever_the_clock_did() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let daily_at = NaiveTime::from_hms_opt(2, 15, 0).unwrap();
        let due = |last: Option<&str>, now: &str| next_due(daily_at, last.map(at), at(now));
        assert_eq!(due(None, "2026-11-22T10:00:00Z"), Due::Now);
        let next = Due::At(at("2026-11-23T02:15:00Z"));
        assert_eq!(due(Some("2026-11-22T02:15:03Z"), "2026-11-22T10:00:00Z"), next);
        assert_eq!(due(Some("2026-11-22T02:15:03Z"), "2026-11-23T02:15:00Z"), Due::Now);
        assert_eq!(
            due(Some("2026-11-21T02:15:03Z"), "2026-11-22T01:00:00Z"),
            Due::At(at("2026-11-22T02:15:00Z"))
        );
        // The machine was off for a week: once, and then again at its time.
        assert_eq!(due(Some("2026-11-15T02:15:03Z"), "2026-11-22T10:00:00Z"), Due::Now);
        assert_eq!(due(Some("2026-11-22T10:00:00Z"), "2026-11-22T10:30:00Z"), next);
        // The clock was set back a year: no run at an odd hour, and one at the right one.
        assert_eq!(due(Some("2027-11-22T02:15:03Z"), "2026-11-22T10:00:00Z"), next);
        assert_eq!(due(Some("2027-11-22T02:15:03Z"), "2026-11-23T02:15:01Z"), Due::Now);
        // And forward by a year: once.
        assert_eq!(due(Some("2026-11-22T02:15:03Z"), "2027-11-22T10:00:00Z"), Due::Now);
    }

    #[test]
    fn a_proof_is_due_daily_or_weekly_by_size() {
        let now = "2026-11-22T02:20:00Z".parse::<DateTime<Utc>>().unwrap();
        let ago = |hours: i64| Some(now - TimeDelta::hours(hours));
        assert!(
            proof_is_due(1, None, now) && proof_is_due(1, ago(24), now) && !proof_is_due(1, ago(20), now)
        );
        assert!(!proof_is_due(u64::MAX, ago(24), now) && proof_is_due(u64::MAX, ago(7 * 24), now));
        assert!(proof_is_due(1, ago(-48), now), "one in the future says nothing");
    }

    #[tokio::test]
    async fn a_schedule_runs_one_job_at_a_time_and_makes_up_for_what_was_missed_once() {
        use std::cell::{Cell, RefCell};
        let start = "2026-11-22T10:00:00Z".parse::<DateTime<Utc>>().unwrap();
        let (now, runs, (ended, end)) =
            (Cell::new(start), RefCell::new(Vec::new()), tokio::sync::oneshot::channel::<()>());
        let ended = Cell::new(Some(ended));
        let pass = |time: TimeDelta| {
            now.set(now.get() + time);
            if now.get() > start + TimeDelta::days(3) {
                drop(ended.take());
            }
            tokio::task::yield_now()
        };
        let sleep = |time: Duration| pass(TimeDelta::from_std(time).unwrap().max(TimeDelta::seconds(1)));
        let job = || {
            runs.borrow_mut().push(now.get());
            pass(TimeDelta::minutes(30))
        };
        let last = || runs.borrow().last().copied().or(Some(start - TimeDelta::days(9)));
        let daily_at = NaiveTime::from_hms_opt(2, 15, 0).unwrap();
        keep(daily_at, || now.get(), last, job, sleep, async { drop(end.await) }).await;
        let runs: Vec<String> = runs.borrow().iter().map(|at| at.format("%d %H:%M").to_string()).collect();
        assert_eq!(runs, ["22 10:00", "23 02:15", "24 02:15", "25 02:15"]);
    }

    #[test]
    fn the_units_read_well() {
        let units = render_systemd(&options());
        insta::assert_snapshot!(format!(
            "{}----\n{}----\n{}",
            units.service,
            units.timer,
            render_archiver(&options())
        ));
    }

    #[test]
    fn the_cron_line_survives_shell_and_cron() {
        assert_eq!(
            render_cron(&options()),
            "15 2 * * * backup /usr/bin/golive --config '/etc/my app/golive.toml' backup create '100\\%' '$x' 'it'\\''s'\n"
        );
    }
}
