//! Who did what to whom: an append-only trail whose entries hold each other in place. Never a secret, and no password of
//! anybody.

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Statement, TransactionTrait,
    Value,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::keys::SecretKey;
use crate::sql::{DEADLOCK_PAUSE, DEADLOCK_TRIES, is_deadlock};

/// The trail in the tables `_golive_audit` and `_golive_audit_head` of the application's database. Cheap to clone.
///
/// Each entry's digest covers the digest before it: what was changed or taken out in between is found by
/// [`AuditTrail::verify`]. Whoever may write both tables can compute a whole new chain; a [key](AuditTrail::with_key)
/// that the database does not know, or a [head](AuditHead) kept elsewhere, tells that too.
#[derive(Clone)]
pub struct AuditTrail {
    connection: DatabaseConnection,
    key: Option<hmac::Key>,
}

/// What is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditEntry {
    /// Who: a real person's name or key, or the program that acted. At most 190 characters.
    pub actor: String,
    /// What, for example `deactivate`. At most 64 characters.
    pub action: String,
    /// To whom or what. At most 190 characters.
    pub target: String,
    /// The request that it was done in. At most 64 characters.
    pub request_id: Option<String>,
}

impl AuditEntry {
    /// An entry outside of any request.
    pub fn new(actor: impl Into<String>, action: impl Into<String>, target: impl Into<String>) -> Self {
        Self { actor: actor.into(), action: action.into(), target: target.into(), request_id: None }
    }

    fn fits(&self) -> bool {
        let fits = |text: &str, most: usize| text.chars().count() <= most;
        fits(&self.actor, 190)
            && fits(&self.action, 64)
            && fits(&self.target, 190)
            && self.request_id.as_ref().is_none_or(|id| fits(id, 64))
    }
}

/// The last entry of a trail. Kept somewhere else, it proves later that nothing up to it was taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AuditHead {
    /// Its number: how many entries there are.
    pub entries: u64,
    /// Its digest.
    pub digest: String,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditVerdict {
    /// The last entry that is in place.
    pub head: AuditHead,
    /// The first thing that is wrong; `None`: the trail is whole.
    pub broken: Option<AuditBreak>,
}

/// Where a trail is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditBreak {
    /// The entry's number.
    pub entry: u64,
    /// How.
    pub kind: AuditBreakKind,
}

/// How a trail is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditBreakKind {
    /// It is gone.
    Missing,
    /// It is not what was written, or was written without the key.
    Altered,
    /// There is more than the trail's own count says.
    Surplus,
    /// The trail does not go on from the head that was kept: it was rewritten.
    Rewritten,
}

/// Why the trail cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The database refused.
    #[error("use the tables _golive_audit and _golive_audit_head: check that they exist, and the grants")]
    Database(#[source] DbErr),
    /// A text is longer than its column. Nothing was written.
    #[error(
        "record an audit entry with a text that is too long: actor and target have 190 characters, the rest 64"
    )]
    TooLong,
    /// There is no head.
    #[error("continue the audit trail: _golive_audit_head has no row; restore it, or make the tables anew")]
    NoHead,
}

/// The statements that make the tables, for those who keep their schema in migrations.
pub fn audit_schema(backend: DbBackend) -> [String; 3] {
    let text = |length: u32| match backend {
        DbBackend::MySql => format!("VARCHAR({length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
        _ => format!("VARCHAR({length})"),
    };
    let (long, short, digest) = (text(190), text(64), text(64));
    let first = match backend {
        DbBackend::MySql => "INSERT IGNORE",
        _ => "INSERT OR IGNORE",
    };
    [
        format!(
            "CREATE TABLE IF NOT EXISTS _golive_audit (seq BIGINT NOT NULL PRIMARY KEY, at_ms BIGINT NOT NULL, \
             actor {long} NOT NULL, action {short} NOT NULL, target {long} NOT NULL, request_id {short} NULL, \
             digest {digest} NOT NULL)"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS _golive_audit_head (id INTEGER NOT NULL PRIMARY KEY, seq BIGINT NOT NULL, \
             digest {digest} NOT NULL)"
        ),
        format!("{first} INTO _golive_audit_head (id, seq, digest) VALUES (1, 0, '')"),
    ]
}

impl AuditTrail {
    /// A trail on this connection; the tables must be there.
    pub fn new(connection: DatabaseConnection) -> Self {
        Self { connection, key: None }
    }

    /// Digests with a key: whoever may write to the database cannot compute them. The same key verifies; it outlives the
    /// keys that sign tokens.
    #[must_use]
    pub fn with_key(mut self, key: &SecretKey) -> Self {
        self.key = Some(hmac::Key::new(hmac::HMAC_SHA256, key.dangerous_expose().as_bytes()));
        self
    }

    /// Makes the tables, if they are not there.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn create_tables(&self) -> Result<(), AuditError> {
        for sql in audit_schema(self.connection.get_database_backend()) {
            self.connection.execute_unprepared(&sql).await.map_err(AuditError::Database)?;
        }
        Ok(())
    }

    /// Appends an entry. Answer the request only after this returned.
    ///
    /// # Errors
    /// When the database does not confirm; then it is not known to be recorded.
    pub async fn append(&self, entry: &AuditEntry, now: DateTime<Utc>) -> Result<AuditHead, AuditError> {
        for _ in 1..DEADLOCK_TRIES {
            match self.append_once(entry, now).await {
                Err(AuditError::Database(error)) if is_deadlock(&error) => {
                    tokio::time::sleep(DEADLOCK_PAUSE).await;
                }
                ended => return ended,
            }
        }
        self.append_once(entry, now).await
    }

    async fn append_once(&self, entry: &AuditEntry, now: DateTime<Utc>) -> Result<AuditHead, AuditError> {
        let transaction = self.connection.begin().await.map_err(AuditError::Database)?;
        let head = self.append_in(&transaction, entry, now).await?;
        transaction.commit().await.map_err(AuditError::Database)?;
        Ok(head)
    }

    /// Appends an entry within the transaction that does the deed: both happen, or neither. Others who append wait until
    /// it ends, so call it last.
    ///
    /// # Errors
    /// When the database does not confirm; roll the transaction back then.
    pub async fn append_in(
        &self,
        transaction: &DatabaseTransaction,
        entry: &AuditEntry,
        now: DateTime<Utc>,
    ) -> Result<AuditHead, AuditError> {
        if !entry.fits() {
            return Err(AuditError::TooLong);
        }
        let run = async |sql: &str, values: Vec<Value>| {
            let statement = Statement::from_sql_and_values(transaction.get_database_backend(), sql, values);
            transaction.execute_raw(statement).await.map_err(AuditError::Database)
        };
        // The update first: it makes all others wait, on both databases, until this transaction ends.
        run("UPDATE _golive_audit_head SET seq = seq + 1 WHERE id = 1", Vec::new()).await?;
        let head = read_head(transaction).await?.ok_or(AuditError::NoHead)?;
        let row = Row {
            seq: head.entries,
            at: now.timestamp_millis(),
            entry: entry.clone(),
            digest: self.digest(&head.digest, head.entries, now.timestamp_millis(), entry),
        };
        let sql = "INSERT INTO _golive_audit (seq, at_ms, actor, action, target, request_id, digest) VALUES (?, ?, ?, ?, ?, ?, ?)";
        let values = vec![
            signed(row.seq).into(),
            row.at.into(),
            entry.actor.clone().into(),
            entry.action.clone().into(),
            entry.target.clone().into(),
            entry.request_id.clone().into(),
            row.digest.clone().into(),
        ];
        run(sql, values).await?;
        run("UPDATE _golive_audit_head SET digest = ? WHERE id = 1", vec![row.digest.clone().into()]).await?;
        Ok(AuditHead { entries: row.seq, digest: row.digest })
    }

    /// Reads the whole trail and computes every digest again. `kept` is a head that was kept somewhere else.
    ///
    /// # Errors
    /// When it cannot be read; a broken trail is no error but a verdict.
    pub async fn verify(&self, kept: Option<&AuditHead>) -> Result<AuditVerdict, AuditError> {
        let mut count = read_head(&self.connection).await?.ok_or(AuditError::NoHead)?;
        let mut head = AuditHead::default();
        let broken =
            |head: AuditHead, entry, kind| AuditVerdict { head, broken: Some(AuditBreak { entry, kind }) };
        loop {
            let rows = self.page(head.entries).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let due = head.entries + 1;
                if row.seq > count.entries {
                    // Others go on appending meanwhile.
                    count = read_head(&self.connection).await?.ok_or(AuditError::NoHead)?;
                }
                if row.seq > count.entries {
                    return Ok(broken(head, row.seq, AuditBreakKind::Surplus));
                }
                if row.seq != due {
                    return Ok(broken(head, due, AuditBreakKind::Missing));
                }
                let digest = self.digest(&head.digest, row.seq, row.at, &row.entry);
                if digest != row.digest {
                    return Ok(broken(head, due, AuditBreakKind::Altered));
                }
                if kept.is_some_and(|kept| kept.entries == row.seq && kept.digest != digest) {
                    return Ok(broken(head, due, AuditBreakKind::Rewritten));
                }
                head = AuditHead { entries: row.seq, digest };
            }
        }
        // Entries that came after the count was read, and were read, are part of it now.
        let verdict = end(head, &count);
        match kept {
            Some(kept) if verdict.broken.is_none() && kept.entries > verdict.head.entries => {
                let entry = verdict.head.entries + 1;
                Ok(broken(verdict.head, entry, AuditBreakKind::Rewritten))
            }
            _ => Ok(verdict),
        }
    }

    async fn page(&self, after: u64) -> Result<Vec<Row>, AuditError> {
        let sql = format!(
            "SELECT seq, at_ms, actor, action, target, request_id, digest FROM _golive_audit WHERE seq > ? \
             ORDER BY seq LIMIT {PAGE_ROWS}"
        );
        let backend = self.connection.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, [signed(after).into()]);
        let rows = self.connection.query_all_raw(statement).await.map_err(AuditError::Database)?;
        let row = |row: sea_orm::QueryResult| {
            Ok(Row {
                seq: number(row.try_get_by_index(0)?)?,
                at: row.try_get_by_index(1)?,
                entry: AuditEntry {
                    actor: row.try_get_by_index(2)?,
                    action: row.try_get_by_index(3)?,
                    target: row.try_get_by_index(4)?,
                    request_id: row.try_get_by_index(5)?,
                },
                digest: row.try_get_by_index(6)?,
            })
        };
        rows.into_iter().map(row).collect::<Result<_, DbErr>>().map_err(AuditError::Database)
    }

    /// Over everything that is recorded; each text with its length, so that none can be moved into another column.
    fn digest(&self, before: &str, seq: u64, at: i64, entry: &AuditEntry) -> String {
        let mut bytes = b"golive audit 1\0".to_vec();
        bytes.extend(seq.to_be_bytes());
        bytes.extend(at.to_be_bytes());
        let request = entry.request_id.as_deref();
        for text in [Some(before), Some(&entry.actor), Some(&entry.action), Some(&entry.target), request] {
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            bytes.extend(length.to_be_bytes());
            bytes.extend(text.unwrap_or_default().as_bytes());
        }
        match &self.key {
            Some(key) => crate::hex::encode(hmac::sign(key, &bytes).as_ref()),
            None => crate::hex::encode(&Sha256::digest(&bytes)),
        }
    }
}

impl std::fmt::Debug for AuditTrail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditTrail").field("keyed", &self.key.is_some()).finish_non_exhaustive()
    }
}

/// The trail against its own count.
fn end(head: AuditHead, count: &AuditHead) -> AuditVerdict {
    let broken = if head.entries < count.entries {
        Some(AuditBreak { entry: head.entries + 1, kind: AuditBreakKind::Missing })
    } else if head.digest != count.digest {
        Some(AuditBreak { entry: head.entries, kind: AuditBreakKind::Altered })
    } else {
        None
    };
    AuditVerdict { head, broken }
}

struct Row {
    seq: u64,
    at: i64,
    entry: AuditEntry,
    digest: String,
}

async fn read_head<C: ConnectionTrait>(connection: &C) -> Result<Option<AuditHead>, AuditError> {
    let sql = "SELECT seq, digest FROM _golive_audit_head WHERE id = 1";
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let Some(row) = connection.query_one_raw(statement).await.map_err(AuditError::Database)? else {
        return Ok(None);
    };
    let read =
        || Ok(AuditHead { entries: number(row.try_get_by_index(0)?)?, digest: row.try_get_by_index(1)? });
    read().map(Some).map_err(AuditError::Database)
}

fn number(seq: i64) -> Result<u64, DbErr> {
    u64::try_from(seq).map_err(|_| DbErr::Type("a negative number of an audit entry".to_owned()))
}

fn signed(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

const PAGE_ROWS: u32 = 1000;
