//! What each finding of a survey means, for whoever meets its id without the survey at hand. Data only: findings are made
//! where they are found, and what a policy does is their own affair.

use crate::core::conversion::{Conversion, NAMES};
use crate::policy::Policy::{self, Accept, Convert, Quarantine, Stop};

/// One kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SurveyRule {
    /// The stable id.
    pub id: &'static str,
    /// What was found, in a few words.
    pub title: &'static str,
    /// What happens otherwise.
    pub why: &'static str,
    /// How it is settled: in the source, by a type, by a policy.
    pub remedy: &'static str,
    /// What may be decided about it; whether that settles it shows a survey with it.
    pub offers: &'static [Policy],
}

/// All kinds of findings, in the order of their ids.
///
/// ```
/// let rule = golive_migrate::survey_rules().iter().find(|rule| rule.id == "MIG-FK-ORPHAN");
/// assert!(rule.is_some_and(|rule| rule.remedy.contains("quarantine")));
/// ```
#[must_use]
pub fn survey_rules() -> &'static [SurveyRule] {
    RULES
}

const fn rule(id: &'static str, title: &'static str, why: &'static str, remedy: &'static str) -> SurveyRule {
    SurveyRule { id, title, why, remedy, offers: &[] }
}

impl SurveyRule {
    const fn offering(mut self, offers: &'static [Policy]) -> Self {
        self.offers = offers;
        self
    }
}

/// What may be decided about findings of this kind.
pub(crate) fn offers(id: &str) -> &'static [Policy] {
    RULES.binary_search_by_key(&id, |rule| rule.id).map_or(&[], |at| RULES[at].offers)
}

/// Something is lost or means something else, and nothing can be done about it here.
const STOP: &[Policy] = &[Stop];
const ACCEPT: &[Policy] = &[Accept, Stop];
const ASIDE: &[Policy] = &[Quarantine, Stop];
const ASIDE_OR_ACCEPT: &[Policy] = &[Quarantine, Accept, Stop];

/// Values that do not fit: which conversion makes them fit, the values say.
const ROW_POLICIES: &[Policy] = &{
    let mut all = [Stop; NAMES.len() + 2];
    all[0] = Quarantine;
    let mut at = 0;
    while at < NAMES.len() {
        all[at + 1] = Convert(NAMES[at].1);
        at += 1;
    }
    all
};

const ROWS: &str =
    "mend the rows; or a wider type in [migrate.types]; or a policy: quarantine, or convert:NAME";
const NOTHING: &str = "nothing";
const SCHEMA: &str = "change the application's migrations, run them, and survey again";
const BY_HAND: &str =
    "carry it by hand or by the application's own migrations; the policy stop makes it block";

const RULES: &[SurveyRule] = &[
    rule(
        "MIG-BLOB-TEXT",
        "text among blobs",
        "its bytes are kept, its storage class is not; a BINARY(n) refuses it",
        ROWS,
    ).offering(ROW_POLICIES),
    rule(
        "MIG-BOOL-VALUE",
        "neither true nor false in a boolean column",
        "MariaDB would store 0 for a word it does not know",
        ROWS,
    ).offering(ROW_POLICIES),
    rule("MIG-BOOL-WORD", "words for true and false", "they become 1 and 0", NOTHING),
    rule(
        "MIG-CHAR-SPACE",
        "text that ends in a space, in a CHAR column",
        "CHAR loses trailing spaces without a word",
        "VARCHAR instead of CHAR; or quarantine, or convert:trim",
    ).offering(&[Quarantine, Convert(Conversion::Trim), Stop]),
    rule(
        "MIG-CHECK",
        "a CHECK without an equal",
        "the rule would mean something else in MariaDB, so it is not carried",
        BY_HAND,
    ).offering(STOP),
    rule(
        "MIG-CHECK-BROKEN",
        "rows that break a CHECK",
        "SQLite took them with checks ignored; MariaDB refuses them",
        "mend the rows; or quarantine; or accept, and the check is left out",
    ).offering(ASIDE_OR_ACCEPT),
    rule(
        "MIG-COLLATION",
        "texts compare otherwise than in SQLite",
        "an application may find more or fewer rows than before",
        "utf8mb4_nopad_bin keeps SQLite's meaning; NOCASE, RTRIM and an application's own have no equal",
    ),
    rule(
        "MIG-CONFLICT-CLAUSE",
        "constraints with ON CONFLICT",
        "SQLite replaces, ignores or rolls back; MariaDB refuses the statement",
        BY_HAND,
    ).offering(STOP),
    rule(
        "MIG-CONVERTED",
        "values are converted, as a policy says",
        "the target holds what the policy makes of them; the verification expects just that",
        NOTHING,
    ),
    rule(
        "MIG-DATE-TIME",
        "a time of day in a DATE column",
        "MariaDB would cut it without a word",
        "DATETIME(6), which the survey takes by itself",
    ),
    rule(
        "MIG-DATETIME-FORMAT",
        "no datetime that can be read without guessing",
        "MariaDB would store 0000-00-00",
        "mend the rows; or convert:empty-as-null, date-mdy, date-dmy, null; or quarantine; or LONGTEXT",
    ).offering(&[Quarantine, Convert(Conversion::EmptyAsNull), Convert(Conversion::DateMdy), Convert(Conversion::DateDmy), Convert(Conversion::Null), Stop]),
    rule("MIG-DATETIME-FRACTION", "digits beyond the microsecond", "they are cut", NOTHING),
    rule(
        "MIG-DATETIME-NUMBER",
        "numbers in a datetime column",
        "what they count is not guessed, so they stay numbers",
        "convert:epoch-seconds, epoch-millis, epoch-micros or julian-day",
    ).offering(&[Convert(Conversion::EpochSeconds), Convert(Conversion::EpochMillis), Convert(Conversion::EpochMicros), Convert(Conversion::JulianDay), Stop]),
    rule(
        "MIG-DATETIME-OFFSET",
        "an offset other than UTC",
        "the instant is kept in UTC, the offset is not; MariaDB alone would drop the offset and keep the wall time",
        NOTHING,
    ),
    rule(
        "MIG-DECIMAL-SCALE",
        "more digits than declared",
        "the column is widened, so that none is lost; MariaDB alone would round",
        "nothing; or convert:round to the declared scale",
    ).offering(&[Convert(Conversion::Round), Stop]),
    rule("MIG-DECIMAL-VALUE", "no decimal number", "MariaDB would store 0", ROWS).offering(ROW_POLICIES),
    rule(
        "MIG-DEFAULT",
        "a default without an equal",
        "rows that leave the column out would get another value",
        BY_HAND,
    ).offering(STOP),
    rule(
        "MIG-EXCLUDED",
        "a table that stays behind, as asked for",
        "its rows are not in the target",
        NOTHING,
    ),
    rule(
        "MIG-FK-ACTION",
        "an action that InnoDB does not do",
        "it becomes RESTRICT; MariaDB alone would take SET DEFAULT and not do it",
        BY_HAND,
    ).offering(STOP),
    rule(
        "MIG-FK-CYCLE",
        "tables that refer to each other in a circle",
        "no order of inserts satisfies their keys, so keys are added after the rows",
        NOTHING,
    ),
    rule(
        "MIG-FK-DEFERRED",
        "foreign keys that are checked when a transaction ends",
        "MariaDB checks each row at once, so a child written before its parent is refused",
        "write parents before their children; the policy stop makes it block",
    ).offering(STOP),
    rule(
        "MIG-FK-LENGTH",
        "a foreign key longer than InnoDB's 3072 bytes",
        "MariaDB refuses it (error 1821), since no index holds its columns whole",
        "shorter types in [migrate.types]; or accept, and the foreign key is left out",
    ).offering(ACCEPT),
    rule(
        "MIG-FK-ORPHAN",
        "rows whose parent is missing",
        "SQLite seldom enforces foreign keys, and compares them by the collation of the parent's key; MariaDB compares them by its own, \
         would take such rows once and never look again",
        "delete the rows, add their parents or spell them alike; or another collation; or quarantine; or accept, and the foreign key \
         is left out",
    ).offering(ASIDE_OR_ACCEPT),
    rule(
        "MIG-FK-PARENT",
        "a foreign key to no table or no key",
        "no server can enforce it, so it is not carried",
        BY_HAND,
    ).offering(STOP),
    rule(
        "MIG-FK-TYPE",
        "a key and its reference of different types",
        "MariaDB refuses such a foreign key (errno 150)",
        "mend the values; or one of the two types in [migrate.types]; or accept, and the foreign key is left out",
    ).offering(ACCEPT),
    rule(
        "MIG-GALERA-FLOW-CONTROL",
        "the cluster holds writers back",
        "the copy goes as fast as the slowest node",
        "find the slow node before the copy",
    ),
    rule(
        "MIG-GALERA-LOCK",
        "the lock against a second run holds on one node",
        "two runs on two nodes hinder each other, but copy nothing twice",
        "name the same node first in every run",
    ),
    rule(
        "MIG-GALERA-NO-KEY",
        "a table without primary key in a cluster",
        "nodes may apply its rows in another order, and DELETE is not supported",
        "give it a primary key",
    ),
    rule(
        "MIG-GALERA-OSU",
        "schema changes that stay on one node",
        "the other nodes would not get the tables (wsrep_OSU_method)",
        "SET wsrep_OSU_method = TOI",
    ),
    rule(
        "MIG-GALERA-SPLITTING",
        "LOAD DATA is split by the server",
        "a chunk would be committed in parts, so rows go by INSERT",
        "wsrep_load_data_splitting = OFF",
    ),
    rule(
        "MIG-GALERA-WRITE-SET",
        "a limit of a transaction's size",
        "chunks are cut to it; a single row beyond it cannot be replicated",
        "raise wsrep_max_ws_size or wsrep_max_ws_rows",
    ),
    rule(
        "MIG-GENERATED",
        "a generated column without an equal",
        "it becomes a plain column with its present values, which nobody computes any more",
        BY_HAND,
    ).offering(STOP),
    rule(
        "MIG-INDEX-COUNT",
        "more indexes than InnoDB takes",
        "the table could not be made",
        "drop indexes that are the head of others",
    ),
    rule(
        "MIG-INDEX-EXPRESSION",
        "an index over an expression",
        "it is not carried: queries stay right, a unique one no longer binds",
        BY_HAND,
    ).offering(STOP),
    rule(
        "MIG-INDEX-PARTIAL",
        "a unique index with a condition",
        "an invisible column carries it where the condition has an equal; else it binds nothing",
        BY_HAND,
    ).offering(STOP),
    rule(
        "MIG-INDEX-PREFIX",
        "an index longer than InnoDB's 3072 bytes",
        "only the head of its columns is indexed",
        NOTHING,
    ),
    rule(
        "MIG-INT-RANGE",
        "integers beyond the column's type",
        "MariaDB would store the nearest that fits, and rows would become duplicates",
        "BIGINT; or quarantine, or convert:null",
    ).offering(&[Quarantine, Convert(Conversion::Null), Stop]),
    rule(
        "MIG-JSON-INVALID",
        "documents that are no valid JSON to MariaDB",
        "LOAD DATA would drop the whole row; the column becomes LONGTEXT without its check",
        "mend the documents if JSON is expected",
    ),
    rule(
        "MIG-KEY-COLLISION",
        "primary keys that are equal under the collation",
        "one of the rows could not come in",
        "utf8mb4_nopad_bin, or mend the rows",
    ),
    rule(
        "MIG-KEY-LENGTH",
        "a primary key longer than InnoDB's 3072 bytes",
        "the table could not be made",
        "shorter values, or shorter types in [migrate.types]",
    ),
    rule(
        "MIG-KEY-NARROWED",
        "a text in a key, declared longer than InnoDB's 3072 bytes",
        "its values are short, so its type becomes as long as a key may be",
        "nothing; or another type in [migrate.types]",
    ),
    rule(
        "MIG-KEY-NONE",
        "a table without primary key",
        "it is copied by row number and compared without an order, which is slower",
        "give it a primary key",
    ),
    rule(
        "MIG-KEY-NULL",
        "NULL in a primary key",
        "SQLite takes it, no other database does",
        "give those rows a key; or quarantine; or accept, and it becomes a unique key, which takes NULL",
    ).offering(ASIDE_OR_ACCEPT),
    rule(
        "MIG-NAME",
        "a name that MariaDB does not take",
        "too long, also as a file's name, ending in a space, outside of the basic plane, or equal but for case",
        "rename it in the source",
    ),
    rule(
        "MIG-NAME-CASE",
        "names of tables in upper case, on a server that folds them",
        "the application would not find its tables by their names",
        "lower_case_table_names = 0, set before the server's first start",
    ),
    rule(
        "MIG-NAME-RESERVED",
        "names that MariaDB reserves",
        "golive quotes every name; the application has to, too",
        "see that the application quotes them",
    ),
    rule(
        "MIG-NULL-REFUSED",
        "NULL, which a conversion makes, in a column that refuses it",
        "the rows could not come in",
        "quarantine instead of convert:null; or let the column take NULL in the source",
    ),
    rule(
        "MIG-PACKET",
        "a value larger than the server's packets",
        "functions answer NULL for it, and nobody can write it again, a restored dump included",
        "SET GLOBAL max_allowed_packet higher",
    ),
    rule(
        "MIG-POLICY-UNUSED",
        "a policy that speaks of nothing",
        "it may be misspelt, and what it was meant for undecided",
        "correct it or take it out",
    ),
    rule(
        "MIG-POOL-CONNECTIONS",
        "pools that want more connections than the server has",
        "instances would fail under load",
        "a smaller DATABASE_POOL_SIZE, or max_connections higher",
    ),
    rule(
        "MIG-POOL-RECYCLE",
        "connections kept longer than the server keeps them",
        "a request would be given a dead connection",
        "DATABASE_POOL_RECYCLE below wait_timeout",
    ),
    rule(
        "MIG-PRAGMA",
        "the application's own numbers in the file's header",
        "user_version and application_id have no place in MariaDB",
        "see that the application keeps its schema's version in a table, or does without it",
    ),
    rule(
        "MIG-REAL-INFINITE",
        "infinite numbers",
        "MariaDB cannot hold them, and would store 1.8e308 or 0",
        "a bound or NULL in the source; or convert:null, or quarantine",
    ).offering(&[Quarantine, Convert(Conversion::Null), Stop]),
    rule(
        "MIG-REAL-INTEGER",
        "integers beyond 2^53 in a real column",
        "a DOUBLE would lose their last digits",
        "the DECIMAL that the finding names in [migrate.types]; or convert:text, or quarantine",
    ).offering(&[Quarantine, Convert(Conversion::Text), Stop]),
    rule("MIG-REAL-ZERO", "negative zero", "it becomes zero", NOTHING),
    rule(
        "MIG-ROW-SIZE",
        "a row longer than MariaDB's 65,535 bytes, or than half of InnoDB's page",
        "its widest columns become LONGTEXT or LONGBLOB, or long enough to be kept outside of the page; else it blocks, as do rows \
         of very many short texts, which InnoDB refuses one by one",
        "nothing; divide the table where it blocks",
    ),
    rule("MIG-SCHEMA-COLUMN", "a column that the target's table lacks", "its values would be lost", SCHEMA),
    rule(
        "MIG-SCHEMA-EXTRA",
        "a table or column that only the target has",
        "it keeps its default; without one no row can come in",
        SCHEMA,
    ),
    rule("MIG-SCHEMA-FK", "a foreign key that the target lacks", "nobody enforces it there", SCHEMA),
    rule("MIG-SCHEMA-NULL", "NULL for a column that refuses it", "the rows could not come in", SCHEMA),
    rule(
        "MIG-SCHEMA-ROWS",
        "a table of the target that holds rows already",
        "rows would mix with others",
        "empty it, or exclude it",
    ),
    rule("MIG-SCHEMA-TABLE", "a table that the target lacks", "its rows would be lost", SCHEMA),
    rule(
        "MIG-SCHEMA-TYPE",
        "a column of a type that cannot be filled and proven",
        "spatial types, BIT, SET and alike",
        SCHEMA,
    ),
    rule(
        "MIG-SEQUENCE",
        "numbers given by AUTOINCREMENT",
        "MariaDB goes on after the highest ever given, also of deleted rows",
        NOTHING,
    ),
    rule(
        "MIG-SOURCE-WAL",
        "a source in write-ahead-log mode",
        "a writer may work beside the copy",
        "stop the application before the last copy",
    ),
    rule(
        "MIG-SOURCE-WRITER",
        "somebody has the source open for writing",
        "rows written later are not in the target; a run works from a frozen copy of one state",
        "stop the application before the last copy",
    ),
    rule("MIG-STRICT", "a STRICT table", "MariaDB's types are as strict", NOTHING),
    rule(
        "MIG-TARGET-INFILE",
        "LOAD DATA LOCAL is switched off",
        "rows go by INSERT, which takes about half as long again",
        "nothing; or SET GLOBAL local_infile = 1 meanwhile",
    ),
    rule(
        "MIG-TARGET-NOT-EMPTY",
        "a target that is in use",
        "tables of others would be in the way",
        "an empty database; or schema = \"target\" for the application's own tables",
    ),
    rule("MIG-TEXT-EMPTY", "empty texts beside NULL", "both are kept apart, as in SQLite", NOTHING),
    rule(
        "MIG-TEXT-LENGTH",
        "text longer than declared",
        "the column is widened, so that nothing is cut",
        "nothing; or convert:truncate to the declared length",
    ).offering(&[Convert(Conversion::Truncate), Stop]),
    rule(
        "MIG-TEXT-NUL",
        "text with a NUL character",
        "it is kept; other programs may end there",
        "check that the application copes",
    ),
    rule("MIG-TEXT-NUMBER", "numbers in a text column", "they become their decimal text", NOTHING),
    rule(
        "MIG-TEXT-UTF8",
        "bytes that are no UTF-8",
        "MariaDB would store question marks",
        "mend the rows; or LONGBLOB; or convert:lossy-utf8, or quarantine",
    ).offering(&[Quarantine, Convert(Conversion::LossyUtf8), Stop]),
    rule("MIG-TIME-FORMAT", "no time of day", "MariaDB would store 00:00:00", ROWS).offering(ROW_POLICIES),
    rule(
        "MIG-TIMESTAMP-RANGE",
        "beyond what a TIMESTAMP holds",
        "it ends on 2038-01-19",
        "DATETIME(6); or quarantine",
    ).offering(ASIDE),
    rule("MIG-TRIGGER", "a trigger", "the two languages differ too much to carry it", BY_HAND).offering(STOP),
    rule(
        "MIG-TYPE-DIFFERS",
        "a column that holds another kind than declared, or a date that holds times of day",
        "it takes the type of what is there",
        NOTHING,
    ),
    rule(
        "MIG-TYPE-MIXED",
        "values of several kinds in one column",
        "no type holds them all unchanged but LONGTEXT",
        ROWS,
    ).offering(ROW_POLICIES),
    rule(
        "MIG-TYPE-NARROW",
        "values that the chosen type cannot hold",
        "MariaDB would cut or round them",
        "a wider type in [migrate.types] or in the application's migrations",
    ),
    rule(
        "MIG-UNIQUE-COLLISION",
        "unique values that are equal under the collation",
        "the key could not be made; other tools drop it, or the rows",
        "utf8mb4_nopad_bin; mend the rows; or quarantine; or accept, and the key is not unique",
    ).offering(ASIDE_OR_ACCEPT),
    rule(
        "MIG-VIEW",
        "a view without an equal",
        "it is not carried, since it would show something else",
        BY_HAND,
    ).offering(STOP),
    rule(
        "MIG-VIRTUAL",
        "a virtual table (full-text, R-tree and alike)",
        "its content is an index of SQLite's own",
        "build it anew in MariaDB (FULLTEXT, SPATIAL)",
    ),
    rule(
        "MIG-WITHOUT-ROWID",
        "a WITHOUT ROWID table",
        "InnoDB keeps every table by its primary key",
        NOTHING,
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn ids_in(folder: &Path, ids: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                ids_in(&path, ids);
            } else if !path.ends_with("rules.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let parts = text.split("\"MIG-").skip(1);
                ids.extend(
                    parts.filter_map(|part| part.split(['"', ':', ' ']).next()).map(|id| format!("MIG-{id}")),
                );
            }
        }
    }

    #[test]
    fn what_a_remedy_names_is_offered_and_nothing_else() {
        for rule in RULES.iter().filter(|rule| rule.id != "MIG-NULL-REFUSED") {
            let named = |word: &str| rule.remedy.contains(word);
            assert_eq!(named("quarantine"), rule.offers.contains(&Quarantine), "{}", rule.id);
            assert_eq!(named("accept"), rule.offers.contains(&Accept), "{}", rule.id);
            let converts = || rule.offers.iter().filter(|offer| matches!(offer, Convert(_)));
            assert_eq!(named("convert:"), converts().count() > 0, "{}", rule.id);
            if !named("convert:NAME") {
                for (name, conversion) in NAMES {
                    let is_named =
                        rule.remedy.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|w| w == name);
                    assert!(is_named || !rule.offers.contains(&Convert(conversion)), "{}: {name}", rule.id);
                }
            }
            // Whoever can decide anything can decide that it must not be.
            assert!(rule.offers.is_empty() || rule.offers.last() == Some(&Stop), "{}", rule.id);
        }
    }

    #[test]
    fn nothing_is_offered_where_another_findings_policy_settles_it() {
        // It comes of a conversion: what to decide otherwise is that.
        assert!(offers("MIG-NULL-REFUSED").is_empty());
        // The word "stop" in a remedy need not be the policy.
        assert!(offers("MIG-SOURCE-WAL").is_empty());
        assert_eq!(offers("MIG-BOOL-VALUE").len(), 16, "quarantine, every conversion, stop");
        assert!(offers("MIG-X").is_empty());
    }

    #[test]
    fn every_finding_is_explained_and_every_explanation_is_of_one() {
        let mut made = BTreeSet::new();
        ids_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut made);
        // An id that only the policies' own tests know.
        made.remove("MIG-X");
        let explained: BTreeSet<String> = RULES.iter().map(|rule| rule.id.to_owned()).collect();
        assert_eq!(made, explained);
        assert!(RULES.is_sorted_by_key(|rule| rule.id));
    }
}
