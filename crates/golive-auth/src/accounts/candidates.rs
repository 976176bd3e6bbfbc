//! Which passwords an attacker tries first. Lists and rules only: nothing is verified here.

use std::collections::HashSet;

use secrecy::{ExposeSecret, SecretString};

use super::scan::MatchRule;

/// Passwords that installations ship with, tried against every active account. Short on purpose: each costs a hash per
/// account. Add your application's own under `known_passwords`.
pub const DEFAULT_CANDIDATES: &[&str] = &[
    "admin",
    "admin123",
    "Admin123!",
    "administrator",
    "changeme",
    "changeme123",
    "ChangeMe123!",
    "default",
    "demo",
    "demo123",
    "demo1234",
    "Demo123!",
    "guest",
    "letmein",
    "password",
    "password1",
    "password123",
    "Password1",
    "Password123",
    "Password123!",
    "P@ssw0rd",
    "passw0rd",
    "pass123",
    "qwerty",
    "root",
    "secret",
    "secret123",
    "test",
    "test123",
    "Test123!",
    "user123",
    "welcome",
    "welcome1",
    "Welcome123!",
    "12345678",
    "123456",
    "1234",
];

/// A password to try, and why.
pub(super) struct Candidate {
    pub(super) password: SecretString,
    pub(super) rule: MatchRule,
}

/// Derived from a login name and a tenant: what people set who set hundreds. The most likely first, and at last nothing
/// at all.
pub(super) fn derived(username: &str, tenant: Option<&str>) -> Vec<Candidate> {
    let name = username.split('@').next().unwrap_or(username);
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['_', '-', '.']);
    let mut guesses = vec![username.to_owned(), name.to_owned()];
    for base in [name, stem] {
        let mut characters = base.chars();
        let capitalized: String = characters
            .next()
            .map(|first| first.to_uppercase().chain(characters).collect())
            .unwrap_or_default();
        for base in [base.to_owned(), capitalized] {
            for end in ["", "123", "123!", "1", "!", "@123", "1234", "2024", "2025", "2026"] {
                guesses.push(format!("{base}{end}"));
            }
        }
    }
    let reversed: String = name.chars().rev().collect();
    guesses.push(reversed);
    for tenant in tenant.into_iter().filter(|tenant| tenant.chars().count() > 1) {
        let lower = tenant.to_lowercase();
        for end in ["", "123", "123!", "2025", "2026"] {
            guesses.extend([format!("{tenant}{end}"), format!("{lower}{end}")]);
        }
    }
    let mut candidates = once(guesses.into_iter().map(SecretString::from), MatchRule::DerivedFromName);
    candidates.push(Candidate { password: SecretString::from(""), rule: MatchRule::DerivedFromName });
    candidates
}

/// The lists, each password once: known ones first.
pub(super) fn shared(
    known: &[SecretString],
    from_seed_files: &[SecretString],
    defaults: bool,
) -> Vec<Candidate> {
    let mut all = once(known.iter().cloned(), MatchRule::KnownPassword);
    all.extend(once(from_seed_files.iter().cloned(), MatchRule::SeedFile));
    if defaults {
        all.extend(once(DEFAULT_CANDIDATES.iter().map(|&text| text.into()), MatchRule::CommonDefault));
    }
    let mut seen: HashSet<String> = HashSet::new();
    all.retain(|candidate| seen.insert(candidate.password.expose_secret().to_owned()));
    all
}

fn once(passwords: impl Iterator<Item = SecretString>, rule: MatchRule) -> Vec<Candidate> {
    let mut seen: HashSet<String> = HashSet::new();
    passwords
        .filter(|password| !password.expose_secret().is_empty())
        .filter(|password| seen.insert(password.expose_secret().to_owned()))
        .map(|password| Candidate { password, rule })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derives_what_people_set() {
        let guesses = derived("supervisor1", Some("NORTH"));
        let has = |text: &str| guesses.iter().any(|guess| guess.password.expose_secret() == text);
        assert!(["supervisor1", "supervisor123", "Supervisor123!", "supervisor1123"].into_iter().all(has));
        assert!(["NORTH", "north123!", ""].into_iter().all(has));
        assert!(
            derived("rosa@example.com", None).iter().any(|guess| guess.password.expose_secret() == "rosa123")
        );
        assert!(!derived("", Some("")).is_empty());
    }
}
