//! Asks whether a token may still be used. Fails closed. What is written is not known here.

use std::time::Instant;

use chrono::{DateTime, Utc};
use fred::types::{ClusterHash, Value};

use crate::batch::Place;
use crate::command::CommandError;
use crate::entry::{Held, OfToken, held, valid_facts};
use crate::revocation::{RevocationStatus, RevocationStore, TokenFacts};
use crate::tracked::Version;

/// Of one command at most, or a few more: some thirty checks. Larger ones let client and server wait for each other.
pub(crate) const MOST_KEYS: usize = 96;

/// What Redis said to a batch of checks.
#[derive(Debug)]
pub(crate) enum Answers {
    /// It had lost everything and there is no journal: whatever was issued before now is revoked.
    Emptied,
    /// The cutoff for everything, and the value of each key asked for.
    Values {
        values: Vec<Value>,
        /// What was remembered at this version was true when Redis answered.
        proven: Option<Version>,
    },
}

impl RevocationStore {
    /// Asks whether the token, its session, user or tenant, or everything is revoked, and whether the store can be
    /// trusted: one round trip, shared with whoever asks at the same moment.
    ///
    /// # Errors
    /// When Redis does not answer in time or has lost its memory. The caller refuses the request, with 503 and not with
    /// 401: the token may be good. See [`CommandError::http_status`].
    pub async fn status(
        &self,
        token: &TokenFacts,
        now: DateTime<Utc>,
    ) -> Result<RevocationStatus, CommandError> {
        valid_facts(token)?;
        let (inner, issued) = (&*self.inner, token.issued_at.timestamp_millis());
        if let Some(status) = inner.known.status(&inner.names, token, issued) {
            return Ok(status);
        }
        if let Some(status) = self.recalled(token, now).await? {
            return Ok(status);
        }
        let (has_session, has_tenant) = (token.session.is_some(), token.tenant.is_some());
        let place = self.join(inner.names.keys(token).asked(), now);
        let Answers::Values { values, .. } = place.answer().await? else {
            return Ok(RevocationStatus::AllRevoked);
        };
        // Everything, then as `Keys::asked` has them.
        let mut own = values[1 + place.start..].iter();
        let mut next = |is_asked: bool| {
            let value = if is_asked { own.next() } else { None };
            value.map_or(Ok(None), held)
        };
        let (of_itself, user) = (next(true)?, next(true)?);
        let of_token =
            OfToken { token: of_itself, user, session: next(has_session)?, tenant: next(has_tenant)? };
        Ok(of_token.status(everything(values)?, issued))
    }

    /// [`RevocationStore::status`] as yes or no.
    ///
    /// # Errors
    /// As [`RevocationStore::status`].
    pub async fn is_revoked(&self, token: &TokenFacts, now: DateTime<Utc>) -> Result<bool, CommandError> {
        Ok(self.status(token, now).await?.is_revoked())
    }

    /// By what is remembered, if all of it is and Redis confirms that nothing of it has changed.
    async fn recalled(
        &self,
        token: &TokenFacts,
        now: DateTime<Utc>,
    ) -> Result<Option<RevocationStatus>, CommandError> {
        let Some(tracked) = &self.inner.tracked else { return Ok(None) };
        let issued = token.issued_at.timestamp_millis();
        let Some((of_token, version)) = tracked.recall(&self.inner.names, token) else { return Ok(None) };
        let max_staleness = self.inner.names.settings.max_staleness;
        if let Some(everything) = tracked.proven_lately(&self.inner, version, max_staleness) {
            self.inner.cache.admitted()?;
            return Ok(Some(of_token.status(everything, issued)));
        }
        let place = self.join(std::iter::empty(), now);
        match place.answer().await? {
            Answers::Emptied => Ok(Some(RevocationStatus::AllRevoked)),
            Answers::Values { values, proven } if *proven == Some(version) => {
                Ok(Some(of_token.status(everything(values)?, issued)))
            }
            Answers::Values { .. } => Ok(None),
        }
    }

    fn join(&self, keys: impl IntoIterator<Item = Value>, now: DateTime<Utc>) -> Place<Value, Answers> {
        let store = self.clone();
        self.inner.checks.join(keys, move |keys| async move { store.ask(keys, now).await })
    }

    /// One command for all of them: the marker, everything, and what they ask for.
    async fn ask(self, keys: Vec<Value>, now: DateTime<Utc>) -> Result<Answers, CommandError> {
        let inner = &*self.inner;
        let asking = match &inner.tracked {
            Some(tracked) => tracked.begin(&inner.cache, &keys).await,
            None => None,
        };
        let mut arguments = Vec::with_capacity(2 + keys.len());
        let names = [&inner.names.marker, &inner.names.everything];
        arguments.extend(names.map(|name| Value::from(name.as_str())));
        arguments.extend(keys.iter().cloned());
        let (asked, sent) = (arguments.len(), Instant::now());
        let mut values: Vec<Value> = inner.cache.run("MGET", ClusterHash::FirstKey, arguments).await?;
        if values.len() != asked {
            return Err(CommandError::Shape { command: "MGET" });
        }
        let marker = values.remove(0);
        match &inner.filling {
            Some(filling) => filling.trusts(marker.as_str().as_deref(), inner.cache.generation())?,
            None if marker.is_null() => {
                self.prepare(now).await?;
                return Ok(Answers::Emptied);
            }
            None => {}
        }
        let proven = match (&inner.tracked, asking) {
            (Some(tracked), Some(asking)) => tracked.end(inner, asking, sent, &marker, &keys, &values),
            _ => None,
        };
        Ok(Answers::Values { values, proven })
    }
}

/// The cutoff for everything comes first in each answer.
fn everything(values: &[Value]) -> Result<Held, CommandError> {
    values.first().map_or(Err(CommandError::Shape { command: "MGET" }), held)
}
