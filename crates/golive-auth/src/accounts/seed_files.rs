//! Literals of seeders and fixtures, which hold the demo's passwords more often than any document admits. A rough reader on
//! purpose: it knows quotes, not languages.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Why a seed file gives nothing to try.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeedFileError {
    /// It cannot be read.
    #[error("read the seed file {}: check its path in golive.toml", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The quoted texts of a file (SQL, Python, JSON, TOML, ...) that could be passwords: 4 to 64 printable characters without
/// white space, those near words like `password` first, 200 at most. The first MiB of the file is read.
///
/// # Errors
/// When the file cannot be read.
pub fn literals_of_seed_file(path: &Path) -> Result<Vec<SecretString>, SeedFileError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes))
        .map_err(|source| SeedFileError::Read { path: path.to_owned(), source })?;
    Ok(literals(&String::from_utf8_lossy(&bytes)))
}

fn literals(text: &str) -> Vec<SecretString> {
    let lines: Vec<&str> = text.lines().collect();
    let hinted: Vec<bool> = lines.iter().map(|line| is_hint(line)).collect();
    let mut seen = HashSet::new();
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for (i, line) in lines.iter().enumerate() {
        let is_near = (i.saturating_sub(1)..=i + 1).any(|i| hinted.get(i) == Some(&true));
        let bare = if hinted[i] { assigned(line) } else { None };
        for literal in
            quoted(line).into_iter().chain(bare).filter(|literal| could_be_password(literal, is_near))
        {
            if seen.insert(literal) {
                if is_near { near.push(literal) } else { far.push(literal) }
            }
        }
    }
    near.into_iter().chain(far).take(MOST_LITERALS).map(SecretString::from).collect()
}

fn is_hint(line: &str) -> bool {
    let line = line.to_lowercase();
    ["pass", "pwd", "secret", "credential", "hash", "users", "login"].iter().any(|word| line.contains(word))
}

/// What stands between two equal quotes on one line.
fn quoted(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for quote in ['\'', '"', '`'] {
        let marks: Vec<usize> = line.match_indices(quote).map(|(at, _)| at).collect();
        found.extend(marks.windows(2).map(|pair| &line[pair[0] + 1..pair[1]]));
    }
    found
}

/// What stands bare at the end of `PASSWORD=value` or `password: value`, as in env files and YAML.
fn assigned(line: &str) -> Option<&str> {
    let line = line.split(" #").next()?.trim_end();
    let at = line.find(['=', ':'])?;
    let value = line[at + 1..].trim();
    (!value.contains(char::is_whitespace)).then_some(value)
}

fn could_be_password(literal: &str, near: bool) -> bool {
    let printable = literal.chars().all(|c| c.is_ascii_graphic() && !"'\"`,;()<>{}".contains(c));
    let is_hash =
        literal.starts_with("$2") || literal.starts_with("$argon2") || literal.starts_with("pbkdf2");
    // Away from a hint, plain words are column names and statuses.
    let varied = near || literal.chars().any(|c| !c.is_ascii_lowercase() && c != '_' && c != '.');
    (4..=64).contains(&literal.len()) && printable && !is_hash && varied
}

const MOST_BYTES: u64 = 1 << 20;
const MOST_LITERALS: usize = 200;

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn finds_passwords_in_several_languages() {
        let text = "INSERT INTO users VALUES ('rosa', 'Kx!plant7', '$2b$12$abc');\n\
                    user = make(name=\"e2e\", password=\"E2e-Pass-9\")\n\
                    {\"status\": \"running\"}\n\n\n{\"kind\": \"completed\", \"code\": \"Far4way!\"}\n";
        let found = literals(text);
        let has = |wanted: &str| found.iter().any(|literal| literal.expose_secret() == wanted);
        assert!(has("Kx!plant7") && has("E2e-Pass-9") && has("Far4way!"));
        assert!(!has("$2b$12$abc") && !has("completed"));
        let found = literals(
            "DEMO_PASSWORD=Bare-9-word # of the demo\npassword: 0ther.Bare\n# the password: is set by hand\n",
        );
        let found: Vec<&str> = found.iter().map(|literal| literal.expose_secret()).collect();
        assert_eq!(found, ["Bare-9-word", "0ther.Bare"]);
    }

    #[test]
    fn is_bounded() {
        let many: String = (0..5000).map(|i| format!("'Passw{i}'\n")).collect();
        assert_eq!(literals(&many).len(), MOST_LITERALS);
        assert!(literals("'unclosed \u{fffd} \" ' é '").len() < 5);
    }
}
