//! Compares two tables as bags of rows, without any order: every row's digest is added to one of many sums, by side.
//! Equal sums mean equal rows; where they differ the rows of those sums are read again and paired, so that a changed
//! cell is named. Memory does not grow with the table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mysql_async::Conn;
use rusqlite::Connection;

use super::compare::{Task, cells};
use super::layout::Layout;
use super::ranges::Range;
use super::report::{MismatchKind, VerifiedTable, VerifyError};
use super::rows::{self, Block, Blocks, key_for_people};

/// Sums a side; 24 bytes each.
const BUCKETS: usize = 1 << 16;
/// Digests of rows in differing buckets that are held at once: about 32 MB.
const HELD_DIGESTS: u64 = 500_000;
/// Left-over rows that are read again to be named; more are only counted.
const NAMED_ROWS: usize = 200;

/// Rows and the sum of their digests. A sum counts a row as often as it occurs; under an exclusive or, two equal ones
/// would vanish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sum {
    rows: u64,
    digests: u128,
}

/// Compares a table; the connections come back, the target's only when its rows were read to the end.
pub(super) async fn compare(
    source: Connection,
    target: Conn,
    task: Task<'_>,
) -> Result<(VerifiedTable, Connection, Option<Conn>), VerifyError> {
    let mut verified = VerifiedTable::new(&task.layout.table, task.layout.columns.len());
    let mut left = rows::source(source, task.layout, false, &Range::default());
    task.aside.begin();
    let ours = sums(&mut left, task, true).await?;
    verified.set_aside = task.aside.rows() - task.aside.left();
    let source = left.finish().await?;
    let mut right = rows::target(target, task.layout, false, &Range::default());
    let theirs = sums(&mut right, task, false).await?;
    let target = right.finish().await?;
    verified.rows_source = ours.iter().map(|sum| sum.rows).sum::<u64>() + verified.set_aside;
    verified.rows_target = theirs.iter().map(|sum| sum.rows).sum();
    let differing: Vec<usize> = (0..BUCKETS).filter(|at| ours[*at] != theirs[*at]).collect();
    if differing.is_empty() {
        return Ok((verified, source, target));
    }
    let Some(conn) = target else {
        // Nothing can be read again to name the rows; that there are some is known.
        verified.mismatch_count += differing.len() as u64;
        return Ok((verified, source, None));
    };
    // As many as can be held; of the others the difference in numbers is known, and that there is one.
    let mut held = BTreeSet::new();
    let (mut rows, mut unheld) = (0, 0);
    for at in differing {
        rows += ours[at].rows + theirs[at].rows;
        if held.is_empty() || rows <= HELD_DIGESTS {
            held.insert(at);
        } else {
            unheld += ours[at].rows.abs_diff(theirs[at].rows).max(1);
        }
    }
    let (source, conn) = name(source, conn, task, &held, &mut verified).await?;
    verified.mismatch_count += unheld;
    Ok((verified, source, conn))
}

fn bucket(digest: u128) -> usize {
    (digest as usize) % BUCKETS
}

async fn sums<C>(blocks: &mut Blocks<C>, task: Task<'_>, told: bool) -> Result<Vec<Sum>, VerifyError> {
    let mut sums = vec![Sum::default(); BUCKETS];
    while let Some(block) = blocks.next().await? {
        task.teller.take_up()?;
        for at in 0..block.rows() {
            // Only the source is told: what it has beyond the target may lie aside.
            if told && task.aside.take(&block.row(at)) {
                continue;
            }
            let digest = block.row(at).digest();
            let sum = &mut sums[bucket(digest)];
            sum.rows += 1;
            sum.digests = sum.digests.wrapping_add(digest);
        }
        if told {
            task.teller.add(block.rows() as u64);
        }
    }
    Ok(sums)
}

/// Finds which rows of the differing sums are left over on either side, and pairs them.
async fn name(
    source: Connection,
    conn: Conn,
    task: Task<'_>,
    held: &BTreeSet<usize>,
    verified: &mut VerifiedTable,
) -> Result<(Connection, Option<Conn>), VerifyError> {
    let all = Range::default();
    // How many more rows of a digest the source has; negative: the target.
    let mut surplus: HashMap<u128, i64> = HashMap::new();
    let mut left = rows::source(source, task.layout, false, &all);
    task.aside.begin();
    tally(&mut left, task, held, 1, &mut surplus).await?;
    let source = left.finish().await?;
    let mut right = rows::target(conn, task.layout, false, &all);
    tally(&mut right, task, held, -1, &mut surplus).await?;
    let Some(conn) = right.finish().await? else { return Ok((source, None)) };
    surplus.retain(|_, count| *count != 0);
    let of = |side: i64| -> u64 {
        surplus.values().filter(|count| count.signum() == side).map(|count| count.unsigned_abs()).sum()
    };
    let surpluses = of(1).max(of(-1));

    // In the order of their digests, so that the same rows are named each time.
    let wanted: BTreeMap<u128, i64> = surplus.into_iter().collect();
    let wanted: BTreeMap<u128, i64> = wanted.into_iter().take(NAMED_ROWS).collect();
    let mut left = rows::source(source, task.layout, false, &all);
    let ours = left_over(&mut left, task, &wanted, 1).await?;
    let source = left.finish().await?;
    let mut right = rows::target(conn, task.layout, false, &all);
    let theirs = left_over(&mut right, task, &wanted, -1).await?;
    let conn = right.finish().await?;
    pair(&ours, theirs, task.layout, task.limit, verified);
    // What was not read again is still counted.
    verified.mismatch_count = verified.mismatch_count.max(surpluses);
    Ok((source, conn))
}

async fn tally<C>(
    blocks: &mut Blocks<C>,
    task: Task<'_>,
    held: &BTreeSet<usize>,
    by: i64,
    surplus: &mut HashMap<u128, i64>,
) -> Result<(), VerifyError> {
    while let Some(block) = blocks.next().await? {
        task.teller.take_up()?;
        for at in 0..block.rows() {
            if by > 0 && task.aside.take(&block.row(at)) {
                continue;
            }
            let digest = block.row(at).digest();
            if held.contains(&bucket(digest)) {
                *surplus.entry(digest).or_default() += by;
            }
        }
    }
    Ok(())
}

async fn left_over<C>(
    blocks: &mut Blocks<C>,
    task: Task<'_>,
    wanted: &BTreeMap<u128, i64>,
    side: i64,
) -> Result<Vec<Block>, VerifyError> {
    let mut wanted = wanted.clone();
    let mut found = Vec::new();
    while let Some(block) = blocks.next().await? {
        task.teller.take_up()?;
        for at in 0..block.rows() {
            let row = block.row(at);
            if let Some(count) = wanted.get_mut(&row.digest())
                && *count * side > 0
                && found.len() < NAMED_ROWS
            {
                *count -= side;
                found.push(row.to_block());
            }
        }
    }
    Ok(found)
}

/// Pairs by key where there is one, else by likeness: a changed row still has most of its cells.
fn pair(ours: &[Block], mut theirs: Vec<Block>, layout: &Layout, limit: usize, verified: &mut VerifiedTable) {
    for block in ours {
        let row = block.row(0);
        let partner = if layout.key.is_empty() {
            most_alike(block, &theirs, layout.columns.len())
        } else {
            theirs.iter().position(|other| row.cmp_key(&other.row(0), &layout.key).is_eq())
        };
        match partner {
            Some(at) => cells(&row, &theirs.swap_remove(at).row(0), layout, limit, verified),
            None => verified.add(limit, MismatchKind::MissingInTarget, || key_for_people(layout, &row), None),
        }
    }
    for block in theirs {
        let key = || key_for_people(layout, &block.row(0));
        verified.add(limit, MismatchKind::OnlyInTarget, key, None);
    }
}

/// The row that differs least, if it differs in less than half of its cells.
fn most_alike(block: &Block, others: &[Block], columns: usize) -> Option<usize> {
    let row = block.row(0);
    let unlike = |other: &Block| (0..columns).filter(|at| row.cell(*at) != other.row(0).cell(*at)).count();
    let (at, least) = others.iter().map(unlike).enumerate().min_by_key(|(_, unlike)| *unlike)?;
    (least * 2 <= columns).then_some(at)
}
