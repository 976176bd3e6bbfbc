//! Whether a password chosen by a person is accepted (NIST SP 800-63B-4 3.1.1.2): length, a list of common ones, words of
//! its context, and how many guesses it stands. No composition rules.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sha1::{Digest, Sha1};
use zeroize::Zeroizing;

/// The rules.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PasswordPolicy {
    /// Fewest characters. Default 15, as NIST asks where the password is the only factor; see
    /// [`PasswordPolicy::second_factor`].
    pub min_length: usize,
    /// Most characters. Default 128.
    pub max_length: usize,
    /// Further passwords that are refused, beside the built-in list.
    pub blocklist: Vec<String>,
    /// Words of the service that must not make up most of the password: its name, the client's name.
    pub context_words: Vec<String>,
    /// A long list of passwords that leaked, for example from a file: [`Blocklist::read`].
    pub leaked: Option<Blocklist>,
    /// Least score by zxcvbn, 0 to 4; 3 stands a hundred million guesses. Default 3.
    pub min_score: u8,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min_length: 15,
            max_length: 128,
            blocklist: Vec::new(),
            context_words: Vec::new(),
            leaked: None,
            min_score: 3,
        }
    }
}

/// Passwords that nobody may choose, as hashes of 64 bits: half a gigabyte of leaked passwords fits in memory, and one in
/// a hundred thousand million others is refused with them. Cheap to clone.
#[derive(Clone)]
pub struct Blocklist {
    hashes: Arc<HashSet<u64>>,
}

/// Why a block list gives nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlocklistError {
    /// It cannot be read.
    #[error("read the block list {}: check its path", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// More than is kept in memory.
    #[error("read the block list {}: it has more than {MOST_BLOCKED} lines; give a shorter one", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
}

impl Blocklist {
    /// Passwords, in any case.
    pub fn new<'a>(passwords: impl IntoIterator<Item = &'a str>) -> Self {
        let hashes = passwords.into_iter().map(|password| blocked_hash(&sha1_hex(&password.to_lowercase())));
        Self { hashes: Arc::new(hashes.collect()) }
    }

    /// A file with one password a line, or with one SHA-1 a line in hexadecimal, as Have I Been Pwned gives them out (what
    /// follows a colon is passed over).
    ///
    /// # Errors
    /// When it cannot be read, or has more than ten million lines.
    pub fn read(path: &Path) -> Result<Self, BlocklistError> {
        let failed = |source| BlocklistError::Read { path: path.to_owned(), source };
        let mut hashes = HashSet::new();
        for line in BufReader::new(File::open(path).map_err(failed)?).split(b'\n') {
            let line = Zeroizing::new(String::from_utf8_lossy(&line.map_err(failed)?).into_owned());
            let line = line.trim_end_matches('\r');
            let digest = line.split(':').next().unwrap_or_default();
            if digest.len() == 40 && digest.bytes().all(|b| b.is_ascii_hexdigit()) {
                hashes.insert(blocked_hash(&digest.to_lowercase()));
            } else if !line.is_empty() {
                hashes.insert(blocked_hash(&sha1_hex(&line.to_lowercase())));
            }
            if hashes.len() > MOST_BLOCKED {
                return Err(BlocklistError::TooLong { path: path.to_owned() });
            }
        }
        Ok(Self { hashes: Arc::new(hashes) })
    }

    /// Whether the password stands in it, as it is or in small letters.
    pub fn contains(&self, password: &str) -> bool {
        let listed = |text: &str| self.hashes.contains(&blocked_hash(&sha1_hex(text)));
        listed(password) || listed(&password.to_lowercase())
    }
}

impl std::fmt::Debug for Blocklist {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blocklist({} passwords)", self.hashes.len())
    }
}

fn sha1_hex(text: &str) -> Zeroizing<String> {
    Zeroizing::new(crate::hex::encode(&Sha1::digest(text.as_bytes())))
}

/// The first 64 bits of a SHA-1 in hexadecimal.
fn blocked_hash(digest: &str) -> u64 {
    u64::from_str_radix(digest.get(..16).unwrap_or_default(), 16).unwrap_or_default()
}

const MOST_BLOCKED: usize = 10_000_000;

/// Why a password is refused. Never shows it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordRefusal {
    /// Too short.
    #[error("accept a password of fewer than {min} characters")]
    TooShort {
        /// Fewest allowed.
        min: usize,
    },
    /// Too long.
    #[error("accept a password of more than {max} characters")]
    TooLong {
        /// Most allowed.
        max: usize,
    },
    /// Among the first that anybody tries.
    #[error("accept a common password: choose several unrelated words")]
    Common,
    /// Made of the user's or the service's name.
    #[error("accept a password made of a name that others know: choose several unrelated words")]
    Context,
    /// The same few characters over and over, or a run of the keyboard.
    #[error("accept a password of repeated characters: choose several unrelated words")]
    Repetitive,
    /// It stands too few guesses.
    #[error("accept a password that is guessed quickly: choose several unrelated words")]
    Guessable,
}

impl PasswordPolicy {
    /// For passwords that a second factor always goes with: 8 characters are enough.
    pub fn second_factor() -> Self {
        Self { min_length: 8, min_score: 2, ..Self::default() }
    }

    /// Checks a password; `about_user` are the words of the user: name, login name, e-mail address.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check(&self, password: &SecretString, about_user: &[&str]) -> Result<(), PasswordRefusal> {
        let password = password.expose_secret();
        let length = password.chars().count();
        if length < self.min_length {
            return Err(PasswordRefusal::TooShort { min: self.min_length });
        }
        if length > self.max_length {
            return Err(PasswordRefusal::TooLong { max: self.max_length });
        }
        let lower = Zeroizing::new(password.to_lowercase());
        let distinct: std::collections::BTreeSet<char> = lower.chars().collect();
        if distinct.len() < 5 {
            return Err(PasswordRefusal::Repetitive);
        }
        if self.is_common(&lower) || self.leaked.as_ref().is_some_and(|list| list.contains(password)) {
            return Err(PasswordRefusal::Common);
        }
        let words = self.context_words.iter().map(String::as_str).chain(about_user.iter().copied());
        let parts = words.flat_map(|word| word.split(|c: char| !c.is_alphanumeric()));
        for part in parts.filter(|part| part.chars().count() >= 4) {
            let rest = Zeroizing::new(lower.replace(&part.to_lowercase(), ""));
            // What is left must stand as a password's main part by itself.
            if rest.len() < lower.len() && rest.chars().count() < self.min_length * 2 / 3 {
                return Err(PasswordRefusal::Context);
            }
        }
        self.check_score(password, about_user)
    }

    /// The beginning is enough: a password does not become weaker by what follows, and time grows with the length.
    fn check_score(&self, password: &str, about_user: &[&str]) -> Result<(), PasswordRefusal> {
        let beginning: Zeroizing<String> = Zeroizing::new(password.chars().take(SCORED_CHARACTERS).collect());
        let words: Vec<&str> =
            self.context_words.iter().map(String::as_str).chain(about_user.iter().copied()).collect();
        let score = u8::from(zxcvbn::zxcvbn(&beginning, &words).score());
        if score < self.min_score.min(4) { Err(PasswordRefusal::Guessable) } else { Ok(()) }
    }

    /// In the list, also with digits and signs around it.
    fn is_common(&self, lower: &str) -> bool {
        let core = lower.trim_matches(|c: char| !c.is_alphabetic());
        let listed = |candidate: &str| {
            COMMON.contains(&candidate)
                || self.blocklist.iter().any(|blocked| blocked.to_lowercase() == candidate)
        };
        listed(lower) || listed(core) || RUNS.iter().any(|run| run.contains(lower))
    }
}

const SCORED_CHARACTERS: usize = 48;

const RUNS: &[&str] = &[
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "abcdefghijklmnopqrstuvwxyz",
    "1234567890123456789012345678901234567890",
    "0987654321098765432109876543210987654321",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
];

/// The cores of the most frequent leaked passwords that reach twelve characters with digits and signs around them.
const COMMON: &[&str] = &[
    "admin",
    "administrator",
    "asdfghjkl",
    "baseball",
    "basketball",
    "changeme",
    "chocolate",
    "computer",
    "correcthorsebatterystaple",
    "default",
    "demo",
    "demopassword",
    "dragon",
    "football",
    "iloveyou",
    "iloveyouforever",
    "letmein",
    "letmeinplease",
    "liverpool",
    "login",
    "manager",
    "master",
    "michael",
    "michelle",
    "mypassword",
    "newpassword",
    "operator",
    "pass",
    "passw0rd",
    "password",
    "passwordpassword",
    "princess",
    "production",
    "qwerty",
    "qwertyuiop",
    "qwertyuiopasdf",
    "root",
    "secret",
    "spring",
    "starwars",
    "summer",
    "autumn",
    "winter",
    "sunshine",
    "superman",
    "supervisor",
    "temppassword",
    "test",
    "testpassword",
    "testtest",
    "trustno",
    "unknown",
    "user",
    "welcome",
    "welcomehome",
    "whatever",
    "zxcvbnm",
    "p@ssw0rd",
    "p@ssword",
    "pa$$word",
    "pa$$w0rd",
    "adminadmin",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_by_rule_and_accepts_phrases() {
        let mut policy = PasswordPolicy::default();
        policy.context_words.push("Northwind".into());
        let check = |password: &str| policy.check(&password.into(), &["rosa.alvarez", "rosa@example.com"]);
        assert_eq!(check("short"), Err(PasswordRefusal::TooShort { min: 15 }));
        assert_eq!(check("violet harbor"), Err(PasswordRefusal::TooShort { min: 15 }));
        assert_eq!(check(&"ab".repeat(80)), Err(PasswordRefusal::TooLong { max: 128 }));
        assert_eq!(check("aaaaaaaaaaaaaaaa"), Err(PasswordRefusal::Repetitive));
        assert_eq!(check("Password!2026!2026"), Err(PasswordRefusal::Common));
        assert_eq!(check("123456789012345"), Err(PasswordRefusal::Common));
        assert_eq!(check("northwind2026!!"), Err(PasswordRefusal::Context));
        assert_eq!(check("Alvarez-1984-!!"), Err(PasswordRefusal::Context));
        assert_eq!(check("abcdefg1234567890"), Err(PasswordRefusal::Guessable));
        assert_eq!(check("violet harbor lamp"), Ok(()));
        assert_eq!(check("northwind violet harbor"), Ok(()));
        assert_eq!(check(&"violet harbor lamp ".repeat(6)), Ok(()), "no rule against long ones");
    }

    #[test]
    fn with_a_second_factor_eight_are_enough() {
        let policy = PasswordPolicy::second_factor();
        assert_eq!(policy.check(&"kv7Rm2xq".into(), &[]), Ok(()));
        assert_eq!(policy.check(&"kv7Rm2x".into(), &[]), Err(PasswordRefusal::TooShort { min: 8 }));
        assert_eq!(policy.check(&"password".into(), &[]), Err(PasswordRefusal::Common));
    }

    #[test]
    fn lists_of_leaked_passwords_in_both_forms() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");
        // SHA-1 of `violet harbor lamp`, with a count as Have I Been Pwned writes it.
        let digest = sha1_hex("violet harbor lamp").to_uppercase();
        std::fs::write(&path, format!("{digest}:42\r\nSeven Tall Giraffes\n\n")).unwrap();
        let policy = PasswordPolicy { leaked: Some(Blocklist::read(&path).unwrap()), ..Default::default() };
        let check = |password: &str| policy.check(&password.into(), &[]);
        assert_eq!(check("violet harbor lamp"), Err(PasswordRefusal::Common));
        assert_eq!(check("seven tall GIRAFFES"), Err(PasswordRefusal::Common));
        assert_eq!(check("seven tall giraffe"), Ok(()));
        assert!(Blocklist::read(&directory.path().join("missing")).is_err());
        assert!(!format!("{policy:?}").contains("iraffe"));
    }
}
