//! One pass over the logs from a backup on: which transactions are wanted, where to stop, and what forbids it.

use chrono::{DateTime, Utc};

use super::archive::{BinlogArchive, time};
use super::gtid::{Gtid, GtidState};
use super::plan::{Gap, Piece, PlanError, RecoveryPlan, Target, damaged};
use super::reader::{Group, Looking, Summary};
use super::source::Source;
use crate::manifest::{BinlogPosition, Manifest};

/// How far the transactions read so far lead.
#[derive(Debug, Clone)]
struct Reached {
    ordinal: u64,
    source: usize,
    end: u64,
    state: GtidState,
    at: Option<DateTime<Utc>>,
    transactions: u64,
    others: u64,
    accounts: u64,
}

/// One pass over the logs from a backup on.
pub(super) struct Walk<'a> {
    archive: &'a BinlogArchive,
    manifest: &'a Manifest,
    base: &'a BinlogPosition,
    database: &'a str,
    target: Target,
    now: Reached,
    stop: Option<Reached>,
    /// Where the transaction lies with which the stop was certain.
    decided_in: Option<usize>,
    problem: Option<(u64, PlanError)>,
    pieces: Vec<Piece>,
    gaps: Vec<(usize, Gap)>,
    leaps: Vec<String>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        archive: &'a BinlogArchive,
        manifest: &'a Manifest,
        base: &'a BinlogPosition,
        database: &'a str,
        target: Target,
    ) -> Self {
        let state = base.gtid.split(',').filter_map(|gtid| gtid.parse().ok()).collect::<Vec<Gtid>>().into();
        let now = Reached {
            ordinal: 0,
            source: 0,
            end: base.position,
            state,
            at: None,
            transactions: 0,
            others: 0,
            accounts: 0,
        };
        Self {
            archive,
            manifest,
            base,
            database,
            target,
            stop: None,
            now,
            decided_in: None,
            problem: None,
            pieces: Vec::new(),
            gaps: Vec::new(),
            leaps: Vec::new(),
        }
    }

    fn looking(&self) -> Looking {
        Looking { database: Some(self.database.to_owned()), table: None }
    }

    pub(super) fn plan(mut self, sources: &[Source], allow_gaps: bool) -> Result<RecoveryPlan, PlanError> {
        let first = self.locate(sources)?;
        if matches!(self.target, Target::At(_)) {
            // Without any transaction before the time, the backup itself is the answer.
            self.stop = Some(self.now.clone());
        }
        let mut before: Option<(String, GtidState)> = None;
        for (index, source) in sources[first..].iter().enumerate() {
            let skip = if index == 0 { self.base.position } else { 0 };
            let mut ranges = Vec::new();
            let summary = source
                .read(self.archive, &self.looking(), &mut |group| self.take(&group, index, skip, &mut ranges))
                .map_err(|error| damaged(source, error))?;
            self.join(index, source, &summary, before.as_ref());
            self.pieces.push(Piece { source: source.clone(), format_end: summary.format_end, ranges });
            before = Some((source.name().to_owned(), summary.ends.clone()));
            if self.decided_in.is_some() && !matches!(self.target, Target::At(_)) {
                break;
            }
        }
        self.conclude(allow_gaps)
    }

    /// The log in which the backup stands, at exactly the GTIDs that the backup says.
    fn locate(&self, sources: &[Source]) -> Result<usize, PlanError> {
        let (wanted, gtid) = (self.base.position, &self.base.gtid);
        for (index, source) in
            sources.iter().enumerate().rev().filter(|(_, source)| source.name() == self.base.file)
        {
            let mut at = None;
            let mut cut = false;
            let summary = source
                .read(self.archive, &Looking::default(), &mut |group| {
                    cut |= group.start < wanted && wanted < group.end;
                    if group.start >= wanted && at.is_none() {
                        at = Some(group.before);
                    }
                })
                .map_err(|error| damaged(source, error))?;
            let here = match at {
                Some(before) => GtidState::from(parse(&before)).is_at(gtid),
                None => wanted <= summary.settled_to && summary.ends.is_at(gtid),
            };
            if here && !cut {
                return Ok(index);
            }
        }
        Err(PlanError::NotCovered {
            base: self.manifest.id.clone(),
            file: self.base.file.clone(),
            position: wanted,
            gtid: gtid.clone(),
        })
    }

    /// Takes the next transaction of the log.
    fn take(&mut self, group: &Group, source: usize, skip: u64, ranges: &mut Vec<(u64, u64)>) {
        if group.start < skip || (self.decided_in.is_some() && !matches!(self.target, Target::At(_))) {
            return;
        }
        if self.target == Target::Before(group.gtid) {
            self.stop = Some(self.now.clone());
            self.decided_in = Some(source);
            return;
        }
        let touches = &group.touches;
        self.now.ordinal += 1;
        let ordinal = self.now.ordinal;
        if touches.unreadable && self.problem.is_none() {
            self.problem = Some((ordinal, PlanError::Unreadable { gtid: group.gtid }));
        }
        if touches.concerns(self.database) {
            if let (Some(other), None) = (touches.other(self.database), &self.problem) {
                let (database, other) = (self.database.to_owned(), other.to_owned());
                self.problem = Some((ordinal, PlanError::Straddles { gtid: group.gtid, database, other }));
            }
            self.now.transactions += 1;
            match ranges.last_mut() {
                Some(last) if last.1 == group.start => last.1 = group.end,
                _ => ranges.push((group.start, group.end)),
            }
        } else if touches.accounts {
            self.now.accounts += 1;
        } else {
            self.now.others += 1;
        }
        self.now.state.advance(group.gtid);
        (self.now.source, self.now.end) = (source, group.end);
        self.now.at = Some(time(group.time));
        match self.target {
            Target::At(at) if time(group.time) <= at => {
                self.stop = Some(self.now.clone());
                self.decided_in = None;
            }
            Target::At(_) => {
                self.decided_in.get_or_insert(source);
            }
            Target::After(gtid) if gtid == group.gtid => {
                self.stop = Some(self.now.clone());
                self.decided_in = Some(source);
            }
            _ => {}
        }
    }

    /// Notes what is wrong between the log before and this one, and in this one.
    fn join(
        &mut self,
        index: usize,
        source: &Source,
        summary: &Summary,
        before: Option<&(String, GtidState)>,
    ) {
        if let Some((name, ends)) = before
            && *ends != summary.starts
        {
            let gap = Gap {
                after: name.clone(),
                before: source.name().to_owned(),
                from: ends.position(),
                to: summary.starts.position(),
            };
            self.gaps.push((index, gap));
        }
        for leap in &summary.leaps {
            self.leaps.push(format!(
                "{} is stamped {}, the one before it {}",
                leap.at,
                time(leap.to).format("%Y-%m-%dT%H:%M:%SZ"),
                time(leap.from).format("%Y-%m-%dT%H:%M:%SZ")
            ));
        }
    }

    fn conclude(mut self, allow_gaps: bool) -> Result<RecoveryPlan, PlanError> {
        let stop = match (self.stop.take(), self.target) {
            (Some(stop), _) => stop,
            (None, Target::After(gtid) | Target::Before(gtid)) => {
                return Err(PlanError::NoSuchTransaction { gtid });
            }
            (None, _) => self.now.clone(),
        };
        // A gap matters unless something known lies between the stop and it.
        let decided_in = self.decided_in.unwrap_or(usize::MAX);
        let gaps: Vec<Gap> =
            self.gaps.iter().filter(|(index, _)| *index <= decided_in).map(|(_, gap)| gap.clone()).collect();
        if let Some(gap) = gaps.first()
            && !allow_gaps
        {
            return Err(PlanError::Gap { gap: gap.clone() });
        }
        if let Some((ordinal, problem)) = self.problem
            && ordinal <= stop.ordinal
        {
            return Err(problem);
        }
        if let (Target::At(at), None) = (self.target, self.decided_in) {
            let reaches = self.archive.status()?.and_then(|status| status.caught_up_at);
            if reaches.is_none_or(|reaches| reaches < at) {
                let reaches =
                    reaches.map_or("no time".to_owned(), |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string());
                return Err(PlanError::NotReached { target: self.target.to_string(), reaches });
            }
        }
        let mut pieces = self.pieces;
        pieces.truncate(stop.source + 1);
        if let Some(last) = pieces.last_mut() {
            last.ranges.retain(|(start, _)| *start < stop.end);
            if let Some(range) = last.ranges.last_mut() {
                range.1 = range.1.min(stop.end);
            }
        }
        pieces.retain(|piece| !piece.ranges.is_empty());
        Ok(RecoveryPlan {
            base: self.manifest.id.clone(),
            database: self.database.to_owned(),
            target: self.target,
            from: self.base.gtid.clone(),
            to: stop.state.position(),
            data_as_of: stop.at.unwrap_or(self.manifest.created_at),
            transactions: stop.transactions,
            others: stop.others,
            accounts: stop.accounts,
            logs: pieces.iter().map(|piece| piece.source.name().to_owned()).collect(),
            gaps,
            leaps: self.leaps,
            pieces,
        })
    }
}

fn parse(position: &str) -> Vec<Gtid> {
    position.split(',').filter_map(|gtid| gtid.parse().ok()).collect()
}
