//! Looks, without the application's help, at which database it uses: connections on the target, and open files.

use std::path::Path;

use mysql_async::prelude::Queryable;

use super::proof::{SwitchProof, judge_observation};
use crate::target::Target;

/// Counts the connections of an application's user on the target (of all other users when none is named), and looks for
/// processes that hold the SQLite file open. A connection of golive itself is never counted.
///
/// # Errors
/// When the server does not answer.
pub async fn observe(
    target: &Target,
    application_user: Option<&str>,
    sqlite: &Path,
) -> Result<SwitchProof, mysql_async::Error> {
    let mut conn = target.open().await?;
    let connections: Option<u64> = conn
        .exec_first(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID() \
             AND (? IS NULL OR USER = ?)",
            (application_user, application_user),
        )
        .await?;
    let _ = conn.disconnect().await;
    let path = sqlite.to_owned();
    let looked = tokio::task::spawn_blocking(move || holders(&path)).await.ok().flatten();
    let (holders, unreadable) = match looked {
        Some((holders, unreadable)) => (Some(holders), unreadable),
        None => (None, 0),
    };
    Ok(judge_observation(connections.unwrap_or(0), holders.as_deref(), unreadable))
}

/// Processes that hold a file open, and how many could not be looked at; `None` where no `/proc` tells.
#[cfg(target_os = "linux")]
fn holders(path: &Path) -> Option<(Vec<String>, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let wanted = path.metadata().ok().map(|file| (file.dev(), file.ino()))?;
    let (mut holders, mut unreadable) = (Vec::new(), 0);
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if id == std::process::id() {
            continue;
        }
        let files = match std::fs::read_dir(process.path().join("fd")) {
            Ok(files) => files,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                unreadable += 1;
                continue;
            }
            // It ended meanwhile.
            Err(_) => continue,
        };
        let holds = files.flatten().any(|file| {
            let opened = std::fs::metadata(file.path());
            opened.is_ok_and(|opened| (opened.dev(), opened.ino()) == wanted)
        });
        if holds {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            holders.push(format!("{} ({id})", name.trim()));
        }
    }
    Some((holders, unreadable))
}

#[cfg(not(target_os = "linux"))]
fn holders(_path: &Path) -> Option<(Vec<String>, u64)> {
    None
}
