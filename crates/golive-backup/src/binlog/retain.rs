//! Which archived logs no backup needs any more: a pure decision. Logs live as long as the oldest backup from which a
//! recovery could begin.

use super::archive::ArchivedLog;
use crate::manifest::{BinlogPosition, Manifest};

/// The logs before the place of the oldest of these backups, in order. When the place of any of them is not in the
/// archive, or none has one, nothing may go.
pub fn plan_log_prune(logs: &[ArchivedLog], backups: &[Manifest]) -> Vec<ArchivedLog> {
    let mut oldest = logs.len();
    let mut known = false;
    for backup in backups {
        let database = backup.database().and_then(|facts| facts.binlog.as_ref());
        let physical = backup.physical().and_then(|facts| facts.binlog.as_ref());
        let Some(position) = database.or(physical) else { continue };
        known = true;
        match place(logs, position, backup) {
            Some(index) => oldest = oldest.min(index),
            None => return Vec::new(),
        }
    }
    if known { logs[..oldest].to_vec() } else { Vec::new() }
}

/// The last log of that name that was begun before the backup was done: names begin again when a server is reset.
fn place(logs: &[ArchivedLog], position: &BinlogPosition, backup: &Manifest) -> Option<usize> {
    let done =
        backup.created_at + chrono::TimeDelta::milliseconds((backup.duration_seconds * 1000.0) as i64 + 1000);
    logs.iter().rposition(|log| log.name == position.file && log.begun_at <= done)
}
