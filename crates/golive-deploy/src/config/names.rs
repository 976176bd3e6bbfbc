//! Unknown and misspelt variables, and placeholders that were never filled in.
//!
//! Works on names; values are only looked at for placeholders, never shown.

use super::Seen;

pub(super) fn check(seen: &mut Seen<'_>) {
    placeholders(seen);
    unknown(seen);
}

fn placeholders(seen: &mut Seen<'_>) {
    // These have rules of their own that say more.
    let own: Vec<&str> = seen.rules.names.all().to_vec();
    let names: Vec<String> =
        seen.settings.names().filter(|name| !own.contains(name)).map(str::to_owned).collect();
    for name in names {
        let Some(value) = seen.value(&name) else { continue };
        let value = value.to_ascii_lowercase();
        let left = [
            "changeme",
            "change-me",
            "change_me",
            "replace-me",
            "replace_me",
            "<your",
            "your-domain",
            "todo",
        ];
        if left.iter().any(|word| value.contains(word)) {
            seen.find("CFG-091", &name, "still holds a placeholder");
        }
    }
}

fn unknown(seen: &mut Seen<'_>) {
    if seen.rules.known_names.is_empty() {
        return;
    }
    let mut known: Vec<String> = seen.rules.known_names.clone();
    known.extend(seen.rules.names.all().iter().map(|&name| name.to_owned()));
    known.extend(seen.rules.extra.iter().flat_map(|rule| rule.variables()));
    // Container secrets are given as files.
    known.extend(known.iter().map(|name| format!("{name}_FILE")).collect::<Vec<_>>());
    let unknown: Vec<String> =
        seen.settings.names().filter(|&name| !known.iter().any(|k| k == name)).map(str::to_owned).collect();
    for name in unknown {
        let from_file = seen.settings.setting(&name).is_some_and(|setting| setting.file.is_some());
        match (closest(&name, &known), from_file) {
            (Some(meant), _) => seen.find("CFG-080", &name, &format!("is not known; did you mean {meant}?")),
            // The environment holds many names that are none of the application's; a file does not.
            (None, true) => seen.find("CFG-080", &name, "is not known"),
            (None, false) => {}
        }
    }
}

/// The known name within two edits (one for short names), if there is exactly such a closest one.
fn closest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    // Longer names are not typing errors, and the distance costs the square of the length.
    if name.len() > 64 {
        return None;
    }
    let allowed = if name.len() < 6 { 1 } else { 2 };
    known
        .iter()
        .filter(|other| other.len().abs_diff(name.len()) <= allowed)
        .map(|other| (edits(&name.to_ascii_uppercase(), &other.to_ascii_uppercase()), other))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, other)| other.as_str())
}

/// Edit distance with neighboring letters swapped counted as one.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(edits("SECRET_KEY", "SECERT_KEY"), 1);
        assert_eq!(edits("", "AB"), 2);
        assert_eq!(edits("SAME", "SAME"), 0);
    }

    #[test]
    fn suggests_only_what_is_near() {
        let known = vec!["DATABASE_URL".to_owned(), "DEBUG".to_owned()];
        assert_eq!(closest("DATABSE_URL", &known), Some("DATABASE_URL"));
        assert_eq!(closest("PATH", &known), None);
    }
}
