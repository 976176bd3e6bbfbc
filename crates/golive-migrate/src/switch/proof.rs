//! Whether the application follows the provider state: judged from what it says itself, or from what the server and the
//! operating system show. Pure: asking and looking are done elsewhere. What is not known never passes.

use serde::Serialize;

/// What the application was seen to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DatabaseInUse {
    /// The MariaDB that was switched to.
    Mariadb,
    /// Something else, or still the SQLite file.
    Other,
    /// Nothing was seen that tells.
    Unknown,
}

/// What was seen, and what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SwitchProof {
    /// What the application uses.
    pub uses: DatabaseInUse,
    /// What was seen, as sentences.
    pub seen: Vec<String>,
}

impl SwitchProof {
    pub(super) fn new(uses: DatabaseInUse, seen: impl Into<String>) -> Self {
        Self { uses, seen: vec![seen.into()] }
    }

    /// Whether it proves the switch.
    pub fn passes(&self) -> bool {
        self.uses == DatabaseInUse::Mariadb
    }

    /// Both together: one that says otherwise outweighs, and two that do not know do not make one that knows.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.uses = match (self.uses, other.uses) {
            (DatabaseInUse::Other, _) | (_, DatabaseInUse::Other) => DatabaseInUse::Other,
            (DatabaseInUse::Mariadb, _) | (_, DatabaseInUse::Mariadb) => DatabaseInUse::Mariadb,
            _ => DatabaseInUse::Unknown,
        };
        self.seen.extend(other.seen);
        self
    }
}

/// What in an application's answer tells its database.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ApplicationQuestion {
    /// A JSON pointer (RFC 6901) to the value that tells it, such as `/database/engine`; without one the whole body is
    /// looked at.
    pub pointer: Option<String>,
    /// Texts that must all be there, without regard to case.
    pub expected: Vec<String>,
}

impl ApplicationQuestion {
    /// The answer must name MariaDB (as `mariadb` or `mysql`) and this database.
    pub fn new(database: &str) -> Self {
        Self { pointer: None, expected: vec!["mariadb|mysql".to_owned(), database.to_owned()] }
    }
}

/// Judges what the application answered. `Err` is why there is no answer, which proves nothing.
///
/// ```
/// use golive_migrate::{ApplicationQuestion, judge_answer};
///
/// let question = ApplicationQuestion::new("prod");
/// assert!(judge_answer(&question, Ok(r#"{"database": "MariaDB 10.11 at db:3306/prod"}"#)).passes());
/// assert!(!judge_answer(&question, Ok(r#"{"database": "sqlite:app.db"}"#)).passes());
/// assert!(!judge_answer(&question, Err("it answered 503")).passes());
/// ```
pub fn judge_answer(question: &ApplicationQuestion, answer: Result<&str, &str>) -> SwitchProof {
    let body = match answer {
        Ok(body) => body,
        Err(why) => {
            return SwitchProof::new(
                DatabaseInUse::Unknown,
                format!("the application gave no answer: {why}"),
            );
        }
    };
    let told = match &question.pointer {
        None => body.to_owned(),
        Some(pointer) => {
            let value = serde_json::from_str::<serde_json::Value>(body).ok();
            match value.as_ref().and_then(|value| value.pointer(pointer)) {
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => {
                    let seen = format!("the application's answer has nothing at {pointer}");
                    return SwitchProof::new(DatabaseInUse::Unknown, seen);
                }
            }
        }
    };
    let told = told.to_lowercase();
    let is_there =
        |text: &String| text.split('|').any(|one| !one.is_empty() && told.contains(&one.to_lowercase()));
    match question.expected.iter().find(|text| !is_there(text)) {
        // An empty expectation would pass whatever is answered.
        None if question.expected.is_empty() => {
            SwitchProof::new(DatabaseInUse::Unknown, "nothing was expected of the application's answer")
        }
        None => {
            let expected: Vec<String> = question.expected.iter().map(|text| either(text)).collect();
            SwitchProof::new(DatabaseInUse::Mariadb, format!("its answer names {}", expected.join(" and ")))
        }
        Some(missing) => {
            let place = question.pointer.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
            SwitchProof::new(
                DatabaseInUse::Other,
                format!("its answer does not name {}{place}", either(missing)),
            )
        }
    }
}

/// An expectation in words.
fn either(text: &str) -> String {
    let one: Vec<String> = text.split('|').map(|one| format!("`{one}`")).collect();
    one.join(" or ")
}

/// Judges what server and operating system show. `sqlite_holders` is `None` where it could not be looked at.
pub fn judge_observation(
    connections: u64,
    sqlite_holders: Option<&[String]>,
    unreadable_processes: u64,
) -> SwitchProof {
    let mut seen = vec![format!("open connections on the target, other than golive's own: {connections}")];
    match sqlite_holders {
        None => seen.push("open files of processes cannot be looked at here".to_owned()),
        Some([]) => seen.push("no process that could be looked at holds the SQLite file open".to_owned()),
        Some(holders) => seen.push(format!("the SQLite file is held open by {}", holders.join(", "))),
    }
    if unreadable_processes > 0 {
        seen.push(format!("{unreadable_processes} processes could not be looked at: run golive as root"));
    }
    let uses = match (connections, sqlite_holders) {
        (_, Some([_, ..])) => DatabaseInUse::Other,
        (1.., Some([])) if unreadable_processes == 0 => DatabaseInUse::Mariadb,
        _ => DatabaseInUse::Unknown,
    };
    SwitchProof { uses, seen }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_never_passes() {
        let question = ApplicationQuestion::new("prod");
        let uses = |answer| judge_answer(&question, answer).uses;
        assert_eq!(uses(Err("timed out")), DatabaseInUse::Unknown);
        assert_eq!(uses(Ok("mysql://db/prod")), DatabaseInUse::Mariadb);
        assert_eq!(uses(Ok("mysql://db/other")), DatabaseInUse::Other);
        assert_eq!(uses(Ok("")), DatabaseInUse::Other);
        let mut pointed = ApplicationQuestion::new("prod");
        pointed.pointer = Some("/db".to_owned());
        assert_eq!(judge_answer(&pointed, Ok("mariadb prod")).uses, DatabaseInUse::Unknown);
        assert_eq!(judge_answer(&pointed, Ok(r#"{"db": "MariaDB prod"}"#)).uses, DatabaseInUse::Mariadb);
        assert_eq!(
            judge_answer(&pointed, Ok(r#"{"db": "sqlite", "x": "mariadb prod"}"#)).uses,
            DatabaseInUse::Other
        );
        pointed.expected.clear();
        assert_eq!(judge_answer(&pointed, Ok(r#"{"db": ""}"#)).uses, DatabaseInUse::Unknown);

        let holder = ["python3 (1)".to_owned()];
        assert_eq!(judge_observation(0, Some(&[]), 0).uses, DatabaseInUse::Unknown);
        assert_eq!(judge_observation(3, None, 0).uses, DatabaseInUse::Unknown);
        assert_eq!(judge_observation(3, Some(&[]), 2).uses, DatabaseInUse::Unknown);
        assert_eq!(judge_observation(3, Some(&holder), 0).uses, DatabaseInUse::Other);
        assert_eq!(judge_observation(3, Some(&[]), 0).uses, DatabaseInUse::Mariadb);
        let says = judge_answer(&question, Ok("mariadb prod"));
        assert!(!says.clone().and(judge_observation(3, Some(&holder), 0)).passes());
        assert!(says.and(judge_observation(0, None, 0)).passes());
    }
}
