//! The tables in the target that keep the record, and the form of what is in them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde::{Deserialize, Serialize};

use super::Recorded;
use crate::plan::Plan;
use crate::verify::digest::{RowDigest, Sums};
use crate::verify::layout::{Layout, TargetSide};
use crate::verify::options::{Intentions, VerifyOptions};
use crate::verify::report::Verified;

/// A key longer than this is kept as its digest, and its row is then not named when it is deleted.
const KEY_BYTES: usize = 200;
const HASHED: u16 = u16::MAX;

const TABLES: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS `_golive_migrate_recorded` (`id` TINYINT NOT NULL PRIMARY KEY, \
     `source_digest` CHAR(64) NOT NULL, `plan_digest` CHAR(64) NULL, `tool_version` VARCHAR(32) NOT NULL, \
     `recorded_at` DATETIME(6) NULL, `row_count` BIGINT UNSIGNED NOT NULL, `digest` CHAR(64) NULL, \
     `intentions` LONGTEXT NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin",
    "CREATE TABLE IF NOT EXISTS `_golive_migrate_recorded_table` (`table_name` VARCHAR(64) NOT NULL PRIMARY KEY, \
     `shape` LONGTEXT NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin",
    "CREATE TABLE IF NOT EXISTS `_golive_migrate_recorded_chunk` (`table_name` VARCHAR(64) NOT NULL, \
     `chunk` BIGINT NOT NULL, `upto` LONGBLOB NULL, `row_count` BIGINT UNSIGNED NOT NULL, \
     `high` DECIMAL(39,0) NOT NULL, `low` DECIMAL(39,0) NOT NULL, `entries` LONGBLOB NOT NULL, \
     PRIMARY KEY (`table_name`, `chunk`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin",
];

/// What a table was when it was recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Shape {
    /// Name and type of each column.
    pub(super) columns: Vec<(String, String)>,
    pub(super) key: Vec<String>,
    /// Whether its chunks are ranges of keys.
    pub(super) keyed: bool,
}

/// Rows of a chunk: with their keys in canonical form, or without.
pub(super) enum Entries {
    Keyed(Vec<(Vec<Vec<u8>>, RowDigest)>),
    Unkeyed(Vec<RowDigest>),
}

/// The record's first row.
pub(super) struct Head {
    pub(super) source_digest: String,
    pub(super) recorded_at: DateTime<Utc>,
    pub(super) digest: String,
}

/// Writes a record.
pub(super) struct Writer {
    conn: Conn,
    hasher: blake3::Hasher,
    chunk: i64,
    rows: u64,
    tables: usize,
    now: DateTime<Utc>,
}

impl Writer {
    pub(super) async fn begin(
        conn: Conn,
        verified: &Verified,
        options: &VerifyOptions,
        now: DateTime<Utc>,
    ) -> Result<Self, mysql_async::Error> {
        let mut conn = conn;
        for table in TABLES {
            conn.query_drop(table).await?;
        }
        let intentions = serde_json::to_string(&options.intentions).unwrap_or_default();
        conn.exec_drop(
            "REPLACE INTO `_golive_migrate_recorded` VALUES (1, ?, ?, ?, NULL, 0, NULL, ?)",
            (verified.source_digest(), verified.plan_digest(), env!("CARGO_PKG_VERSION"), intentions),
        )
        .await?;
        for table in ["_golive_migrate_recorded_chunk", "_golive_migrate_recorded_table"] {
            conn.query_drop(format!("TRUNCATE TABLE `{table}`")).await?;
        }
        Ok(Self { conn, hasher: blake3::Hasher::new(), chunk: 0, rows: 0, tables: 0, now })
    }

    pub(super) async fn table(
        &mut self,
        layout: &Layout,
        side: &TargetSide,
    ) -> Result<(), mysql_async::Error> {
        let there = side.tables.get(&layout.table);
        let type_of = |name: &str| {
            let found =
                there.and_then(|columns| columns.iter().find(|one| one.name.eq_ignore_ascii_case(name)));
            found.map(|column| column.column_type.clone()).unwrap_or_default()
        };
        let columns = layout.columns.iter().map(|one| (one.name.clone(), type_of(&one.name))).collect();
        let key = layout.key.iter().map(|at| layout.columns[*at].name.clone()).collect();
        self.shape(&layout.table, &Shape { columns, key, keyed: layout.splittable }).await?;
        self.tables += 1;
        self.chunk = 0;
        Ok(())
    }

    async fn shape(&mut self, table: &str, shape: &Shape) -> Result<(), mysql_async::Error> {
        let text = serde_json::to_string(shape).unwrap_or_default();
        self.hasher.update(table.as_bytes());
        self.hasher.update(text.as_bytes());
        let statement = "REPLACE INTO `_golive_migrate_recorded_table` VALUES (?, ?)";
        self.conn.exec_drop(statement, (table, text)).await
    }

    /// Takes back chunks by key, because keys turned out not to come in order.
    pub(super) async fn forget(&mut self, table: &str) -> Result<(), mysql_async::Error> {
        let statement = "DELETE FROM `_golive_migrate_recorded_chunk` WHERE `table_name` = ?";
        self.conn.exec_drop(statement, (table,)).await?;
        let shape: Option<String> = self
            .conn
            .exec_first(
                "SELECT `shape` FROM `_golive_migrate_recorded_table` WHERE `table_name` = ?",
                (table,),
            )
            .await?;
        if let Some(mut shape) = shape.and_then(|text| serde_json::from_str::<Shape>(&text).ok()) {
            shape.keyed = false;
            self.shape(table, &shape).await?;
        }
        self.chunk = 0;
        Ok(())
    }

    pub(super) async fn chunk(
        &mut self,
        layout: &Layout,
        upto: Option<Vec<Vec<u8>>>,
        sums: Sums,
        entries: &Entries,
    ) -> Result<(), mysql_async::Error> {
        let upto = upto.map(|key| encode_key(&key));
        let entries = entries.encode();
        for part in [sums.rows.into(), sums.high, sums.low] {
            self.hasher.update(&u128::to_le_bytes(part));
        }
        self.hasher.update(upto.as_deref().unwrap_or_default());
        self.hasher.update(&entries);
        self.conn
            .exec_drop(
                "INSERT INTO `_golive_migrate_recorded_chunk` VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    &layout.table,
                    self.chunk,
                    upto,
                    sums.rows,
                    sums.high.to_string(),
                    sums.low.to_string(),
                    entries,
                ),
            )
            .await?;
        self.chunk += 1;
        self.rows += sums.rows;
        Ok(())
    }

    /// Only now is there a record.
    pub(super) async fn end(self) -> Result<Recorded, mysql_async::Error> {
        let mut conn = self.conn;
        let digest = self.hasher.finalize().to_hex().to_string();
        conn.exec_drop(
            "UPDATE `_golive_migrate_recorded` SET `recorded_at` = ?, `row_count` = ?, `digest` = ? WHERE `id` = 1",
            (self.now.naive_utc().format("%F %T%.6f").to_string(), self.rows, &digest),
        )
        .await?;
        let _ = conn.disconnect().await;
        Ok(Recorded { tables: self.tables, rows: self.rows, digest })
    }
}

/// Keeps what a plan intends beside what it makes, so that a verification needs no plan to know it.
pub(crate) async fn keep_intentions(conn: &mut Conn, plan: &Plan) -> Result<(), mysql_async::Error> {
    conn.query_drop(TABLES[0]).await?;
    let intentions = serde_json::to_string(&Intentions::of_plan(plan)).unwrap_or_default();
    conn.exec_drop(
        "INSERT INTO `_golive_migrate_recorded` VALUES (1, ?, ?, ?, NULL, 0, NULL, ?) \
         ON DUPLICATE KEY UPDATE `intentions` = VALUES(`intentions`)",
        (&plan.source_digest, &plan.digest, env!("CARGO_PKG_VERSION"), intentions),
    )
    .await
}

async fn is_there(conn: &mut Conn) -> Result<bool, mysql_async::Error> {
    let found: Option<u64> = conn
        .query_first(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() \
             AND TABLE_NAME = '_golive_migrate_recorded'",
        )
        .await?;
    Ok(found == Some(1))
}

/// What was intended when the target was verified, if it was.
pub(crate) async fn intentions(conn: &mut Conn) -> Result<Option<Intentions>, mysql_async::Error> {
    if !is_there(conn).await? {
        return Ok(None);
    }
    let text: Option<String> =
        conn.query_first("SELECT `intentions` FROM `_golive_migrate_recorded` WHERE `id` = 1").await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// The record's first row, once it is complete.
pub(super) async fn head(conn: &mut Conn) -> Result<Option<Head>, mysql_async::Error> {
    if !is_there(conn).await? {
        return Ok(None);
    }
    let row: Option<(String, chrono::NaiveDateTime, String)> = conn
        .query_first(
            "SELECT `source_digest`, `recorded_at`, `digest` FROM `_golive_migrate_recorded` \
             WHERE `id` = 1 AND `recorded_at` IS NOT NULL AND `digest` IS NOT NULL",
        )
        .await?;
    Ok(row.map(|(source_digest, at, digest)| Head { source_digest, recorded_at: at.and_utc(), digest }))
}

/// The tables of the record; `None` where one cannot be read.
pub(super) async fn shapes(conn: &mut Conn) -> Result<Vec<(String, Option<Shape>)>, mysql_async::Error> {
    let rows: Vec<(String, String)> = conn
        .query("SELECT `table_name`, `shape` FROM `_golive_migrate_recorded_table` ORDER BY `table_name`")
        .await?;
    Ok(rows.into_iter().map(|(name, text)| (name, serde_json::from_str(&text).ok())).collect())
}

/// A chunk without its rows.
pub(super) struct StoredChunk {
    pub(super) chunk: i64,
    /// The key it ends with, part by part.
    pub(super) upto: Option<Vec<Vec<u8>>>,
    pub(super) sums: Sums,
}

pub(super) async fn chunks(conn: &mut Conn, table: &str) -> Result<Vec<StoredChunk>, mysql_async::Error> {
    type Row = (i64, Option<Vec<u8>>, u64, String, String);
    let rows: Vec<Row> = conn
        .exec(
            "SELECT `chunk`, `upto`, `row_count`, `high`, `low` FROM `_golive_migrate_recorded_chunk` \
             WHERE `table_name` = ? ORDER BY `chunk`",
            (table,),
        )
        .await?;
    let number = |text: String| text.parse().unwrap_or(u128::MAX);
    Ok(rows
        .into_iter()
        .map(|(chunk, upto, rows, high, low)| StoredChunk {
            chunk,
            upto: upto.map(|bytes| take_key(&mut bytes.as_slice(), usize::MAX)),
            sums: Sums { rows, high: number(high), low: number(low) },
        })
        .collect())
}

pub(super) async fn entries(conn: &mut Conn, table: &str, chunk: i64) -> Result<Vec<u8>, mysql_async::Error> {
    let found: Option<Vec<u8>> = conn
        .exec_first(
            "SELECT `entries` FROM `_golive_migrate_recorded_chunk` WHERE `table_name` = ? AND `chunk` = ?",
            (table, chunk),
        )
        .await?;
    Ok(found.unwrap_or_default())
}

impl Entries {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Keyed(rows) => {
                for (key, digest) in rows {
                    out.extend_from_slice(&short_key(key));
                    out.extend_from_slice(&digest.0.to_be_bytes());
                }
            }
            Self::Unkeyed(rows) => {
                rows.iter().for_each(|digest| out.extend_from_slice(&digest.0.to_be_bytes()));
            }
        }
        out
    }
}

/// A key as entries hold it.
pub(super) fn short_key(key: &[Vec<u8>]) -> Vec<u8> {
    if key.iter().map(Vec::len).sum::<usize>() <= KEY_BYTES {
        return encode_key(key);
    }
    let mut short = HASHED.to_be_bytes().to_vec();
    short.extend_from_slice(&blake3::hash(&encode_key(key)).as_bytes()[..16]);
    short
}

fn encode_key(key: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in key {
        // InnoDB's keys end at 3,072 bytes.
        out.extend_from_slice(&u16::try_from(part.len()).unwrap_or(HASHED - 1).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// Reads up to so many parts off the front.
fn take_key(bytes: &mut &[u8], parts: usize) -> Vec<Vec<u8>> {
    let mut key = Vec::new();
    while key.len() < parts
        && let Some((length, rest)) = bytes.split_at_checked(2)
    {
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let Some((part, rest)) = rest.split_at_checked(length) else { break };
        key.push(part.to_vec());
        *bytes = rest;
    }
    key
}

/// The first half of each row's digest, by its key as entries hold it.
pub(super) fn read_keyed(bytes: &[u8], parts: usize) -> HashMap<Vec<u8>, u64> {
    let mut rest = bytes;
    let mut rows = HashMap::new();
    while rest.len() > 10 {
        let before = rest;
        if rest[..2] == HASHED.to_be_bytes() {
            rest = rest.get(18..).unwrap_or_default();
        } else {
            take_key(&mut rest, parts);
        }
        let key = before[..before.len() - rest.len()].to_vec();
        let Some((digest, after)) = rest.split_at_checked(8) else { break };
        if key.is_empty() {
            break;
        }
        rows.insert(key, digest.try_into().map(u64::from_be_bytes).unwrap_or_default());
        rest = after;
    }
    rows
}

/// A key out of an entry; `None` when only its digest was kept.
pub(super) fn long_key(short: &[u8]) -> Option<Vec<Vec<u8>>> {
    (!short.starts_with(&HASHED.to_be_bytes())).then(|| take_key(&mut &*short, usize::MAX))
}

/// How often each digest was recorded.
pub(super) fn read_unkeyed(bytes: &[u8]) -> HashMap<u64, i64> {
    let mut rows = HashMap::new();
    for digest in bytes.chunks_exact(8) {
        *rows.entry(digest.try_into().map(u64::from_be_bytes).unwrap_or_default()).or_default() += 1;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back() {
        let long = vec![vec![7; KEY_BYTES + 1], vec![1]];
        let rows = vec![
            (vec![vec![1, 2], vec![3]], (10, 0)),
            (vec![Vec::new(), vec![9; 20]], (u64::MAX, 0)),
            (long.clone(), (12, 0)),
        ];
        let read = read_keyed(&Entries::Keyed(rows.clone()).encode(), 2);
        assert_eq!(read.len(), 3);
        for (key, digest) in &rows {
            assert_eq!(read.get(&short_key(key)), Some(&digest.0));
        }
        assert_eq!(long_key(&short_key(&rows[0].0)), Some(rows[0].0.clone()));
        assert_eq!(long_key(&short_key(&long)), None);
        assert_eq!(read_unkeyed(&Entries::Unkeyed(vec![(5, 0), (5, 1)]).encode()).get(&5), Some(&2));
    }
}
