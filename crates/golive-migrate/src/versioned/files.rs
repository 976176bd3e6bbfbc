//! Runs a migration of SQL statements: each is journalled before and after, waits a bounded time for its locks, and is
//! taken up where that can be proven. Which migration is to run is decided elsewhere.

use sea_orm::sqlx;

use super::error::VersionedError;
use super::evidence::{self, Effect};
use super::finding::{HALF_EDITED, HALF_RUN, VersionedFinding};
use super::journal::{self, Direction, Mark, MarkState};
use super::options::{Resolution, VersionedOptions};
use super::report::{OnVersionedEvent, Stopped, VersionedEvent, head};
use super::session::{Session, gave_up_waiting, number, said};
use super::split::Piece;
use super::statement::{self, Kind, Parsed};

/// A migration's statements, one way.
pub(crate) struct Pieces<'a> {
    pub(crate) name: &'a str,
    pub(crate) direction: Direction,
    pub(crate) pieces: &'a [Piece],
}

/// Where a run goes on.
pub(crate) enum Resume {
    /// With the statement of this index.
    At(usize),
    /// Nowhere, before somebody looked.
    Barred(Box<VersionedFinding>),
}

/// What became of the first statement that is not known to be done: its index and its effect.
pub(crate) async fn in_doubt(
    session: &Session,
    name: &str,
) -> Result<Option<(usize, Effect)>, VersionedError> {
    let marks = journal::marks(session, name).await?;
    match marks.iter().find(|mark| mark.state != MarkState::Done) {
        Some(mark) => Ok(Some((mark.number as usize, effect(session, mark).await?))),
        None => Ok(None),
    }
}

async fn effect(session: &Session, mark: &Mark) -> Result<Effect, VersionedError> {
    let objects: Vec<statement::Object> =
        mark.objects_before.keys().filter_map(|label| statement::Object::of(label)).collect();
    let now = evidence::look(session, &objects).await?;
    Ok(evidence::judge(mark, &now, evidence::all_transactional(session).await?))
}

/// Where the run of a migration that was begun goes on, by what the journal and the server say.
pub(crate) async fn resume(
    session: &Session,
    work: &Pieces<'_>,
    resolution: Option<Resolution>,
) -> Result<Resume, VersionedError> {
    let marks = journal::marks(session, work.name).await?;
    let barred =
        |rule, what: String| Ok(Resume::Barred(Box::new(VersionedFinding::new(rule, work.name, what))));
    let mut at = 0;
    for (index, piece) in work.pieces.iter().enumerate() {
        at = index;
        let Some(mark) = marks.iter().find(|mark| mark.number as usize == index + 1) else { break };
        let same = mark.digest == evidence::digest(&piece.sql);
        let mut effect = effect(session, mark).await?;
        if effect == Effect::Unknown {
            effect = match resolution {
                Some(Resolution::StatementDone) => Effect::Done,
                Some(Resolution::StatementNotDone) => Effect::NotDone,
                _ => {
                    let what = format!(
                        "whether statement {} (line {}) took effect cannot be proven",
                        index + 1,
                        piece.line
                    );
                    let finding = VersionedFinding::new(&HALF_RUN, work.name, what);
                    let remedy = "look at the database, then say so: `--resolve done` or `--resolve not-done` for this statement, \
                                  `--resolve applied` or `--resolve not-applied` for the whole migration";
                    return Ok(Resume::Barred(Box::new(finding.remedy(remedy))));
                }
            };
        }
        if effect == Effect::NotDone {
            break;
        }
        if !same {
            return barred(
                &HALF_EDITED,
                format!("statement {} (line {}) is done, and its text is another now", index + 1, piece.line),
            );
        }
        if mark.state != MarkState::Done {
            journal::mark(session, work.name, mark.number, MarkState::Done, None).await?;
        }
        at = index + 1;
    }
    for mark in marks.iter().filter(|mark| mark.number as usize > work.pieces.len()) {
        // A statement that was refused may go; one that is done is part of what the file says.
        if effect(session, mark).await? != Effect::NotDone {
            return barred(
                &HALF_EDITED,
                format!("statement {} is done, and the file no longer has it", mark.number),
            );
        }
    }
    let lost = |piece: &&Piece| statement::parse(&piece.sql).kind == Kind::Variable;
    if at < work.pieces.len()
        && let Some(piece) = work.pieces[..at].iter().find(lost)
    {
        let what = format!("line {} set a variable, whose value went with the connection", piece.line);
        let remedy =
            "finish or undo the rest by hand, then say `--resolve applied` or `--resolve not-applied`";
        return Ok(Resume::Barred(Box::new(
            VersionedFinding::new(&HALF_RUN, work.name, what).remedy(remedy),
        )));
    }
    Ok(Resume::At(at))
}

/// Runs the statements from this index on.
pub(crate) async fn run(
    session: &Session,
    work: &Pieces<'_>,
    from: usize,
    options: &VersionedOptions,
    on_event: OnVersionedEvent<'_>,
) -> Result<Option<Stopped>, VersionedError> {
    for piece in &work.pieces[..from] {
        // What the session was set to went with its connection.
        if statement::parse(&piece.sql).kind == Kind::Session {
            session.run(&piece.sql).await.map_err(VersionedError::server("set the session again"))?;
        }
    }
    for (index, piece) in work.pieces.iter().enumerate().skip(from) {
        on_event(VersionedEvent::Statement {
            migration: work.name.to_owned(),
            number: index + 1,
            of: work.pieces.len(),
        });
        let step =
            Step { session, work, piece, number: index as u32 + 1, parsed: statement::parse(&piece.sql) };
        if let Some(stopped) = step.run(options, on_event).await? {
            return Ok(Some(stopped));
        }
    }
    if session.in_transaction().await? {
        let last = work.pieces.last().map_or(0, |piece| piece.line);
        let _ = session.run("ROLLBACK").await;
        let reason = "it leaves a transaction open, which was rolled back: add COMMIT at its end".to_owned();
        journal::fail(session, work.name, work.pieces.len() as u32, None).await?;
        return Ok(Some(Stopped {
            migration: work.name.to_owned(),
            direction: work.direction,
            statement: work.pieces.len(),
            line: Some(last),
            sql: None,
            reason,
            effect: Effect::NotDone,
        }));
    }
    Ok(None)
}

/// One statement under way.
struct Step<'a> {
    session: &'a Session,
    work: &'a Pieces<'a>,
    piece: &'a Piece,
    number: u32,
    parsed: Parsed,
}

impl Step<'_> {
    async fn run(
        &self,
        options: &VersionedOptions,
        on_event: OnVersionedEvent<'_>,
    ) -> Result<Option<Stopped>, VersionedError> {
        let name = self.work.name;
        let before = evidence::look(self.session, &self.parsed.objects).await?;
        let digest = evidence::digest(&self.piece.sql);
        journal::mark_running(self.session, name, self.number, &digest, self.parsed.kind, &before).await?;
        let inside = self.session.in_transaction().await?;
        let mut tried = 0;
        loop {
            let Err(error) = self.attempt(inside, options).await? else { return Ok(None) };
            tried += 1;
            // In a transaction of the file's own, the statements before this one are gone too.
            let again = gave_up_waiting(&error) && (!inside || self.parsed.kind.is_definition());
            if !again {
                return self.refused(inside, &error).await.map(Some);
            }
            let blockers = self.session.blockers().await;
            if tried >= options.tries {
                return Err(self.give_up(options, &blockers, &error).await?);
            }
            on_event(VersionedEvent::Waiting {
                migration: name.to_owned(),
                tried,
                of: options.tries,
                blockers,
            });
            tokio::time::sleep(options.pause).await;
        }
    }

    /// One try. The outer error ends the run, the inner is the server's refusal.
    async fn attempt(
        &self,
        inside: bool,
        options: &VersionedOptions,
    ) -> Result<Result<(), sqlx::Error>, VersionedError> {
        let sql = self.parsed.with_wait(&self.piece.sql, options.lock_wait_seconds);
        // The mark commits with the rows: after a crash both are there or neither.
        let own = self.parsed.kind == Kind::Data && !inside;
        let server = VersionedError::server("run a statement of a migration");
        if own {
            self.session.run("START TRANSACTION").await.map_err(&server)?;
        }
        let ran = tokio::time::timeout(options.statement_limit, self.session.run(&sql)).await;
        let ran =
            ran.unwrap_or_else(|_| Err(sqlx::Error::Protocol("it did not end within its limit".to_owned())));
        match ran {
            Ok(_) => {
                journal::mark(self.session, self.work.name, self.number, MarkState::Done, None).await?;
                if own {
                    self.session.run("COMMIT").await.map_err(&server)?;
                }
                Ok(Ok(()))
            }
            Err(error) if number(&error).is_some() => {
                if own {
                    self.session.run("ROLLBACK").await.map_err(&server)?;
                }
                Ok(Err(error))
            }
            Err(error) => Err(server(error)),
        }
    }

    async fn refused(&self, inside: bool, error: &sqlx::Error) -> Result<Stopped, VersionedError> {
        let code = number(error);
        if inside {
            let _ = self.session.run("ROLLBACK").await;
        }
        journal::mark(self.session, self.work.name, self.number, MarkState::Failed, code).await?;
        journal::fail(self.session, self.work.name, self.number, code).await?;
        let doubt = in_doubt(self.session, self.work.name).await?;
        Ok(Stopped {
            migration: self.work.name.to_owned(),
            direction: self.work.direction,
            statement: self.number as usize,
            line: Some(self.piece.line),
            sql: Some(head(&self.piece.sql)),
            reason: said(error),
            effect: doubt.map_or(Effect::NotDone, |(_, effect)| effect),
        })
    }

    async fn give_up(
        &self,
        options: &VersionedOptions,
        blockers: &[String],
        error: &sqlx::Error,
    ) -> Result<VersionedError, VersionedError> {
        journal::mark(self.session, self.work.name, self.number, MarkState::Failed, number(error)).await?;
        journal::fail(self.session, self.work.name, self.number, number(error)).await?;
        Ok(lock_wait(self.work.name, self.number as usize, options, blockers))
    }
}

/// The error of a statement that never got its lock.
pub(crate) fn lock_wait(
    name: &str,
    statement: usize,
    options: &VersionedOptions,
    blockers: &[String],
) -> VersionedError {
    let blockers =
        if blockers.is_empty() { "nobody is seen to hold it".to_owned() } else { blockers.join("; ") };
    VersionedError::LockWait {
        migration: name.to_owned(),
        statement,
        tries: options.tries,
        seconds: options.lock_wait_seconds,
        blockers,
    }
}
