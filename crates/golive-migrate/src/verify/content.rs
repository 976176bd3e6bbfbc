//! Compares two tables as bags of rows, without any order: by 128-bit digests, in as many passes as keep memory bounded.
//! What is left over on either side is then read again and paired, so that a changed cell is named.

use std::collections::HashMap;

use mysql_async::Conn;
use rusqlite::Connection;

use super::compare::{Teller, cells};
use super::layout::Layout;
use super::report::{MismatchKind, VerifiedTable, VerifyError, VerifyOptions};
use super::rows::{CanonicalRow, SourceRows, TargetRows, key_for_people};

/// Rows a pass holds the digests of: about 64 MB.
const ROWS_A_PASS: u64 = 1_000_000;
/// Left-over rows that are read again to be named; more are only counted.
const NAMED_ROWS: usize = 200;

type Digest = [u8; 16];

/// Compares a table and gives the source's connection back.
pub(super) async fn compare(
    source: Connection,
    conn: &mut Conn,
    layout: &Layout,
    options: &VerifyOptions,
    teller: &mut Teller<'_>,
) -> Result<(VerifiedTable, Connection), VerifyError> {
    let passes = teller.total.div_ceil(ROWS_A_PASS).max(1);
    let mut verified = VerifiedTable::new(&layout.table, layout.columns.len());
    let mut source = source;
    // How many more rows of a digest the source has; negative: the target.
    let mut left_over: HashMap<Digest, i64> = HashMap::new();
    let (mut surplus_source, mut surplus_target) = (0_u64, 0_u64);
    for pass in 0..passes {
        let mut counts: HashMap<Digest, i64> = HashMap::new();
        let mut left = SourceRows::start(source, layout, false);
        let mut rows = 0;
        while let Some(row) = left.next().await? {
            rows += 1;
            teller.maybe(rows);
            count(&row, pass, passes, 1, &mut counts);
        }
        verified.rows_source = rows;
        source = left.finish().await?;
        let mut right = TargetRows::start(conn, layout, false).await?;
        rows = 0;
        while let Some(row) = right.next().await? {
            rows += 1;
            count(&row, pass, passes, -1, &mut counts);
        }
        verified.rows_target = rows;
        for (digest, count) in counts.into_iter().filter(|(_, count)| *count != 0) {
            *(if count > 0 { &mut surplus_source } else { &mut surplus_target }) += count.unsigned_abs();
            if left_over.len() < NAMED_ROWS {
                left_over.insert(digest, count);
            }
        }
    }
    if left_over.is_empty() {
        return Ok((verified, source));
    }
    let (ours, source) = named_source(source, layout, &left_over).await?;
    let theirs = named_target(conn, layout, &left_over).await?;
    pair(ours, theirs, layout, options.mismatches_per_table, &mut verified);
    // What was not read again is still counted.
    verified.mismatch_count = verified.mismatch_count.max(surplus_source.max(surplus_target));
    Ok((verified, source))
}

fn digest(row: &CanonicalRow) -> Digest {
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(&row.bytes).as_bytes()[..16]);
    digest
}

fn count(row: &CanonicalRow, pass: u64, passes: u64, by: i64, counts: &mut HashMap<Digest, i64>) {
    let digest = digest(row);
    if u64::from(u16::from_be_bytes([digest[0], digest[1]])) % passes == pass {
        *counts.entry(digest).or_default() += by;
    }
}

async fn named_source(
    source: Connection,
    layout: &Layout,
    left_over: &HashMap<Digest, i64>,
) -> Result<(Vec<CanonicalRow>, Connection), VerifyError> {
    let mut wanted: HashMap<Digest, i64> =
        left_over.iter().map(|(digest, count)| (*digest, *count)).collect();
    let mut rows = Vec::new();
    let mut left = SourceRows::start(source, layout, false);
    while let Some(row) = left.next().await? {
        if let Some(count) = wanted.get_mut(&digest(&row))
            && *count > 0
            && rows.len() < NAMED_ROWS
        {
            *count -= 1;
            rows.push(row);
        }
    }
    Ok((rows, left.finish().await?))
}

async fn named_target(
    conn: &mut Conn,
    layout: &Layout,
    left_over: &HashMap<Digest, i64>,
) -> Result<Vec<CanonicalRow>, VerifyError> {
    let mut wanted: HashMap<Digest, i64> =
        left_over.iter().map(|(digest, count)| (*digest, -*count)).collect();
    let mut rows = Vec::new();
    let mut right = TargetRows::start(conn, layout, false).await?;
    while let Some(row) = right.next().await? {
        if let Some(count) = wanted.get_mut(&digest(&row))
            && *count > 0
            && rows.len() < NAMED_ROWS
        {
            *count -= 1;
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Pairs by key where there is one, else by likeness: a changed row still has most of its cells.
fn pair(
    ours: Vec<CanonicalRow>,
    mut theirs: Vec<CanonicalRow>,
    layout: &Layout,
    limit: usize,
    verified: &mut VerifiedTable,
) {
    for row in ours {
        let partner = if layout.key.is_empty() {
            most_alike(&row, &theirs, layout.columns.len())
        } else {
            theirs.iter().position(|other| row.cmp_key(other, &layout.key).is_eq())
        };
        match partner {
            Some(at) => cells(&row, &theirs.swap_remove(at), layout, limit, verified),
            None => verified.add(limit, MismatchKind::MissingInTarget, || key_for_people(layout, &row), None),
        }
    }
    for row in theirs {
        verified.add(limit, MismatchKind::OnlyInTarget, || key_for_people(layout, &row), None);
    }
}

/// The row that differs least, if it differs in less than half of its cells.
fn most_alike(row: &CanonicalRow, others: &[CanonicalRow], columns: usize) -> Option<usize> {
    let unlike = |other: &CanonicalRow| (0..columns).filter(|at| row.cell(*at) != other.cell(*at)).count();
    let (at, least) = others.iter().map(unlike).enumerate().min_by_key(|(_, unlike)| *unlike)?;
    (least * 2 <= columns).then_some(at)
}
