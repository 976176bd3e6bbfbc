//! Whether the server that is backed up has what it should: a replica that stands still is whole, answers, and is old.

use sqlx::Row;
use sqlx::mysql::MySqlRow;

use super::CreateBackupError;
use crate::server::Session;

/// A replica may be so far behind before what it holds is called old: the hour that a nightly batch takes.
const BEHIND_SECONDS: u64 = 3600;

/// One connection of a replica to where its data comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Replication {
    receives: bool,
    applies: bool,
    seconds_behind: Option<u64>,
}

/// What replication says, when the server is a replica.
///
/// # Errors
/// When it stands still, or is far behind.
pub(super) async fn look(session: &mut Session) -> Result<Option<String>, CreateBackupError> {
    let rows = match sqlx::raw_sql("SHOW ALL SLAVES STATUS").fetch_all(&mut session.connection).await {
        Ok(rows) => rows,
        // Nothing but this look needs the grant, so a missing one is a note and no error.
        Err(sqlx::Error::Database(refused)) => {
            return Ok(Some(format!(
                "whether the server is a replica that stands still is not known: GRANT SLAVE MONITOR to the account \
                 that takes backups ({refused})"
            )));
        }
        Err(source) => return Err(CreateBackupError::Query { doing: "ask whether it is a replica", source }),
    };
    let all: Result<Vec<Replication>, sqlx::Error> = rows.iter().map(read).collect();
    let all =
        all.map_err(|source| CreateBackupError::Query { doing: "ask whether it is a replica", source })?;
    match all.iter().find_map(wrong) {
        Some(why) => Err(CreateBackupError::StaleReplica { why }),
        None if all.is_empty() => Ok(None),
        None => {
            let behind = all.iter().filter_map(|one| one.seconds_behind).max().unwrap_or(0);
            Ok(Some(format!("taken from a replica, {behind} s behind")))
        }
    }
}

fn read(row: &MySqlRow) -> Result<Replication, sqlx::Error> {
    let is_yes = |name: &str| Ok::<_, sqlx::Error>(row.try_get_unchecked::<String, _>(name)? == "Yes");
    let behind: Option<String> = row.try_get_unchecked("Seconds_Behind_Master")?;
    Ok(Replication {
        receives: is_yes("Slave_IO_Running")?,
        applies: is_yes("Slave_SQL_Running")?,
        seconds_behind: behind.and_then(|seconds| seconds.parse().ok()),
    })
}

fn wrong(replication: &Replication) -> Option<String> {
    match replication {
        Replication { applies: false, .. } => Some("it applies nothing (Slave_SQL_Running)".to_owned()),
        Replication { receives: false, .. } => Some("it receives nothing (Slave_IO_Running)".to_owned()),
        Replication { seconds_behind: None, .. } => Some("how far it is behind is not known".to_owned()),
        Replication { seconds_behind: Some(seconds), .. } if *seconds > BEHIND_SECONDS => {
            Some(format!("it is {seconds} s behind"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_stands_still_or_is_far_behind_is_old() {
        let good = Replication { receives: true, applies: true, seconds_behind: Some(3600) };
        assert_eq!(wrong(&good), None);
        for bad in [
            Replication { receives: false, ..good.clone() },
            Replication { applies: false, ..good.clone() },
            Replication { seconds_behind: None, ..good.clone() },
            Replication { seconds_behind: Some(3601), ..good.clone() },
        ] {
            assert!(wrong(&bad).is_some(), "{bad:?}");
        }
    }
}
