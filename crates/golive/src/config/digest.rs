//! A digest of each section of `golive.toml`, with the files beside it that the section names: what a run that is taken up
//! again holds against what its steps passed with.
//!
//! Not here: which step depends on which section (`steps/reads`). No password goes into a digest, for it can be guessed from
//! one.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

/// By the section's name. Comments, spaces and the order of sections count for nothing.
pub(super) fn of_sections(text: &str, directory: &Path) -> BTreeMap<String, String> {
    let sections: Table = toml::from_str(text).unwrap_or_default();
    sections
        .into_iter()
        .map(|(name, mut value)| {
            let mut hasher = blake3::Hasher::new();
            prepare(&mut value, directory, &mut hasher);
            hasher.update(value.to_string().as_bytes());
            let digest = hasher.finalize().to_hex()[..DIGITS].to_owned();
            (name, digest)
        })
        .collect()
}

/// Takes passwords out, and the content of named files in.
fn prepare(value: &mut Value, directory: &Path, hasher: &mut blake3::Hasher) {
    match value {
        Value::String(text) => {
            if let Some(plain) = without_login(text) {
                *text = plain;
            }
            let path = directory.join(text.as_str());
            let is_small =
                path.metadata().is_ok_and(|about| about.is_file() && about.len() <= LARGEST_FILE_BYTES);
            if let Some(bytes) = is_small.then(|| std::fs::read(&path).ok()).flatten() {
                hasher.update(blake3::hash(&bytes).as_bytes());
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| prepare(value, directory, hasher)),
        Value::Table(table) => table.iter_mut().for_each(|(_, value)| prepare(value, directory, hasher)),
        _ => {}
    }
}

/// `scheme://user:password@rest` without its middle.
fn without_login(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let (_, rest) = rest.rsplit_once('@')?;
    Some(format!("{scheme}://{rest}"))
}

/// A change is to be noticed, not an attack withstood.
const DIGITS: usize = 16;
/// What a deployment is described with is small; a database that a section names is not read.
const LARGEST_FILE_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_changes_with_its_values_and_files_and_with_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("team.csv");
        std::fs::write(&csv, "username,role\nann,lead\n").unwrap();
        let of = |text: &str| of_sections(text, folder.path());
        let before = of("[load]\nseconds = 8\n[team]\ncsv = \"team.csv\"\n");
        assert_eq!(of("# why\n[team]\ncsv   = \"team.csv\"\n[load]\nseconds = 8\n"), before);
        let after = of("[load]\nseconds = 9\n[team]\ncsv = \"team.csv\"\n");
        assert_ne!(after["load"], before["load"]);
        assert_eq!(after["team"], before["team"]);
        std::fs::write(&csv, "username,role\nbob,lead\n").unwrap();
        assert_ne!(of("[team]\ncsv = \"team.csv\"\n")["team"], before["team"]);
        let target = |password: &str| of(&format!("[target]\nurl = \"mysql://app:{password}@db/app\"\n"));
        assert_eq!(target("one"), target("two"), "a password could be guessed from this");
    }
}
