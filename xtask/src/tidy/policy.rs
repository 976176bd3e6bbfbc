//! `deny.toml` as the rules need it: allowed licenses, and who may depend on what. One file says it for this program and
//! for cargo-deny.

use toml::{Table, Value};

pub(super) const FILE: &str = "deny.toml";

/// What may be in the graph.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) licenses: Vec<String>,
    pub(super) bans: Vec<Ban>,
}

/// A package that only its wrappers may depend on; nobody, where there are none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ban {
    pub(super) name: String,
    pub(super) wrappers: Vec<String>,
    pub(super) reason: String,
    pub(super) line: usize,
}

impl Policy {
    /// Fails where a list is missing or an entry has another shape: an unread rule must not pass.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let table: Table = text.parse().map_err(|error| format!("{FILE} cannot be read: {error}"))?;
        let licenses = strings(list(&table, "licenses", "allow")?, "[licenses] allow")?;
        let bans =
            list(&table, "bans", "deny")?.iter().map(|entry| ban(text, entry)).collect::<Result<_, _>>()?;
        Ok(Self { licenses, bans })
    }
}

fn list<'a>(table: &'a Table, section: &str, key: &str) -> Result<&'a [Value], String> {
    let value = table.get(section).and_then(|section| section.get(key)).and_then(Value::as_array);
    value.map(Vec::as_slice).ok_or_else(|| format!("{FILE}: `[{section}] {key}` must be a list"))
}

fn ban(text: &str, entry: &Value) -> Result<Ban, String> {
    let field = |key: &str| {
        let value = entry.get(key).and_then(Value::as_str).filter(|value| !value.is_empty());
        value.map(ToOwned::to_owned).ok_or_else(|| format!("{FILE}: `{key}` is missing in the ban {entry}"))
    };
    let name = field("crate")?;
    let wrappers = match entry.get("wrappers") {
        Some(wrappers) => strings(wrappers.as_array().map_or(&[], Vec::as_slice), &name)?,
        None => Vec::new(),
    };
    let needle = format!("crate = \"{name}\"");
    let line = text.lines().position(|line| line.contains(&needle)).map_or(1, |index| index + 1);
    Ok(Ban { reason: field("reason")?, name, wrappers, line })
}

fn strings(values: &[Value], place: &str) -> Result<Vec<String>, String> {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    values.iter().map(text).collect::<Option<_>>().ok_or_else(|| format!("{FILE}: {place} must hold texts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licenses_and_bans_are_read() {
        let text = "[licenses]\nallow = [\"MIT\"]\n[bans]\ndeny = [\n  { crate = \"a\", wrappers = [\"b\"], reason = \"c\" },\n]\n";
        let ban =
            Ban { name: "a".to_owned(), wrappers: vec!["b".to_owned()], reason: "c".to_owned(), line: 5 };
        assert_eq!(Policy::parse(text), Ok(Policy { licenses: vec!["MIT".to_owned()], bans: vec![ban] }));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "[licenses\n",
            "[licenses]\nallow = [\"MIT\"]\n",
            "[licenses]\nallow = \"MIT\"\n[bans]\ndeny = []\n",
            "[licenses]\nallow = [1]\n[bans]\ndeny = []\n",
            "[licenses]\nallow = []\n[bans]\ndeny = [{ crate = \"a\" }]\n",
            "[licenses]\nallow = []\n[bans]\ndeny = [{ name = \"a\", reason = \"b\" }]\n",
            "[licenses]\nallow = []\n[bans]\ndeny = [{ crate = \"a\", wrappers = [1], reason = \"b\" }]\n",
        ] {
            assert!(Policy::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn our_own_file_is_understood() {
        let text = include_str!("../../../deny.toml");
        let policy = Policy::parse(text).unwrap();
        for banned in ["ring", "openssl-sys", "native-tls", "rsa"] {
            assert!(policy.bans.iter().any(|ban| ban.name == banned && ban.wrappers.is_empty()), "{banned}");
        }
    }
}
