//! What a backup says about itself. Plain data: how it is obtained and checked is the business of the other rooms.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::inventory::Inventory;

/// The layout of the manifest this version writes; older ones stay readable.
pub(crate) const FORMAT: u32 = 1;

/// Names one backup: a sequence number that only grows in its repository, and the time (`000012-20261122T021500Z`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupId(String);

/// The text names no backup.
#[derive(Debug, thiserror::Error)]
#[error(
    "read {text:?} as the name of a backup, like 000012-20261122T021500Z; `golive backup list` shows them"
)]
pub struct InvalidBackupId {
    text: String,
}

impl BackupId {
    pub(crate) fn new(sequence: u32, created_at: DateTime<Utc>) -> Self {
        Self(format!("{sequence:06}-{}", created_at.format("%Y%m%dT%H%M%SZ")))
    }

    /// The number that orders backups of one repository, whatever the clock did.
    pub fn sequence(&self) -> u32 {
        self.0.split('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for BackupId {
    type Error = InvalidBackupId;

    fn try_from(text: String) -> Result<Self, InvalidBackupId> {
        // Strict, because the name becomes a path.
        let valid = text.split_once('-').is_some_and(|(sequence, time)| {
            (6..=9).contains(&sequence.len())
                && sequence.bytes().all(|byte| byte.is_ascii_digit())
                && time.len() == 16
                && time.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'T' | b'Z'))
        });
        if valid { Ok(Self(text)) } else { Err(InvalidBackupId { text }) }
    }
}

impl std::str::FromStr for BackupId {
    type Err = InvalidBackupId;

    fn from_str(text: &str) -> Result<Self, InvalidBackupId> {
        Self::try_from(text.to_owned())
    }
}

impl From<BackupId> for String {
    fn from(id: BackupId) -> Self {
        id.0
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Everything known about one backup without opening it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Manifest {
    /// Layout of this document.
    pub format: u32,
    /// The name.
    pub id: BackupId,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// How long it took, in seconds.
    pub duration_seconds: f64,
    /// Version of golive that wrote it.
    pub golive_version: String,
    /// Public keys that can open it.
    pub recipients: Vec<String>,
    /// The stored files with their digests.
    pub parts: Vec<Part>,
    /// What is inside.
    pub content: Content,
}

impl Manifest {
    /// The database facts, when this is a backup of a database.
    pub fn database(&self) -> Option<&DatabaseFacts> {
        match &self.content {
            Content::Database(facts) => Some(facts),
            _ => None,
        }
    }

    /// The facts of a physical backup, when this is one.
    pub fn physical(&self) -> Option<&PhysicalFacts> {
        match &self.content {
            Content::Physical(facts) => Some(facts),
            _ => None,
        }
    }

    /// What a database held, whether it is backed up alone or with its whole server.
    pub fn database_named(&self, name: &str) -> Option<&DatabaseFacts> {
        match &self.content {
            Content::Database(facts) => Some(&**facts).filter(|facts| facts.name == name),
            Content::Physical(facts) => facts.databases.iter().find(|facts| facts.name == name),
            Content::State(_) | Content::Redis(_) => None,
        }
    }

    /// Bytes stored.
    pub fn stored_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Content {
    /// A MariaDB database.
    Database(Box<DatabaseFacts>),
    /// The files of a whole MariaDB server.
    Physical(Box<PhysicalFacts>),
    /// Files: provider state, environment, deployment configuration.
    State(StateFacts),
    /// The data set of a Redis server.
    Redis(RedisFacts),
}

/// What a Redis server held when its data set was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RedisFacts {
    /// Version of the server.
    pub server_version: String,
    /// Keys of all databases before it was fetched.
    pub keys_before: u64,
    /// And after.
    pub keys_after: u64,
    /// Keys with a time to live; those whose time has come are not loaded again.
    pub expiring: u64,
    /// Whether the file bears a checksum, which then held.
    pub is_checked: bool,
}

impl RedisFacts {
    /// Whether a server that loaded the file may have so many keys: no more than there were, and no fewer than those
    /// without a time to live.
    pub fn may_have(&self, keys: u64) -> bool {
        let (least, most) = (self.keys_before.min(self.keys_after), self.keys_before.max(self.keys_after));
        (least.saturating_sub(self.expiring)..=most).contains(&keys)
    }
}

/// What a whole server held at the moment at which its files were consistent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PhysicalFacts {
    /// `VERSION()` of the server; only the same series can start on the files.
    pub server_version: String,
    /// What `mariadb-backup --version` says.
    pub tool_version: String,
    /// The backup that this one continues; `None` for a full one.
    pub base: Option<BackupId>,
    /// Log sequence number at which it begins; 0 for a full one.
    pub from_lsn: u64,
    /// Log sequence number up to which it goes, from which the next can continue.
    pub to_lsn: u64,
    /// Where the binary log stood, when it was on.
    pub binlog: Option<BinlogPosition>,
    /// How files and digests were made to see one moment.
    pub snapshot: SnapshotMethod,
    /// How long commits had to wait for the digests' snapshot, in milliseconds.
    pub lock_milliseconds: u64,
    /// Every database but the system's own.
    pub databases: Vec<DatabaseFacts>,
}

/// One stored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Part {
    /// File name inside the backup.
    pub name: String,
    /// Size as stored: compressed and encrypted.
    pub bytes: u64,
    /// BLAKE3 of the stored bytes.
    pub blake3: String,
    /// Size before compression.
    pub plain_bytes: u64,
    /// BLAKE3 of the bytes before compression.
    pub plain_blake3: String,
}

/// What the database held in the snapshot that was dumped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DatabaseFacts {
    /// Name of the database.
    pub name: String,
    /// Default character set of the database.
    pub character_set: String,
    /// Default collation of the database.
    pub collation: String,
    /// `VERSION()` of the server.
    pub server_version: String,
    /// What `mariadb-dump --version` says.
    pub tool_version: String,
    /// How dump and digests were made to see one snapshot.
    pub snapshot: SnapshotMethod,
    /// How long writes had to wait, in milliseconds.
    pub lock_milliseconds: u64,
    /// Where the binary log stood, when it was on.
    pub binlog: Option<BinlogPosition>,
    /// Tables, views, triggers, routines, events, sequences.
    pub inventory: Inventory,
    /// How the digests below are computed; only equal methods compare.
    pub digest_method: String,
    /// Row counts and content digests.
    pub tables: Vec<TableFacts>,
    /// A trigger, routine or event was made under another default collation than the database has now. The dump
    /// then names the database, so it can be restored under its own name only.
    #[serde(default)]
    pub own_name_only: bool,
    /// Accounts and roles of the server, when they could be read; how they log in is in a sealed part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<AccountFacts>>,
    /// Bytes of tables and indexes, as the server estimated them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_bytes: Option<u64>,
    /// What an operator should know about this backup, each a sentence.
    pub notes: Vec<String>,
}

impl DatabaseFacts {
    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// An account or role, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccountFacts {
    /// `user@host`, or `role name`.
    pub name: String,
    /// Whether it is a role.
    pub role: bool,
    /// Its grants, as statements without a password.
    pub grants: Vec<String>,
}

/// How the manifest and the dump came to describe the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SnapshotMethod {
    /// Writes waited while both snapshots were opened: counts and digests are exact.
    Locked,
    /// No lock could be had: a difference may be a write between the two snapshots.
    Advisory,
}

/// A position in the binary log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BinlogPosition {
    /// File name.
    pub file: String,
    /// Offset in the file.
    pub position: u64,
    /// GTID position, empty when none was ever written.
    pub gtid: String,
}

/// One table of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TableFacts {
    /// Name.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Digest of the content, independent of row order; empty where only the sample was digested.
    pub digest: String,
    /// The same with FLOAT columns at the six digits that a dump carries; only for tables that have such columns, and
    /// where the server digested the whole table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounded_digest: Option<String>,
    /// What the server itself said about some of the rows, whatever the digest rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
    /// Digest of all FLOAT columns with every digit, by the server; only where the digest is of the dump's text, which
    /// carries six.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floats: Option<String>,
}

/// Rows that the server digested itself, found again by their key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sample {
    /// Which rows.
    pub of: SampleOf,
    /// How many there are.
    pub rows: u64,
    /// Their digest, independent of row order.
    pub digest: String,
}

/// Which rows are in a sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SampleOf {
    /// All of them.
    Table,
    /// So many from each of these keys on, in the order of the primary key.
    From {
        /// First column of the primary key, ascending.
        keys: Vec<i64>,
        /// Rows from each key on.
        each: u64,
    },
    /// So many from either end, in the order of the primary key.
    Ends {
        /// Rows from each end.
        each: u64,
    },
}

/// The files of a state backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StateFacts {
    /// Every file, in the order given.
    pub files: Vec<StateFile>,
}

/// One file of a state backup. Its content digest is not here: it would let somebody confirm a guessed secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StateFile {
    /// Where it stood.
    pub path: String,
    /// Where it stands in a restored directory.
    pub restored_as: String,
    /// Size.
    pub bytes: u64,
    /// Permission bits.
    pub mode: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_order_by_sequence_and_never_become_paths() {
        let at = DateTime::from_timestamp(1_795_312_800, 0).unwrap();
        let id = BackupId::new(12, at);
        assert_eq!(id.to_string().parse::<BackupId>().unwrap(), id);
        assert_eq!(id.sequence(), 12);
        for bad in ["", "..", "000001-../../../etc", "1-20261122T021500Z", "000001-20261122T0215/0Z"] {
            assert!(bad.parse::<BackupId>().is_err(), "{bad}");
        }
    }
}
