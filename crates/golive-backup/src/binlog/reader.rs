//! From events to transactions: what each one touched, where it begins and ends, and where the log stands after it.
//!
//! Fed with bytes as [`super::event`] is. Which transactions are wanted is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::about::about;
use super::event::{self, Event, EventError, Parser};
use super::gtid::{Gtid, GtidState};
use super::statement::{self, ChangeKind};

/// Distinct changes that are told apart in one transaction; more are counted with the last.
const CHANGES_LIMIT: usize = 256;
/// How much of a structural statement is kept.
const TEXT_CHARACTERS: usize = 200;

/// One transaction in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) gtid: Gtid,
    /// Seconds since 1970, as the session that committed it had it.
    pub(crate) time: u32,
    /// Where its first event begins.
    pub(crate) start: u64,
    /// Where its last event ends.
    pub(crate) end: u64,
    pub(crate) touches: Touches,
    pub(crate) changes: Vec<Change>,
    /// Where the log stood before it.
    pub(crate) before: String,
}

/// Which databases a transaction concerns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Touches {
    /// Databases of changed rows.
    pub(crate) rows: BTreeSet<String>,
    /// Databases that statements change.
    pub(crate) statements: BTreeSet<String>,
    /// Databases without which a statement fails.
    pub(crate) needs: BTreeSet<String>,
    /// A statement speaks of the database that is looked for, whatever its own default is.
    pub(crate) mentioned: bool,
    /// Accounts or grants.
    pub(crate) accounts: bool,
    /// A statement that cannot be read, for the server compressed it.
    pub(crate) unreadable: bool,
}

/// One kind of change to one table in a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) kind: ChangeKind,
    pub(crate) database: String,
    /// The table, for changed rows.
    pub(crate) table: Option<String>,
    /// The statement, when it is structural: a statement about rows may hold their values.
    pub(crate) text: Option<String>,
    /// Whether the statement names the table that is looked for.
    pub(crate) names_table: bool,
    /// Row events, or statements.
    pub(crate) events: u64,
}

/// How a log ended, so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Another follows.
    Rotate(String),
    /// The server stopped in order.
    Stop,
    /// It is being written, or the server died.
    Open,
}

/// A leap of the time stamps, backwards in the order of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leap {
    pub(crate) at: Gtid,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// What is known of a log, so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) server_version: String,
    /// `server_id` of the writer.
    pub(crate) server: u32,
    /// When the log was begun, seconds since 1970.
    pub(crate) created: u32,
    /// Where it stood at its beginning, which is where the one before must have ended.
    pub(crate) starts: GtidState,
    /// Where it stands after its last complete transaction.
    pub(crate) ends: GtidState,
    pub(crate) transactions: u64,
    pub(crate) first_time: Option<u32>,
    pub(crate) last_time: Option<u32>,
    pub(crate) leaps: Vec<Leap>,
    pub(crate) ending: Ending,
    /// Where the last complete transaction, or event between transactions, ends.
    pub(crate) settled_to: u64,
    /// Where the description of the format ends, without which nothing behind it can be read.
    pub(crate) format_end: u64,
}

/// What the reader looks for while it reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Looking {
    pub(crate) database: Option<String>,
    pub(crate) table: Option<String>,
}

/// A transaction that has begun.
struct Begun {
    group: Group,
    standalone: bool,
    tables: BTreeMap<u64, (String, String)>,
}

/// Reads one log.
pub(crate) struct LogReader {
    parser: Parser,
    looking: Looking,
    summary: Option<Summary>,
    begun: Option<Begun>,
}

impl LogReader {
    pub(crate) fn new(looking: Looking) -> Self {
        Self { parser: Parser::default(), looking, summary: None, begun: None }
    }

    /// What is known so far; `None` before the log said what it is.
    pub(crate) fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    /// Whether something has begun that has not ended.
    pub(crate) fn is_torn(&self) -> bool {
        self.parser.is_torn() || self.begun.is_some()
    }

    /// Where the last complete event ends.
    pub(crate) fn complete_to(&self) -> u64 {
        self.parser.complete_to()
    }

    /// Takes the next bytes and reports each transaction that they complete.
    pub(crate) fn feed<E: From<EventError>>(
        &mut self,
        bytes: &[u8],
        seen: &mut dyn FnMut(Group) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { parser, looking, summary, begun } = self;
        parser.feed(bytes, &mut |event| {
            if let Some(group) = take(&event, looking, summary, begun)? {
                seen(group)?;
            }
            Ok(())
        })
    }
}

/// Takes one event; returns the transaction that it ends.
fn take(
    event: &Event,
    looking: &Looking,
    summary: &mut Option<Summary>,
    begun: &mut Option<Begun>,
) -> Result<Option<Group>, EventError> {
    if event.kind == event::FORMAT_DESCRIPTION {
        *summary = Some(Summary {
            server_version: event.server_version()?,
            server: event.server,
            created: event.time,
            starts: GtidState::default(),
            ends: GtidState::default(),
            transactions: 0,
            first_time: None,
            last_time: None,
            leaps: Vec::new(),
            ending: Ending::Open,
            settled_to: event.end,
            format_end: event.end,
        });
        return Ok(None);
    }
    let layout = EventError::Layout { offset: event.offset, kind: event.kind };
    let known = summary.as_mut().ok_or(layout)?;
    match event.kind {
        event::GTID_LIST => {
            known.starts = GtidState::from(event.gtid_list()?);
            known.ends = known.starts.clone();
        }
        event::GTID => {
            let read = event.gtid()?;
            // One that has not ended was not committed: the server died, and rolled it back.
            *begun = Some(begin(event, &read, known));
            return Ok(None);
        }
        event::ROTATE => {
            known.ending = Ending::Rotate(event.rotate()?);
            *begun = None;
        }
        event::STOP => {
            known.ending = Ending::Stop;
            *begun = None;
        }
        event::CHECKPOINT | event::START_ENCRYPTION => {}
        _ => {
            let Some(current) = begun.as_mut() else { return Ok(None) };
            current.group.end = event.end;
            let ends = add(event, looking, current)?;
            return Ok(if ends { begun.take().map(|done| settle(done.group, known)) } else { None });
        }
    }
    if begun.is_none() {
        known.settled_to = event.end;
    }
    Ok(None)
}

fn begin(event: &Event, read: &event::GtidEvent, known: &Summary) -> Begun {
    Begun {
        group: Group {
            gtid: read.gtid,
            time: event.time,
            start: event.offset,
            end: event.end,
            touches: Touches::default(),
            changes: Vec::new(),
            before: known.ends.position(),
        },
        standalone: read.standalone,
        tables: BTreeMap::new(),
    }
}

/// Notes a complete transaction.
fn settle(group: Group, known: &mut Summary) -> Group {
    known.ends.advance(group.gtid);
    known.transactions += 1;
    known.settled_to = group.end;
    known.first_time.get_or_insert(group.time);
    if let Some(last) = known.last_time
        && last > group.time
        && known.leaps.len() < CHANGES_LIMIT
    {
        known.leaps.push(Leap { at: group.gtid, from: last, to: group.time });
    }
    known.last_time = Some(group.time);
    group
}

/// Adds an event to the transaction it belongs to; says whether it ends it.
fn add(event: &Event, looking: &Looking, current: &mut Begun) -> Result<bool, EventError> {
    match event.kind {
        event::XID | event::XA_PREPARE => return Ok(true),
        event::QUERY_COMPRESSED => {
            current.group.touches.unreadable = true;
            return Ok(current.standalone);
        }
        event::QUERY => {
            let query = event.query()?;
            let Some(kind) = statement::kind_of(&query.text) else {
                let word = query.text.trim();
                return Ok(word.eq_ignore_ascii_case("COMMIT") || word.eq_ignore_ascii_case("ROLLBACK"));
            };
            add_statement(kind, &query, looking, &mut current.group);
            return Ok(current.standalone);
        }
        event::TABLE_MAP => {
            let (id, database, table) = event.table_map()?;
            current.group.touches.rows.insert(database.clone());
            current.tables.insert(id, (database, table));
        }
        kind => {
            let (Some(kind), Some(id)) = (row_kind(kind), event.table_id()) else { return Ok(false) };
            if let Some((database, table)) = current.tables.get(&id) {
                let change = Change {
                    kind,
                    database: database.clone(),
                    table: Some(table.clone()),
                    text: None,
                    names_table: false,
                    events: 1,
                };
                count(change, &mut current.group.changes);
            }
        }
    }
    Ok(false)
}

fn add_statement(kind: ChangeKind, query: &event::QueryEvent<'_>, looking: &Looking, group: &mut Group) {
    let touches = &mut group.touches;
    if kind == ChangeKind::Account {
        touches.accounts = true;
    } else {
        let wanted = looking.database.as_deref();
        let about = about(&query.text, query.database);
        if about.changes.is_empty() {
            touches.statements.insert(query.database.to_owned());
            touches.mentioned |= wanted.is_some_and(|name| statement::mentions_database(&query.text, name));
        }
        // Some servers write names as they were typed and do not tell KPI from kpi.
        let spelled = |name: String| match wanted {
            Some(wanted) if wanted.eq_ignore_ascii_case(&name) => wanted.to_owned(),
            _ => name,
        };
        touches.statements.extend(about.changes.into_iter().map(spelled));
        touches.needs.extend(about.needs.into_iter().map(spelled));
    }
    let text = kind.is_structural().then(|| query.text.chars().take(TEXT_CHARACTERS).collect());
    let names_table = looking.table.as_deref().is_some_and(|table| statement::mentions(&query.text, table));
    let change =
        Change { kind, database: query.database.to_owned(), table: None, text, names_table, events: 1 };
    count(change, &mut group.changes);
}

fn count(change: Change, changes: &mut Vec<Change>) {
    let same = |other: &&mut Change| {
        (other.kind, &other.database, &other.table, &other.text)
            == (change.kind, &change.database, &change.table, &change.text)
    };
    if let Some(other) = changes.iter_mut().find(same) {
        other.events += 1;
        other.names_table |= change.names_table;
    } else if changes.len() < CHANGES_LIMIT {
        changes.push(change);
    } else if let Some(last) = changes.last_mut() {
        last.events += 1;
    }
}

/// Row events of both versions, plain and compressed.
fn row_kind(kind: u8) -> Option<ChangeKind> {
    match kind {
        23 | 30 | 166 | 169 => Some(ChangeKind::Insert),
        24 | 31 | 167 | 170 => Some(ChangeKind::Update),
        25 | 32 | 168 | 171 => Some(ChangeKind::Delete),
        _ => None,
    }
}

impl Touches {
    /// Whether it concerns a database.
    pub(crate) fn concerns(&self, database: &str) -> bool {
        self.mentioned || self.rows.contains(database) || self.statements.contains(database)
    }

    /// Another database that it changed in the same transaction, or without which it fails.
    pub(crate) fn other(&self, database: &str) -> Option<&str> {
        let all = self.rows.iter().chain(&self.statements).chain(&self.needs).map(String::as_str);
        // Without a chosen database, a statement says of itself where it belongs.
        all.filter(|name| !name.is_empty()).find(|name| *name != database)
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::{beginning, event};
    use super::*;

    fn gtid(sequence: u64, flags: u8) -> Vec<u8> {
        let mut body = sequence.to_le_bytes().to_vec();
        body.extend(0_u32.to_le_bytes());
        body.push(flags);
        body.extend([0; 6]);
        body
    }

    fn query(database: &str, text: &str) -> Vec<u8> {
        let mut body = vec![0; 8];
        body.push(u8::try_from(database.len()).unwrap());
        body.extend([0; 4]);
        body.extend(database.as_bytes());
        body.push(0);
        body.extend(text.as_bytes());
        body
    }

    fn read(bytes: &[u8]) -> (Vec<Group>, LogReader) {
        let looking = Looking { database: Some("kpi".to_owned()), table: Some("ledger".to_owned()) };
        let mut reader = LogReader::new(looking);
        let mut groups = Vec::new();
        reader
            .feed(bytes, &mut |group| {
                groups.push(group);
                Ok::<(), EventError>(())
            })
            .unwrap();
        (groups, reader)
    }

    #[test]
    fn a_transaction_that_never_ended_was_not_committed() {
        let mut bytes = beginning(100);
        bytes.extend(event(event::GTID, 101, &gtid(1, 1)));
        bytes.extend(event(event::QUERY, 101, &query("other", "DROP TABLE kpi.ledger")));
        let settled = bytes.len() as u64;
        bytes.extend(event(event::GTID, 105, &gtid(2, 0)));
        bytes.extend(event(event::QUERY, 105, &query("kpi", "INSERT INTO a VALUES (1)")));
        let (groups, reader) = read(&bytes);
        assert_eq!(groups.len(), 1);
        assert!(groups[0].touches.concerns("kpi") && groups[0].changes[0].names_table);
        let summary = reader.summary().unwrap();
        assert_eq!((summary.ends.position().as_str(), summary.settled_to), ("0-1-1", settled));
        assert!(reader.is_torn());
        // The server died there, started again, and went on in the next log.
        bytes.extend(event(event::STOP, 200, &[]));
        let (groups, reader) = read(&bytes);
        assert_eq!((groups.len(), reader.is_torn()), (1, false));
        assert_eq!(reader.summary().unwrap().ending, Ending::Stop);
    }

    #[test]
    fn leaps_of_the_clock_are_noted() {
        let mut bytes = beginning(100);
        for (sequence, time) in [(1, 110), (2, 3710), (3, 111)] {
            bytes.extend(event(event::GTID, time, &gtid(sequence, 0)));
            bytes.extend(event(event::XID, time, &[0; 8]));
        }
        let (groups, reader) = read(&bytes);
        assert_eq!(groups.len(), 3);
        assert_eq!(groups[2].before, "0-1-2");
        let leaps = &reader.summary().unwrap().leaps;
        assert_eq!(leaps, &[Leap { at: Gtid::new(0, 1, 3), from: 3710, to: 111 }]);
    }
}
