//! Which known password an account has, so that a proof by login tries the right one: that a wrong one is refused says
//! nothing about whether the account is switched off. What is tried against whom is the caller's business.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use super::directory::{Accounts, AccountsError, StoredAccount};
use super::seed_files::literals_of_seed_file;
use crate::password::{Attempt, try_password};

/// What is known of an account's password.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FittingPassword {
    /// This one, of the mapping or its seed files, is it.
    Fits(SecretString),
    /// It is none of them.
    None,
    /// Nobody here can tell: the stored value has a form that is not known, there was no time, or there is no such account.
    Unknown,
}

impl Accounts {
    /// Tries the mapping's known passwords and the literals of its seed files against the stored hash of each of these
    /// accounts, active or not, in the order of the names.
    ///
    /// # Errors
    /// When the accounts cannot be read. A seed file that cannot be read is passed over: [`Accounts::scan`] tells of it.
    pub async fn fitting_passwords(
        &self,
        usernames: &[String],
        time_limit: Duration,
    ) -> Result<Vec<FittingPassword>, AccountsError> {
        let deadline = Instant::now() + time_limit;
        let stored = self.stored().await?;
        let of_name = |name: &String| stored.iter().find(|stored| stored.account.username == *name).cloned();
        let accounts: Vec<Option<StoredAccount>> = usernames.iter().map(of_name).collect();
        let mapping = self.mapping.clone();
        let fitting = tokio::task::spawn_blocking(move || {
            let literals = mapping.seed_files.iter().filter_map(|path| literals_of_seed_file(path).ok());
            let mut known = mapping.known_passwords.clone();
            known.extend(literals.flatten());
            try_all(&accounts, &known, deadline)
        });
        Ok(fitting.await.expect("trying does not panic and is not aborted"))
    }
}

/// With a thread for each core.
fn try_all(
    accounts: &[Option<StoredAccount>],
    known: &[SecretString],
    deadline: Instant,
) -> Vec<FittingPassword> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(account) = accounts.get(index) else { return done };
            done.push((index, try_one(account.as_ref(), known, deadline)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(64);
    let mut all = vec![FittingPassword::Unknown; accounts.len()];
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for (index, fitting) in
            workers.into_iter().flat_map(|worker| worker.join().expect("it does not panic"))
        {
            all[index] = fitting;
        }
    });
    all
}

fn try_one(account: Option<&StoredAccount>, known: &[SecretString], deadline: Instant) -> FittingPassword {
    let Some(stored) = account.and_then(|account| account.stored.as_deref()) else {
        return FittingPassword::Unknown;
    };
    for password in known {
        if Instant::now() >= deadline {
            return FittingPassword::Unknown;
        }
        match try_password(stored, password.expose_secret()) {
            Attempt::Match => return FittingPassword::Fits(password.clone()),
            Attempt::NoMatch => {}
            Attempt::Unknown => return FittingPassword::Unknown,
        }
    }
    FittingPassword::None
}
