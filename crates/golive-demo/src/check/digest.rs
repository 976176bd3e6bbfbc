//! What is in the tables, read through the entities: rows and a digest of their content.

use std::fmt::Debug;

use sea_orm::{DatabaseConnection, DbErr, EntityTrait};
use sha2::{Digest, Sha256};

use super::chain;
use crate::entity::for_every_entity;

/// A table as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TableDigest {
    pub(super) table: String,
    pub(super) rows: usize,
    digest: Vec<u8>,
}

/// Every table, in the order of the migrations.
pub(super) async fn all_tables(connection: &DatabaseConnection) -> Result<Vec<TableDigest>, DbErr> {
    macro_rules! digests {
        ($($module:ident),* $(,)?) => {
            vec![$(digest::<crate::entity::$module::Entity>(connection).await?),*]
        };
    }
    Ok(for_every_entity!(digests))
}

/// Every table has rows.
pub(super) async fn every_table_filled(connection: &DatabaseConnection) -> Result<String, String> {
    let tables = all_tables(connection).await.map_err(|error| chain(&error))?;
    let empty: Vec<_> =
        tables.iter().filter(|table| table.rows == 0).map(|table| table.table.as_str()).collect();
    if empty.is_empty() {
        let rows: usize = tables.iter().map(|table| table.rows).sum();
        return Ok(format!("{} tables, {rows} rows", tables.len()));
    }
    Err(format!("no rows in {}", empty.join(", ")))
}

/// The tables in which two databases differ.
pub(super) fn differences(left: &[TableDigest], right: &[TableDigest]) -> Vec<String> {
    let pairs = left.iter().zip(right);
    pairs.filter(|(left, right)| left != right).map(|(left, _)| left.table.clone()).collect()
}

async fn digest<E>(connection: &DatabaseConnection) -> Result<TableDigest, DbErr>
where
    E: EntityTrait,
    E::Model: Debug,
{
    let rows = E::find().all(connection).await?;
    let mut digest = Sha256::new();
    for row in &rows {
        digest.update(format!("{row:?}\n"));
    }
    let table = E::default().table_name().to_owned();
    Ok(TableDigest { table, rows: rows.len(), digest: digest.finalize().to_vec() })
}
