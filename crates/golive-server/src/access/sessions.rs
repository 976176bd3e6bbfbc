//! Who is in: sessions in memory, each with an end. Known by the digest of their identifier, which only the browser has.
//!
//! Not here: cookies and requests.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use golive_auth::SecretKey;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::operators::Role;
use crate::options::Limits;

/// Somebody who is in.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Who, as the audit trail and the page name them.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// What every form of theirs carries.
    pub(crate) csrf: SecretString,
    pub(crate) began: DateTime<Utc>,
    /// The digest of the hash they logged in by: another password ends it. None of whoever came by the link.
    pub(crate) credential: Option<[u8; 32]>,
    used: DateTime<Utc>,
}

pub(crate) struct Sessions {
    idle: TimeDelta,
    life: TimeDelta,
    most: usize,
    known: Mutex<HashMap<[u8; 32], Session>>,
}

impl Sessions {
    pub(crate) fn new(limits: &Limits) -> Self {
        let delta = |duration| TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        Self {
            idle: delta(limits.session_idle),
            life: delta(limits.session_life),
            most: limits.sessions.max(1),
            known: Mutex::default(),
        }
    }

    /// A session under a new identifier, which goes to the browser and nowhere else.
    pub(crate) fn begin(
        &self,
        name: &str,
        role: Role,
        credential: Option<[u8; 32]>,
        now: DateTime<Utc>,
    ) -> SecretString {
        let identifier = random_token();
        let session =
            Session { name: name.to_owned(), role, csrf: random_token(), began: now, credential, used: now };
        let mut known = self.lock();
        known.retain(|_, session| self.lives(session, now));
        if known.len() >= self.most {
            let idle_longest = known.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key);
            idle_longest.map(|key| known.remove(&key));
        }
        known.insert(digest(identifier.expose_secret()), session);
        identifier
    }

    /// The session of this identifier if it lives; that is use.
    pub(crate) fn find(&self, identifier: &str, now: DateTime<Utc>) -> Option<Session> {
        let mut known = self.lock();
        let key = digest(identifier);
        let session = known.get_mut(&key)?;
        if !self.lives(session, now) {
            known.remove(&key);
            return None;
        }
        session.used = session.used.max(now);
        Some(session.clone())
    }

    /// Ends it, whether it lives or not.
    pub(crate) fn end(&self, identifier: &str) {
        self.lock().remove(&digest(identifier));
    }

    fn lives(&self, session: &Session, now: DateTime<Utc>) -> bool {
        now - session.used < self.idle && now - session.began < self.life
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 64 bytes of the operating system's randomness, fit for a URL and a cookie.
pub(crate) fn random_token() -> SecretString {
    SecretString::from(SecretKey::generate().dangerous_expose())
}

pub(crate) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Takes as long whatever is given.
pub(crate) fn is_same(given: &str, expected: &SecretString) -> bool {
    digest(given).ct_eq(&digest(expected.expose_secret())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minutes * 60, 0).unwrap()
    }

    #[test]
    fn a_session_ends_when_idle_at_the_end_of_its_life_and_by_logging_out() {
        let sessions = Sessions::new(&Limits::default());
        let begin = || sessions.begin("rosa", Role::Viewer, None, at(0));
        let alive = |id: &SecretString, minutes| sessions.find(id.expose_secret(), at(minutes)).is_some();
        let idle = begin();
        assert!(alive(&idle, 29) && alive(&idle, 58) && !alive(&idle, 88) && !alive(&idle, 59));
        let busy = begin();
        assert!((0..72).all(|tenth| alive(&busy, tenth * 10)) && !alive(&busy, 720));
        let out = begin();
        sessions.end(out.expose_secret());
        assert!(!alive(&out, 0) && sessions.find("", at(0)).is_none());
    }

    #[test]
    fn there_are_never_more_than_allowed_and_the_idle_one_goes() {
        let limits = Limits { sessions: 2, ..Limits::default() };
        let sessions = Sessions::new(&limits);
        let [a, b] = [0, 1].map(|minute| sessions.begin("rosa", Role::Viewer, None, at(minute)));
        assert!(sessions.find(a.expose_secret(), at(2)).is_some());
        let c = sessions.begin("juan", Role::Operator, None, at(3));
        let alive = |id: &SecretString| sessions.find(id.expose_secret(), at(3)).is_some();
        assert!(alive(&a) && !alive(&b) && alive(&c));
    }
}
