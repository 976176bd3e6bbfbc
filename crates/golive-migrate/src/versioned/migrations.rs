//! The migrations as somebody wrote them: a folder of SQL files, or an application's own `MigratorTrait`. Reading and
//! checking them; no server is talked to here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sea_orm_migration::{MigrationTrait, MigratorTrait};

use super::capture;
use super::finding::{CHECKSUM, DUPLICATE, VersionedFinding};
use super::split::{self, Piece};
use super::statement;

/// Migrations in the order in which they are applied.
///
/// ```no_run
/// use golive_migrate::Migrations;
/// # async fn demo<Migrator: sea_orm_migration::MigratorTrait>() -> Result<(), golive_migrate::ReadMigrationsError> {
/// let of_files = Migrations::read("migrations".as_ref())?; // 0001_users.up.sql, 0001_users.down.sql, …
/// let of_an_application = Migrations::of::<Migrator>().await;
/// assert!(!of_files.is_empty() && !of_an_application.is_empty());
/// # Ok(()) }
/// ```
pub struct Migrations {
    pub(crate) items: Vec<Item>,
    /// Rust migrations, or files.
    pub(crate) kind: SourceKind,
    /// Found while reading.
    pub(crate) findings: Vec<VersionedFinding>,
}

/// Where migrations come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceKind {
    Files(PathBuf),
    /// The table in which sea-orm-migration keeps its own books.
    Rust {
        books: String,
    },
}

/// One migration.
pub(crate) struct Item {
    /// The name under which it is recorded: the file's stem, or the name that the Rust code gives.
    pub(crate) name: String,
    /// None when it does something else each time it is run.
    pub(crate) checksum: Option<String>,
    pub(crate) has_down: bool,
    pub(crate) work: Work,
}

/// What a migration does.
pub(crate) enum Work {
    Files { up: Vec<Piece>, down: Option<Vec<Piece>> },
    Rust(Box<dyn MigrationTrait>),
}

/// Why migrations could not be read. Nothing was run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadMigrationsError {
    /// The folder or a file cannot be read.
    #[error("read {path}; give the folder of the migrations, `golive schema new NAME` makes the first", path = path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file's name says no version.
    #[error("take {path} for a migration: its name must be like 0001_add_users.up.sql or 0001_add_users.down.sql", path = path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// A down file stands alone.
    #[error("find the up file of {path}: write it, or remove the down file", path = path.display())]
    DownAlone {
        /// The file.
        path: PathBuf,
    },
    /// The text cannot be split into statements, or a statement cannot stand in a migration.
    #[error("read {path} at line {line}: {what}", path = path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// More than anybody has.
    #[error("read {path}: it is larger than {limit} bytes; load data by another way than a migration", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
}

/// One statement must fit a packet, and a file the memory of a small machine.
const FILE_LIMIT_BYTES: u64 = 64 << 20;

impl Migrations {
    /// Reads a folder of `NNNN_name.up.sql` and `NNNN_name.down.sql`; other files are left alone. A down file may be
    /// missing.
    ///
    /// # Errors
    /// When a file cannot be read, or holds what cannot stand in a migration.
    pub fn read(directory: &Path) -> Result<Self, ReadMigrationsError> {
        let mut files: BTreeMap<(u64, String), Pair> = BTreeMap::new();
        for path in sql_files(directory)? {
            let (version, name, is_up) =
                file_name(&path).ok_or_else(|| ReadMigrationsError::Name { path: path.clone() })?;
            let pair = files.entry((version, name)).or_default();
            *(if is_up { &mut pair.up } else { &mut pair.down }) = Some(path);
        }
        let mut items = Vec::with_capacity(files.len());
        let mut findings = Vec::new();
        let mut last: Option<(u64, String)> = None;
        for ((version, name), pair) in files {
            if let Some((_, other)) = last.filter(|(before, _)| *before == version) {
                findings.push(VersionedFinding::new(
                    &DUPLICATE,
                    &name,
                    format!("`{other}` has the same version"),
                ));
            }
            last = Some((version, name.clone()));
            items.push(item(name, pair)?);
        }
        Ok(Self { items, kind: SourceKind::Files(directory.to_owned()), findings })
    }

    /// The migrations of an application's own migrator. Their checksums are taken from the statements that they hand to a
    /// connection which only records; nothing is run. One that writes the time of day to the second may come to the same
    /// checksum now and to another tomorrow: let the database fill in such values.
    pub async fn of<M: MigratorTrait>() -> Self {
        let mut items: Vec<Item> = Vec::new();
        let mut findings = Vec::new();
        for migration in M::migrations() {
            let name = migration.name().to_owned();
            if items.iter().any(|item| item.name == name) {
                findings.push(VersionedFinding::new(
                    &DUPLICATE,
                    &name,
                    "two migrations of the migrator have this name",
                ));
                continue;
            }
            let checksum = capture::checksum(migration.as_ref()).await;
            if checksum.is_none() {
                findings.push(VersionedFinding::new(
                    &CHECKSUM,
                    &name,
                    "it hands over other statements each time",
                ));
            }
            let has_down = capture::has_down(migration.as_ref()).await;
            items.push(Item { name, checksum, has_down, work: Work::Rust(migration) });
        }
        let books = M::migration_table_name().to_string();
        Self { items, kind: SourceKind::Rust { books }, findings }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|item| item.name.as_str())
    }

    /// The name of the next migration in this folder: the highest version plus one, as wide as the others.
    pub fn next_name(&self, words: &str) -> String {
        let newest =
            self.items.iter().filter_map(|item| Some((version(&item.name)?, digits(&item.name)))).max();
        let (number, width) = newest.unwrap_or((0, 4));
        format!("{:0width$}_{}", number + 1, slug(words))
    }

    pub(crate) fn item(&self, name: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.name == name)
    }

    /// The table in which sea-orm-migration keeps its books, where these migrations have any part in it.
    pub(crate) fn books(&self) -> &str {
        match &self.kind {
            SourceKind::Rust { books } => books,
            SourceKind::Files(_) => "seaql_migrations",
        }
    }

    /// Whether this migration is one that sea-orm-migration may know: all of Rust, and files named as it names them.
    pub(crate) fn in_books(&self, name: &str) -> bool {
        matches!(self.kind, SourceKind::Rust { .. }) || name.starts_with('m')
    }
}

impl std::fmt::Debug for Migrations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.names().collect();
        f.debug_struct("Migrations").field("kind", &self.kind).field("names", &names).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Pair {
    up: Option<PathBuf>,
    down: Option<PathBuf>,
}

fn sql_files(directory: &Path) -> Result<Vec<PathBuf>, ReadMigrationsError> {
    let unreadable = |source| ReadMigrationsError::Unreadable { path: directory.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Version, stem and direction of `0001_users.up.sql`.
fn file_name(path: &Path) -> Option<(u64, String, bool)> {
    let name = path.file_name()?.to_str()?;
    let (stem, is_up) = match name.strip_suffix(".up.sql") {
        Some(stem) => (stem, true),
        None => (name.strip_suffix(".down.sql")?, false),
    };
    let plain = stem.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    (plain && stem.chars().count() <= 255).then_some((version(stem)?, stem.to_owned(), is_up))
}

/// The number in front of a name: `0001_users`, `20260105_users`, and `m20260105_000001_users` as sea-orm-migration has it.
pub(crate) fn version(stem: &str) -> Option<u64> {
    let (number, rest) = match stem.strip_prefix('m') {
        Some(rest) => {
            let (day, rest) = rest.split_once('_')?;
            let (time, rest) = rest.split_once('_')?;
            (format!("{day}{time}"), rest)
        }
        None => stem.split_once('_').map(|(number, rest)| (number.to_owned(), rest))?,
    };
    (!rest.is_empty() && number.chars().all(|c| c.is_ascii_digit())).then(|| number.parse().ok()).flatten()
}

fn digits(stem: &str) -> usize {
    stem.chars().take_while(char::is_ascii_digit).count().max(1)
}

/// A few words as a part of a file's name.
fn slug(words: &str) -> String {
    let parts: Vec<String> = words
        .split(|c: char| !c.is_alphanumeric())
        .filter(|part| !part.is_empty())
        .map(str::to_lowercase)
        .collect();
    if parts.is_empty() { "migration".to_owned() } else { parts.join("_").chars().take(120).collect() }
}

fn item(name: String, pair: Pair) -> Result<Item, ReadMigrationsError> {
    let Some(up) = pair.up else {
        return Err(ReadMigrationsError::DownAlone { path: pair.down.unwrap_or_default() });
    };
    let text = read(&up)?;
    let checksum = Some(blake3::hash(text.as_bytes()).to_hex().to_string());
    let up = statements(&up, &text)?;
    let down = match pair.down {
        Some(path) => Some(statements(&path, &read(&path)?)?),
        None => None,
    };
    Ok(Item { name, checksum, has_down: down.is_some(), work: Work::Files { up, down } })
}

fn read(path: &Path) -> Result<String, ReadMigrationsError> {
    let unreadable = |source| ReadMigrationsError::Unreadable { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_LIMIT_BYTES {
        return Err(ReadMigrationsError::TooLarge { path: path.to_owned(), limit: FILE_LIMIT_BYTES });
    }
    std::fs::read_to_string(path).map(|text| split::normalize(&text)).map_err(unreadable)
}

fn statements(path: &Path, text: &str) -> Result<Vec<Piece>, ReadMigrationsError> {
    let wrong =
        |line, what: &str| ReadMigrationsError::Text { path: path.to_owned(), line, what: what.to_owned() };
    let pieces = split::split(text).map_err(|error| wrong(error.line, error.what))?;
    for piece in &pieces {
        if let Some(what) = statement::refusal(&piece.sql) {
            return Err(wrong(piece.line, what));
        }
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn files_are_ordered_by_number_and_paired() {
        let folder = folder(&[
            ("10_b.up.sql", "SELECT 1;"),
            ("9_a.up.sql", "CREATE TABLE a (id INT);"),
            ("9_a.down.sql", "DROP TABLE a;"),
            ("README.md", "no migration"),
        ]);
        let read = Migrations::read(folder.path()).unwrap();
        assert_eq!(read.names().collect::<Vec<_>>(), ["9_a", "10_b"]);
        assert_eq!((read.items[0].has_down, read.items[1].has_down), (true, false));
        assert_eq!(read.next_name("Add  Users!"), "11_add_users");
    }

    #[test]
    fn line_ends_change_no_checksum_and_a_word_does() {
        let sum = |text: &str| {
            let folder = folder(&[("1_a.up.sql", text)]);
            Migrations::read(folder.path()).unwrap().items[0].checksum.clone()
        };
        assert_eq!(sum("SELECT 1;\nSELECT 2;\n"), sum("\u{feff}SELECT 1;\r\nSELECT 2;"));
        assert_ne!(sum("SELECT 1;"), sum("SELECT 3;"));
    }

    #[test]
    fn what_is_wrong_with_a_folder_is_told() {
        let wrong = |files: &[(&str, &str)]| Migrations::read(folder(files).path()).unwrap_err().to_string();
        assert!(wrong(&[("users.up.sql", "")]).contains("0001_add_users.up.sql"));
        assert!(wrong(&[("1_a.sql", "")]).contains("its name must be like"));
        assert!(wrong(&[("1_a.down.sql", "")]).contains("the up file of"));
        assert!(wrong(&[("1_a.up.sql", "SELECT 1;\nUSE b;")]).contains("at line 2"));
        assert!(Migrations::read("/no/such/folder".as_ref()).is_err());
        let two = folder(&[("1_a.up.sql", ""), ("01_b.up.sql", "")]);
        assert_eq!(Migrations::read(two.path()).unwrap().findings[0].id, "SCH-DUPLICATE");
    }

    #[test]
    fn versions() {
        assert_eq!(version("0007_x"), Some(7));
        assert_eq!(version("m20260105_000001_x"), Some(20_260_105_000_001));
        for stem in ["x", "7", "7_", "m2026_x", "a7_x"] {
            assert_eq!(version(stem), None, "{stem}");
        }
        assert_eq!(folder_next(&[]), "0001_first");
    }

    fn folder_next(files: &[(&str, &str)]) -> String {
        Migrations::read(folder(files).path()).unwrap().next_name("first")
    }
}
