//! The folder of a run, looked at from outside: journal, secrets, everything it wrote.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use golive_sandbox::{MariaDb, MariaDbOptions};
use serde_json::Value;

/// A run's folder.
pub struct Run {
    root: PathBuf,
}

impl Run {
    /// The newest run below `base`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn newest(base: &Path) -> Self {
        let root = std::fs::canonicalize(base.join("latest"));
        Self { root: root.unwrap_or_else(|error| panic!("no run below {}: {error}", base.display())) }
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A file of it, as text.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The journal's whole lines; a kill may have cut the last one short.
    #[must_use]
    pub fn journal(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("journal.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// How each step ended, every time it did, in the order of the journal.
    #[must_use]
    pub fn endings(&self) -> BTreeMap<String, Vec<Value>> {
        let mut endings: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for entry in self.journal().into_iter().filter(|entry| entry["event"] == "ended") {
            let id = entry["result"]["id"].as_str().unwrap_or_default().to_owned();
            endings.entry(id).or_default().push(entry["result"].clone());
        }
        endings
    }

    /// Every file below a folder of the run, or the file itself.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn files(&self, name: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(&self.path(name), &mut found);
        found
    }

    /// The permissions of a file or folder.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn mode(&self, path: &Path) -> u32 {
        let about = std::fs::metadata(self.root.join(path));
        about.unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
    }

    /// The database of a kept rehearsal, started again. Stop it before golive needs the data.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn database(&self) -> MariaDb {
        let mut options = MariaDbOptions::new();
        options.directory = Some(self.path("servers/mariadb"));
        options.binary_log = true;
        MariaDb::start(&options).unwrap_or_else(|error| panic!("the rehearsal's data: {error}"))
    }
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_file() {
        found.push(path.to_path_buf());
        return;
    }
    let entries = std::fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for entry in entries {
        collect(&entry.expect("a folder can be read to its end").path(), found);
    }
}
