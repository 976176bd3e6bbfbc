//! What makes several requests one journey: steps in order, values taken from answers, a sign-in, data to feed on.
//!
//! What must not be here: sending. Data files are read here, before a run, and bounded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::check::Expect;
use crate::plan::{RequestTemplate, seconds};

/// What a user does after the scenario's first request, with what that answered.
///
/// A journey ends early where an answer is not what is expected: what follows depends on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct JourneyStep {
    /// What is sent.
    pub request: RequestTemplate,
    /// What must come back.
    #[serde(default)]
    pub expect: Expect,
    /// Values for the placeholders of later steps.
    #[serde(default)]
    pub extract: BTreeMap<String, Extract>,
    /// The pause before it, in seconds in a file; varied by half around it.
    #[serde(default, rename = "think_seconds", with = "seconds")]
    pub think_time: Duration,
    /// Names for thresholds that hold for steps of several scenarios.
    #[serde(default)]
    pub tags: Vec<String>,
}

impl JourneyStep {
    /// `request` at once, expecting 200.
    #[must_use]
    pub fn new(request: RequestTemplate) -> Self {
        Self {
            request,
            expect: Expect::default(),
            extract: BTreeMap::new(),
            think_time: Duration::ZERO,
            tags: Vec::new(),
        }
    }
}

/// Where in an answer a value stands. A value that is not there is wrong content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Extract {
    /// A JSON pointer (RFC 6901) to a string, number or boolean, in which `*` stands for any item of a list: `/items/*/id`.
    Json(String),
    /// A header.
    Header(String),
    /// The text between two others, for pages: the first such place.
    Between {
        /// What stands before it.
        after: String,
        /// What stands after it.
        before: String,
    },
}

/// How each user signs in: once at its start, again shortly before its token ends, and again when an answer is 401.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SignIn {
    /// What is sent; a [`FeedOrder::PerUser`] feeder gives each user its own name and password.
    pub request: RequestTemplate,
    /// What must come back.
    #[serde(default)]
    pub expect: Expect,
    /// Where the bearer token stands; without it the session is a cookie.
    #[serde(default)]
    pub token: Option<Extract>,
    /// Where it stands how many seconds the token lives.
    #[serde(default)]
    pub expires_in: Option<Extract>,
    /// How many seconds it lives where the answer does not say.
    #[serde(default)]
    pub lifetime_seconds: Option<u64>,
    /// Further values for the placeholders of every step.
    #[serde(default)]
    pub extract: BTreeMap<String, Extract>,
    /// A user that needs more sign-ins than this, failed ones among them, stops.
    #[serde(default = "twenty")]
    pub at_most: u32,
}

impl SignIn {
    /// Signs in by `request` and finds the token at `token`.
    #[must_use]
    pub fn new(request: RequestTemplate, token: Option<Extract>) -> Self {
        Self {
            request,
            expect: Expect::default(),
            token,
            expires_in: None,
            lifetime_seconds: None,
            extract: BTreeMap::new(),
            at_most: twenty(),
        }
    }
}

/// A CSV table whose columns fill placeholders of their names, a row an iteration.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Feeder {
    /// The file; relative ones count from the working directory unless [`Feeder::locate`] is called.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The table itself, instead of a file.
    #[serde(default)]
    pub csv: Option<String>,
    /// Which row when.
    #[serde(default)]
    pub order: FeedOrder,
}

/// Which row of a [`Feeder`] is next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FeedOrder {
    /// The next one, over all users, and from the first again after the last.
    #[default]
    Sequential,
    /// Any; the plan's seed makes it repeatable.
    Random,
    /// The same for all iterations of a user, another for each user while there are enough.
    PerUser,
}

// Tables hold accounts' passwords.
impl std::fmt::Debug for Feeder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feeder").field("file", &self.file).field("order", &self.order).finish_non_exhaustive()
    }
}

impl Feeder {
    /// A table given as text, its first line the names of its columns.
    #[must_use]
    pub fn csv(text: impl Into<String>, order: FeedOrder) -> Self {
        Self { file: None, csv: Some(text.into()), order }
    }

    /// A relative file is one of `directory`.
    pub fn locate(&mut self, directory: &Path) {
        if let Some(file) = &mut self.file {
            *file = directory.join(&*file);
        }
    }

    /// Reads the file, so that the plan holds its text. `Err` says what is wrong.
    pub(crate) fn embed(&mut self) -> Result<(), String> {
        let Some(file) = &self.file else { return Ok(()) };
        let told = |why: String| format!("read the data in {}: {why}", file.display());
        let length = std::fs::metadata(file).map_err(|error| told(error.to_string()))?.len();
        if length > MAX_BYTES as u64 {
            return Err(told(format!("it is larger than {MAX_BYTES} bytes")));
        }
        self.csv = Some(std::fs::read_to_string(file).map_err(|error| told(error.to_string()))?);
        self.file = None;
        Ok(())
    }

    /// `Err` says what is wrong, never what a cell holds.
    pub(crate) fn table(&self) -> Result<Table, String> {
        let mut whole = self.clone();
        whole.embed()?;
        let text = whole.csv.as_deref().ok_or("a feeder needs `file` or `csv`")?;
        if text.len() > MAX_BYTES {
            return Err(format!("the data is larger than {MAX_BYTES} bytes"));
        }
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(text.as_bytes());
        let head = reader.headers().map_err(|_| "the data's first line is no CSV")?;
        let columns: Vec<String> =
            head.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
        if let Some(name) = columns.iter().find(|name| !crate::template::is_name(name)) {
            return Err(format!("name the column `{name}` with small letters, digits, `_` and `-` only"));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|_| {
                format!("row {} of the data has not as many cells as the first line", rows.len() + 1)
            })?;
            rows.push(record);
            if rows.len() > MAX_ROWS {
                return Err(format!("the data has more than {MAX_ROWS} rows"));
            }
        }
        match rows.is_empty() {
            true => Err("the data has no row".to_owned()),
            false => Ok(Table { columns, rows, order: self.order }),
        }
    }
}

/// A feeder's data.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<String>,
    rows: Vec<csv::StringRecord>,
    pub(crate) order: FeedOrder,
}

impl Table {
    pub(crate) fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    pub(crate) fn cell(&self, row: usize, column: &str) -> Option<&str> {
        let at = self.columns.iter().position(|name| name == column)?;
        self.rows.get(row)?.get(at)
    }

    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }
}

fn twenty() -> u32 {
    20
}

const MAX_BYTES: usize = 16 * 1024 * 1024;
const MAX_ROWS: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Result<Table, String> {
        Feeder::csv(text, FeedOrder::Sequential).table()
    }

    #[test]
    fn cells_are_found_by_column() {
        let table = table("\u{feff}user, code\nann,\"a,b\"\nbob,2\n").unwrap();
        assert_eq!(
            (table.rows(), table.cell(0, "code"), table.cell(1, "user")),
            (2, Some("a,b"), Some("bob"))
        );
        assert_eq!((table.cell(0, "other"), table.cell(2, "user")), (None, None));
    }

    #[test]
    fn what_cannot_feed_says_why_and_shows_no_cell() {
        for (text, why) in [
            ("", "no row"),
            ("user\n", "no row"),
            ("User Name\nx\n", "small letters"),
            ("a,b\nsecret\n", "row 1"),
        ] {
            let found = table(text).unwrap_err();
            assert!(found.contains(why) && !found.contains("secret"), "{text:?}: {found}");
        }
        let missing = Feeder { file: Some("/nowhere/users.csv".into()), ..Feeder::default() };
        assert!(missing.table().unwrap_err().contains("/nowhere/users.csv"));
        assert!(Feeder::default().table().unwrap_err().contains("`file` or `csv`"));
        assert!(!format!("{:?}", Feeder::csv("secret", FeedOrder::Random)).contains("secret"));
    }
}
