//! Texts for those who run backups from outside: a systemd service with its timer, or one cron line. Installing them
//! is not done here.

use std::path::PathBuf;

use chrono::{NaiveTime, Timelike};

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
    fn the_units_read_well() {
        let units = render_systemd(&options());
        insta::assert_snapshot!(format!("{}----\n{}", units.service, units.timer));
    }

    #[test]
    fn the_cron_line_survives_shell_and_cron() {
        assert_eq!(
            render_cron(&options()),
            "15 2 * * * backup /usr/bin/golive --config '/etc/my app/golive.toml' backup create '100\\%' '$x' 'it'\\''s'\n"
        );
    }
}
