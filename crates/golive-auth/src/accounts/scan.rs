//! Finds active accounts whose password is known, by trying: names are a hint, hashes are the proof. Reports names and
//! rules, never a password.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use subtle::ConstantTimeEq;

use super::candidates::{Candidate, derived, shared};
use super::directory::{Accounts, AccountsError, StoredAccount};
use super::seed_files::literals_of_seed_file;
use crate::password::{Attempt, HashFormat, try_password};

/// How far to go.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScanOptions {
    /// When to stop, done or not. Default 2 minutes.
    pub time_limit: Duration,
    /// Threads. Default: one for each core.
    pub threads: usize,
    /// Passwords to try beside the mapping's.
    pub candidates: Vec<SecretString>,
    /// Whether to try [`DEFAULT_CANDIDATES`](crate::DEFAULT_CANDIDATES). Default `true`.
    pub try_defaults: bool,
}

impl Default for ScanOptions {
    fn default() -> Self {
        Self {
            time_limit: Duration::from_secs(120),
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            candidates: Vec::new(),
            try_defaults: true,
        }
    }
}

/// What a scan found. It proves something only if [`ScanReport::is_clean`].
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ScanReport {
    /// Accounts that are active, or not clearly inactive.
    pub accounts: usize,
    /// Passwords tried, over all accounts.
    pub tried: u64,
    /// Accounts that let a known password in, by name.
    pub known: Vec<KnownCredential>,
    /// Accounts about which nothing is known, and why.
    pub untried: Vec<Untried>,
    /// Accounts whose stored password protects nothing once the table is copied, by name.
    pub weak_storage: Vec<WeakStorage>,
    /// Groups of accounts that share one stored value, which proper hashing makes impossible.
    pub shared_hashes: Vec<Vec<String>>,
    /// Whether every password was tried against every account in time.
    pub complete: bool,
    /// How long it took.
    pub seconds: f64,
}

impl ScanReport {
    /// Whether everything was tried and nothing found.
    pub fn is_clean(&self) -> bool {
        self.known.is_empty() && self.untried.is_empty() && self.weak_storage.is_empty() && self.complete
    }
}

/// An account whose stored password protects nothing once the table is copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WeakStorage {
    /// The login name.
    pub username: String,
    /// How it is stored.
    pub kind: StorageKind,
}

/// How a password is stored that should have been hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StorageKind {
    /// As it is.
    InClear,
    /// As a fast digest without salt.
    UnsaltedDigest,
    /// As a fast digest with a salt.
    SaltedDigest,
}

/// An account that lets a known password in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KnownCredential {
    /// The login name.
    pub username: String,
    /// Which kind of password it was. The password itself is not told.
    pub rule: MatchRule,
    /// Whether the stored value is the password itself.
    pub stored_in_clear: bool,
}

/// Why a password was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MatchRule {
    /// Named in the configuration as one of the demo's.
    KnownPassword,
    /// A literal of a seed file.
    SeedFile,
    /// One of the usual defaults.
    CommonDefault,
    /// Made from the login name.
    DerivedFromName,
}

/// An account about which nothing is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Untried {
    /// The login name, or the seed file.
    pub subject: String,
    /// Why nothing could be tried, and what to do.
    pub reason: String,
}

impl Accounts {
    /// Tries the mapping's known passwords, the literals of its seed files, names and what is made of them, and the usual
    /// defaults against every account that is not clearly inactive.
    ///
    /// # Errors
    /// When the accounts cannot be read. What cannot be tried is in the report, and keeps it from being clean.
    pub async fn scan(&self, options: &ScanOptions) -> Result<ScanReport, AccountsError> {
        let start = Instant::now();
        let accounts = self.not_inactive().await?;
        let options = options.clone();
        let mapping = self.mapping.clone();
        let scanned = tokio::task::spawn_blocking(move || {
            let mut untried = Vec::new();
            let mut literals = Vec::new();
            for path in &mapping.seed_files {
                match literals_of_seed_file(path) {
                    Ok(found) => literals.extend(found),
                    Err(e) => {
                        untried.push(Untried { subject: path.display().to_string(), reason: e.to_string() });
                    }
                }
            }
            let known: Vec<SecretString> =
                mapping.known_passwords.iter().chain(&options.candidates).cloned().collect();
            let shared = shared(&known, &literals, options.try_defaults);
            run(accounts, &shared, untried, &options, start)
        });
        Ok(scanned.await.expect("the scan does not panic and is not aborted"))
    }
}

fn run(
    accounts: Vec<StoredAccount>,
    shared: &[Candidate],
    mut untried: Vec<Untried>,
    options: &ScanOptions,
    start: Instant,
) -> ScanReport {
    let count = accounts.len();
    let shared_hashes = equal_values(&accounts);
    let mut weak_storage: Vec<WeakStorage> = accounts.iter().filter_map(weak_storage_of).collect();
    let jobs: Vec<Job> = accounts.into_iter().filter_map(Job::new).collect();
    let deadline = start + options.time_limit;
    let results = Results::default();
    // What is most likely is tried on all accounts before the rest is tried on any.
    for round in [Round::Likely, Round::Rest] {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..options.threads.clamp(1, 64) {
                scope.spawn(|| {
                    while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        job.work(round, shared, deadline, &results);
                    }
                });
            }
        });
    }
    untried.extend(
        jobs.iter().filter(|job| job.unknown.load(Ordering::Relaxed)).map(|job| Untried {
            subject: job.username.clone(),
            reason: "its stored password is in clear, or has a form that is not known: reset it, or deactivate the account"
                .to_owned(),
        }),
    );
    let mut known = results.known.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    known.sort_by(|a, b| a.username.cmp(&b.username));
    let in_clear = known.iter().filter(|known| known.stored_in_clear);
    weak_storage.extend(
        in_clear.map(|known| WeakStorage { username: known.username.clone(), kind: StorageKind::InClear }),
    );
    weak_storage.sort_by(|a, b| (&a.username, a.kind).cmp(&(&b.username, b.kind)));
    weak_storage.dedup();
    ScanReport {
        accounts: count,
        tried: results.tried.into_inner(),
        known,
        untried,
        weak_storage,
        shared_hashes,
        complete: !results.out_of_time.into_inner(),
        seconds: start.elapsed().as_secs_f64(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    Likely,
    Rest,
}

#[derive(Default)]
struct Results {
    tried: AtomicU64,
    known: Mutex<Vec<KnownCredential>>,
    out_of_time: AtomicBool,
}

/// One account in work.
struct Job {
    username: String,
    stored: SecretString,
    derived: Vec<Candidate>,
    found: AtomicBool,
    unknown: AtomicBool,
}

impl Job {
    /// None when nobody can log in: no stored value, or Django's mark for an unusable one.
    fn new(account: StoredAccount) -> Option<Self> {
        let stored = account.stored.filter(|stored| stored != "!" && !stored.starts_with("!$"))?;
        if stored.len() > 40
            && stored.starts_with('!')
            && stored[1..].chars().all(|c| c.is_ascii_alphanumeric())
        {
            return None;
        }
        let (username, tenant) = (account.account.username, account.account.tenant);
        Some(Self {
            derived: derived(&username, tenant.as_deref()),
            username,
            stored: SecretString::from(stored),
            found: AtomicBool::new(false),
            unknown: AtomicBool::new(false),
        })
    }

    fn work(&self, round: Round, shared: &[Candidate], deadline: Instant, results: &Results) {
        if self.found.load(Ordering::Relaxed) || self.unknown.load(Ordering::Relaxed) {
            return;
        }
        let likely = |candidate: &&Candidate| candidate.rule == MatchRule::KnownPassword;
        let split = self.derived.len().min(LIKELY_DERIVED);
        let candidates: Vec<&Candidate> = match round {
            Round::Likely => shared.iter().filter(likely).chain(&self.derived[..split]).collect(),
            Round::Rest => {
                shared.iter().filter(|candidate| !likely(candidate)).chain(&self.derived[split..]).collect()
            }
        };
        let stored = self.stored.expose_secret();
        for candidate in candidates {
            if Instant::now() >= deadline {
                results.out_of_time.store(true, Ordering::Relaxed);
                return;
            }
            let password = candidate.password.expose_secret();
            results.tried.fetch_add(1, Ordering::Relaxed);
            let in_clear = bool::from(stored.as_bytes().ct_eq(password.as_bytes()));
            match try_password(stored, password) {
                Attempt::Match => return self.report(candidate.rule, false, results),
                _ if in_clear => return self.report(candidate.rule, true, results),
                Attempt::NoMatch => {}
                // Only the comparison in clear is left, which costs nothing.
                Attempt::Unknown => {
                    let clear = shared.iter().chain(&self.derived).find(|candidate| {
                        bool::from(stored.as_bytes().ct_eq(candidate.password.expose_secret().as_bytes()))
                    });
                    match clear {
                        Some(candidate) => self.report(candidate.rule, true, results),
                        None => self.unknown.store(true, Ordering::Relaxed),
                    }
                    return;
                }
            }
        }
    }

    fn report(&self, rule: MatchRule, stored_in_clear: bool, results: &Results) {
        self.found.store(true, Ordering::Relaxed);
        let known = KnownCredential { username: self.username.clone(), rule, stored_in_clear };
        results.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(known);
    }
}

/// What is told by its form alone. A value of no known form is either clear text or a hash that nobody here can try; the
/// account is untried then, and in clear if a known password is found in it.
fn weak_storage_of(stored: &StoredAccount) -> Option<WeakStorage> {
    let kind = match HashFormat::of(stored.stored.as_deref()?) {
        HashFormat::UnsaltedDigest => StorageKind::UnsaltedDigest,
        HashFormat::SaltedDigest => StorageKind::SaltedDigest,
        _ => return None,
    };
    Some(WeakStorage { username: stored.account.username.clone(), kind })
}

/// Salted hashes of equal passwords differ; equal ones were copied, or are not salted.
fn equal_values(accounts: &[StoredAccount]) -> Vec<Vec<String>> {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for stored in accounts {
        if let Some(value) = &stored.stored {
            groups.entry(value).or_default().push(stored.account.username.clone());
        }
    }
    let mut seen = HashSet::new();
    groups.into_values().filter(|names| names.len() > 1 && seen.insert(names.clone())).collect()
}

const LIKELY_DERIVED: usize = 4;
