//! Whether a password chosen by a person is accepted (NIST SP 800-63B-4 3.1.1.2): length, a list of common ones, and words
//! of its context. No composition rules.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// The rules.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PasswordPolicy {
    /// Fewest characters. Default 12; NIST asks for 15 where the password is the only factor.
    pub min_length: usize,
    /// Most characters. Default 128.
    pub max_length: usize,
    /// Further passwords that are refused, beside the built-in list.
    pub blocklist: Vec<String>,
    /// Words of the service that must not make up most of the password: its name, the client's name.
    pub context_words: Vec<String>,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { min_length: 12, max_length: 128, blocklist: Vec::new(), context_words: Vec::new() }
    }
}

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
}

impl PasswordPolicy {
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
        if self.is_common(&lower) {
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
        Ok(())
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
        assert_eq!(check("short"), Err(PasswordRefusal::TooShort { min: 12 }));
        assert_eq!(check(&"ab".repeat(80)), Err(PasswordRefusal::TooLong { max: 128 }));
        assert_eq!(check("aaaaaaaaaaaaaa"), Err(PasswordRefusal::Repetitive));
        assert_eq!(check("Password2026!"), Err(PasswordRefusal::Common));
        assert_eq!(check("123456789012"), Err(PasswordRefusal::Common));
        assert_eq!(check("northwind2026"), Err(PasswordRefusal::Context));
        assert_eq!(check("Alvarez-1984!"), Err(PasswordRefusal::Context));
        assert_eq!(check("violet harbor lamp"), Ok(()));
        assert_eq!(check("northwind violet harbor"), Ok(()));
    }
}
