//! Compares a range of one table, both sides streamed in key order. Where a side does not come in that order (keys whose
//! text sorts unlike their meaning) the caller compares without an order.

use std::cmp::Ordering;
use std::sync::Arc;

use mysql_async::Conn;
use rusqlite::Connection;

use super::aside::Aside;
use super::layout::Layout;
use super::progress::Teller;
use super::ranges::Range;
use super::report::{MismatchKind, VerifiedTable, VerifyError};
use super::rows::{self, Block, Blocks, Row, key_for_people};

/// What is compared, and where it is told.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) layout: &'a Arc<Layout>,
    /// Mismatches to name.
    pub(super) limit: usize,
    pub(super) teller: Teller<'a>,
    /// Rows that a policy set aside.
    pub(super) aside: &'a Aside,
}

/// `None` when a side turned out not to come in key order. The connections come back, the target's only when its rows
/// were read to the end.
pub(super) async fn range(
    source: Connection,
    target: Conn,
    task: Task<'_>,
    range: &Range,
) -> Result<(Option<VerifiedTable>, Connection, Option<Conn>), VerifyError> {
    let mut left = rows::source(source, task.layout, true, range);
    let mut right = rows::target(target, task.layout, true, range);
    let result = merge(&mut left, &mut right, task, range).await;
    let (source, target) = (left.finish().await?, right.finish().await?);
    Ok((result?, source, target))
}

/// One side, row by row or block by block.
struct Side<'b, C> {
    blocks: &'b mut Blocks<C>,
    block: Option<Block>,
    at: usize,
    ascending: bool,
}

impl<'b, C> Side<'b, C> {
    fn new(blocks: &'b mut Blocks<C>) -> Self {
        Self { blocks, block: None, at: 0, ascending: true }
    }

    /// Makes sure that there is a row, unless all were seen.
    async fn fill(&mut self) -> Result<(), VerifyError> {
        while self.block.as_ref().is_none_or(|block| self.at >= block.rows()) {
            self.at = 0;
            self.block = self.blocks.next().await?;
            match &self.block {
                Some(block) => self.ascending &= block.ascending,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn row(&self) -> Option<Row<'_>> {
        self.block.as_ref().map(|block| block.row(self.at))
    }
}

async fn merge(
    left: &mut Blocks<Connection>,
    right: &mut Blocks<Option<Conn>>,
    task: Task<'_>,
    range: &Range,
) -> Result<Option<VerifiedTable>, VerifyError> {
    let layout = task.layout;
    let mut verified = VerifiedTable::new(&layout.table, layout.columns.len());
    let (mut one, mut other) = (Side::new(left), Side::new(right));
    loop {
        one.fill().await?;
        other.fill().await?;
        if !(one.ascending
            && other.ascending
            && one.block.as_ref().is_none_or(|block| range.holds(block, layout)))
        {
            return Ok(None);
        }
        let (Some(ours), Some(theirs)) = (&one.block, &other.block) else {
            match (one.row(), other.row()) {
                (None, None) => return Ok(Some(verified)),
                (ours, theirs) => {
                    let side =
                        ours.map(|row| (row, Ordering::Less)).or(theirs.map(|row| (row, Ordering::Greater)));
                    if let Some((row, order)) = side {
                        lone(&row, order, task, &mut verified);
                    }
                }
            }
            one.at += 1;
            other.at += 1;
            continue;
        };
        task.teller.take_up()?;
        if one.at == 0 && other.at == 0 && ours.is_same(theirs) {
            let rows = ours.rows() as u64;
            verified.rows_source += rows;
            verified.rows_target += rows;
            task.teller.add(rows);
            (one.at, other.at) = (ours.rows(), theirs.rows());
            continue;
        }
        // As long as both have rows here.
        while one.at < ours.rows() && other.at < theirs.rows() {
            let (row, partner) = (ours.row(one.at), theirs.row(other.at));
            let order = row.cmp_key(&partner, &layout.key);
            if order.is_eq() {
                verified.rows_source += 1;
                verified.rows_target += 1;
                task.teller.add(1);
                cells(&row, &partner, layout, task.limit, &mut verified);
            } else {
                lone(if order.is_lt() { &row } else { &partner }, order, task, &mut verified);
            }
            one.at += usize::from(order.is_le());
            other.at += usize::from(order.is_ge());
        }
    }
}

/// A row that only one side has: the source when its key comes first.
fn lone(row: &Row<'_>, order: Ordering, task: Task<'_>, verified: &mut VerifiedTable) {
    let kind = if order.is_lt() {
        verified.rows_source += 1;
        task.teller.add(1);
        if task.aside.take(row) {
            verified.set_aside += 1;
            return;
        }
        MismatchKind::MissingInTarget
    } else {
        verified.rows_target += 1;
        MismatchKind::OnlyInTarget
    };
    verified.add(task.limit, kind, || key_for_people(task.layout, row), None);
}

/// Names every column in which two rows of one key differ.
pub(super) fn cells(
    one: &Row<'_>,
    other: &Row<'_>,
    layout: &Layout,
    limit: usize,
    verified: &mut VerifiedTable,
) {
    if one.is_same(other) {
        return;
    }
    for (at, column) in layout.columns.iter().enumerate() {
        if one.cell(at) != other.cell(at) {
            verified.add(limit, MismatchKind::Differs, || key_for_people(layout, one), Some(&column.name));
        }
    }
}
