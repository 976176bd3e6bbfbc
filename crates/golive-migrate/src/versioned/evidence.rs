//! What can be proven of a statement after a crash. Since MariaDB 10.6 each single definition statement is all or
//! nothing, and a statement on rows commits together with its mark; so comparing the objects that it defines with what
//! they were before tells whether it took effect. The judgment is pure; looking at the objects is beside it.

use sea_orm::sqlx::Row;

use super::error::VersionedError;
use super::journal::{Definitions, Mark, MarkState};
use super::session::{Session, number};
use super::statement::{Kind, Object};

/// What became of a statement that the journal has as begun and not as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// It took effect.
    Done,
    /// It did not, or running it again changes nothing.
    NotDone,
    /// Only somebody who looks can say.
    Unknown,
}

/// Judges one statement. `all_transactional`: every table of the database can roll back.
pub(crate) fn judge(mark: &Mark, now: &Definitions, all_transactional: bool) -> Effect {
    match (mark.state, mark.kind) {
        (MarkState::Done, _) => Effect::Done,
        (_, Kind::Data) => {
            if all_transactional {
                Effect::NotDone
            } else {
                Effect::Unknown
            }
        }
        (_, Kind::Read | Kind::Session | Kind::Transaction | Kind::Variable) => Effect::NotDone,
        // Its mark is in the transaction that it ends: where the mark can be seen, so can the rest.
        (MarkState::Running, Kind::Commit) => Effect::Done,
        (MarkState::Failed, Kind::Commit) => Effect::NotDone,
        (_, Kind::Opaque) => Effect::Unknown,
        (_, kind @ (Kind::Definition | Kind::Removal)) => definition(kind, &mark.objects_before, now),
    }
}

fn definition(kind: Kind, before: &Definitions, now: &Definitions) -> Effect {
    let removes = kind == Kind::Removal;
    if before.is_empty() {
        return Effect::Unknown;
    }
    let changed = before.iter().filter(|(object, was)| now.get(*object) != Some(*was)).count();
    let vanished =
        before.iter().any(|(object, was)| was.is_some() && now.get(object).is_none_or(Option::is_none));
    match changed {
        0 => Effect::NotDone,
        // Half of a replacement: the old one is gone and the new one is not there.
        _ if vanished && !removes => Effect::Unknown,
        all if all == before.len() => Effect::Done,
        // Some of several: each table of a DROP goes by itself, and what was never there cannot change.
        some if removes && some == before.values().filter(|was| was.is_some()).count() => Effect::Done,
        _ => Effect::Unknown,
    }
}

/// The present definitions of these objects, as digests.
pub(crate) async fn look(session: &Session, objects: &[Object]) -> Result<Definitions, VersionedError> {
    let mut found = Definitions::new();
    for object in objects {
        let text = definition_of(session, object.sort, &object.name).await?;
        let digest = text.map(|text| blake3::hash(without_counter(&text).as_bytes()).to_hex().to_string());
        found.insert(label(object.sort, &object.name), digest);
    }
    Ok(found)
}

/// How an object is called in the journal and to people.
pub(crate) fn label(sort: &str, name: &str) -> String {
    format!("{} {name}", sort.to_ascii_lowercase())
}

/// What `SHOW CREATE` gives; `None` where there is no such object.
pub(crate) async fn definition_of(
    session: &Session,
    sort: &str,
    name: &str,
) -> Result<Option<String>, VersionedError> {
    const DOING: &str = "look at a definition";
    let sql = format!("SHOW CREATE {sort} {}", crate::ident::mariadb(name));
    let rows = match session.rows(&sql, &[]).await {
        Ok(rows) => rows,
        Err(error) if number(&error).is_some_and(|number| GONE.contains(&number)) => return Ok(None),
        Err(error) => return Err(VersionedError::server(DOING)(error)),
    };
    let Some(row) = rows.first() else { return Ok(None) };
    let at = match sort {
        "TRIGGER" | "PROCEDURE" | "FUNCTION" => 2,
        "EVENT" => 3,
        _ => 1,
    };
    row.try_get::<Option<String>, _>(at).map_err(VersionedError::server(DOING))
}

/// No such table, trigger, routine, event.
const GONE: [u16; 4] = [1146, 1360, 1305, 1539];

/// `AUTO_INCREMENT=n` moves with every row of the site.
pub(crate) fn without_counter(text: &str) -> String {
    let Some(at) = text.rfind(" AUTO_INCREMENT=") else { return text.to_owned() };
    let after = &text[at + " AUTO_INCREMENT=".len()..];
    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{}{rest}", &text[..at])
}

/// Whether every table of the database can roll back.
pub(crate) async fn all_transactional(session: &Session) -> Result<bool, VersionedError> {
    let sql = "SELECT CAST(COUNT(*) AS SIGNED) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() \
               AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND COALESCE(ENGINE, '') NOT IN ('InnoDB', 'ROCKSDB')";
    Ok(session.value::<i64>("look at the tables", sql, &[]).await? == Some(0))
}

/// The digest by which a statement is known again.
pub(crate) fn digest(sql: &str) -> String {
    blake3::hash(sql.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::super::statement::parse;
    use super::*;

    fn seen(pairs: &[(&str, Option<&str>)]) -> Definitions {
        pairs.iter().map(|(object, digest)| ((*object).to_owned(), digest.map(str::to_owned))).collect()
    }

    fn effect(sql: &str, before: &[(&str, Option<&str>)], now: &[(&str, Option<&str>)]) -> Effect {
        judge(&mark(sql, MarkState::Running, before), &seen(now), true)
    }

    fn mark(sql: &str, state: MarkState, before: &[(&str, Option<&str>)]) -> Mark {
        Mark { number: 1, digest: String::new(), kind: parse(sql).kind, state, objects_before: seen(before) }
    }

    #[test]
    fn a_definition_took_effect_if_its_objects_changed() {
        let (a, b, none) = (Some("a"), Some("b"), None);
        for (sql, before, now, expected) in [
            ("ALTER TABLE t ADD c INT", a, b, Effect::Done),
            ("ALTER TABLE t ADD c INT", a, a, Effect::NotDone),
            ("CREATE TABLE t (c INT)", none, a, Effect::Done),
            ("CREATE TABLE t (c INT)", none, none, Effect::NotDone),
            ("DROP TABLE t", a, none, Effect::Done),
            ("CREATE OR REPLACE TABLE t (c INT)", a, none, Effect::Unknown),
            ("TRUNCATE TABLE t", a, a, Effect::Unknown),
            ("CALL p()", a, a, Effect::Unknown),
        ] {
            assert_eq!(effect(sql, &[("table t", before)], &[("table t", now)]), expected, "{sql}");
        }
    }

    #[test]
    fn some_of_several_dropped_is_for_somebody_to_look_at() {
        let before = [("table a", Some("a")), ("table b", Some("b"))];
        let sql = "DROP TABLE a, b";
        assert_eq!(effect(sql, &before, &[("table a", None), ("table b", Some("b"))]), Effect::Unknown);
        assert_eq!(effect(sql, &before, &[("table a", None), ("table b", None)]), Effect::Done);
    }

    #[test]
    fn rows_were_rolled_back_with_their_mark_only_where_tables_can_roll_back() {
        let insert = mark("INSERT INTO t VALUES (1)", MarkState::Running, &[]);
        assert_eq!(judge(&insert, &Definitions::new(), true), Effect::NotDone);
        assert_eq!(judge(&insert, &Definitions::new(), false), Effect::Unknown);
        let commit = mark("COMMIT", MarkState::Running, &[]);
        assert_eq!(judge(&commit, &Definitions::new(), true), Effect::Done);
    }

    #[test]
    fn the_counter_of_a_table_is_no_change() {
        assert_eq!(
            without_counter(") ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4"),
            ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
        );
    }
}
