//! Decisions as lines of `[migrate.policy]`: everything else in the file stays as it is, comments too.
//!
//! Not here: whether a decision settles anything. The survey with it says so, before it is written.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use golive_migrate::Policy;
use thiserror::Error;
use toml_edit::{DocumentMut, Item, Table, value};

use super::super::config::{Config, ReadConfigError};

/// Decisions that are not written yet.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Decision {
    /// What they change in the file, with a few lines around.
    pub diff: Vec<DiffLine>,
    /// What golive.toml says with them.
    pub config: Config,
    path: PathBuf,
    before: String,
    after: String,
}

/// A line of the difference.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiffLine {
    /// Stays.
    Same(String),
    /// Is taken out.
    Removed(String),
    /// Comes in.
    Added(String),
}

/// Why nothing was decided, or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecideError {
    /// The file cannot be read or written.
    #[error("write the decisions into {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is not TOML, or would not be golive's any more.
    #[error("put the decisions into golive.toml")]
    Invalid(#[source] Box<ReadConfigError>),
    /// The file writes this section in a way that leaves no room for a line.
    #[error("put the decisions into golive.toml: write [migrate.policy] there as a section of its own")]
    NoRoom,
    /// Somebody else wrote it in the meantime.
    #[error("write the decisions into {path}: it is not the file any more that was shown; look at the difference again", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// What `golive.toml` would be with these policies, by selector; no policy takes the line of a selector out. Nothing is written.
///
/// # Errors
/// When the file cannot be read, or would not be one of golive's with them.
pub fn decide(path: &Path, policies: &BTreeMap<String, Option<Policy>>) -> Result<Decision, DecideError> {
    let unreadable = |source| DecideError::File { path: path.to_owned(), source };
    // A link stays one: what it points at is written.
    let path = std::fs::canonicalize(path).map_err(unreadable)?;
    let before = read(&path).map_err(unreadable)?;
    let mut document: DocumentMut = match before.parse() {
        Ok(document) => document,
        // The reader of the file says where and why, as everywhere.
        Err(_) => return Err(Config::read(&path).err().map_or(DecideError::NoRoom, invalid)),
    };
    put(&mut document, policies).ok_or(DecideError::NoRoom)?;
    let after = document.to_string();
    let config = Config::of_text(&path, &after).map_err(invalid)?;
    let taken =
        policies.iter().all(|(selector, policy)| config.migrate.policy.0.get(selector) == policy.as_ref());
    if !taken {
        return Err(DecideError::NoRoom);
    }
    let diff = difference(&before, &after);
    Ok(Decision { diff, config, path, before, after })
}

fn invalid(source: ReadConfigError) -> DecideError {
    DecideError::Invalid(Box::new(source))
}

fn put(document: &mut DocumentMut, policies: &BTreeMap<String, Option<Policy>>) -> Option<()> {
    let implicit = || {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    };
    let migrate = document.entry("migrate").or_insert_with(implicit).as_table_like_mut()?;
    let lines = migrate.entry("policy").or_insert_with(|| Item::Table(Table::new())).as_table_like_mut()?;
    for (selector, policy) in policies {
        match policy {
            Some(policy) => {
                lines.insert(selector, value(policy.to_string()));
            }
            None => {
                lines.remove(selector);
            }
        }
    }
    Some(())
}

impl Decision {
    /// Whether there is anything to write.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.before != self.after
    }

    /// Writes the file, whole or not at all, with the rights that it had.
    ///
    /// # Errors
    /// When it is not the file any more that the difference was shown of, or cannot be written.
    pub fn write(&self) -> Result<(), DecideError> {
        let failed = |source| DecideError::File { path: self.path.clone(), source };
        if read(&self.path).map_err(failed)? != self.before {
            return Err(DecideError::Changed { path: self.path.clone() });
        }
        let rights = std::fs::metadata(&self.path).map_err(failed)?.permissions();
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(self.after.as_bytes()).map_err(failed)?;
        file.as_file().set_permissions(rights).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&self.path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is longer than 1 MiB"));
    }
    Ok(text)
}

fn difference(before: &str, after: &str) -> Vec<DiffLine> {
    let changes = similar::TextDiff::from_lines(before, after);
    let groups = changes.grouped_ops(LINES_AROUND);
    let all = groups.iter().flatten().flat_map(|change| changes.iter_changes(change));
    all.map(|change| {
        let line = change.value().trim_end_matches(['\r', '\n']).to_owned();
        match change.tag() {
            similar::ChangeTag::Equal => DiffLine::Same(line),
            similar::ChangeTag::Delete => DiffLine::Removed(line),
            similar::ChangeTag::Insert => DiffLine::Added(line),
        }
    })
    .collect()
}

const LINES_AROUND: usize = 2;
const MOST_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const FILE: &str =
        "# ours\n[application]\nname = \"ledger\" # kept\n\n[migrate]\naccept = []\n\n[load]\n";

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("golive.toml");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn choice(policy: Option<Policy>) -> BTreeMap<String, Option<Policy>> {
        BTreeMap::from([("MIG-FK-ORPHAN:orders.customer".to_owned(), policy)])
    }

    #[test]
    fn a_decision_is_one_line_and_all_else_stays_as_it_was() {
        let text = FILE.replace("[load]\n", "");
        let (_folder, path) = written(&text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let decision = decide(&path, &choice(Some(Policy::Quarantine))).unwrap();
        let added: Vec<&DiffLine> = decision
            .diff
            .iter()
            .filter(|line| matches!(line, DiffLine::Added(text) if !text.is_empty()))
            .collect();
        assert_eq!(
            added,
            [
                &DiffLine::Added("[migrate.policy]".to_owned()),
                &DiffLine::Added("\"MIG-FK-ORPHAN:orders.customer\" = \"quarantine\"".to_owned())
            ]
        );
        assert!(
            !decision.diff.iter().any(|line| matches!(line, DiffLine::Removed(_))),
            "{:?}",
            decision.diff
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "nothing is written yet");
        decision.write().unwrap();
        let config = Config::read(&path).unwrap();
        assert_eq!(config.migrate.policy.0.len(), 1);
        assert!(
            std::fs::read_to_string(&path)
                .unwrap()
                .starts_with("# ours\n[application]\nname = \"ledger\" # kept\n")
        );
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);

        let other = decide(&path, &choice(Some(Policy::Accept))).unwrap();
        assert!(other.diff.iter().any(|line| matches!(line, DiffLine::Removed(_))));
        let none = decide(&path, &choice(None)).unwrap();
        none.write().unwrap();
        assert_eq!(Config::read(&path).unwrap().migrate.policy.0.len(), 0);
        assert!(matches!(other.write(), Err(DecideError::Changed { .. })), "the file is another by now");
        assert!(!decide(&path, &choice(None)).unwrap().changes());
    }

    #[test]
    fn a_file_that_is_not_golives_is_not_touched_and_a_section_on_one_line_takes_it_too() {
        let (_folder, path) = written(FILE);
        let error = decide(&path, &choice(Some(Policy::Stop))).unwrap_err();
        assert!(matches!(error, DecideError::Invalid(_)), "[load] lacks what it needs: {error}");
        for text in ["[application\n", "migrate = 1\n[application]\nname = \"x\"\n"] {
            std::fs::write(&path, text).unwrap();
            assert!(decide(&path, &choice(Some(Policy::Stop))).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        std::fs::write(&path, "migrate = { accept = [] }\n[application]\nname = \"x\"\n").unwrap();
        decide(&path, &choice(Some(Policy::Stop))).unwrap().write().unwrap();
        assert_eq!(Config::read(&path).unwrap().migrate.policy.0.len(), 1);
    }
}
