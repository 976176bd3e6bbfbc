//! Which refresh token of a session is the current one. One winner for two rotations at once; a token presented after
//! its successor was used ends the family. Signatures and lifetimes are not known here.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use fred::types::{ClusterHash, Value};

use crate::command::CommandError;
use crate::connection::Cache;
use crate::script::Script;

/// Refresh-token families in Redis.
#[derive(Clone, Debug)]
pub struct RefreshFamilies {
    cache: Cache,
    rotate: Arc<Script>,
}

/// What became of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FamilyRotation {
    /// The presented token was current; the successor is now.
    Rotated,
    /// Another request rotated it a moment ago: hand out the same successor.
    Replayed {
        /// The successor's identifier.
        successor: String,
        /// When it was issued.
        issued_at: DateTime<Utc>,
    },
    /// An old token was presented: somebody has a copy. The family is ended.
    Reused,
    /// No such family: it expired, or was never started.
    Unknown,
}

impl RefreshFamilies {
    /// Families on this connection.
    pub fn new(cache: Cache) -> Self {
        Self { cache, rotate: Arc::new(Script::new(ROTATE)) }
    }

    /// Starts a family with its first token.
    ///
    /// # Errors
    /// When Redis does not confirm in time.
    pub async fn start(&self, family: &str, token_id: &str, ttl: Duration) -> Result<(), CommandError> {
        // The same script: with no presented token it makes the family.
        self.run(family, "", token_id, DateTime::UNIX_EPOCH, Duration::ZERO, ttl).await.map(|_| ())
    }

    /// Replaces `presented` by `successor`, if it is the current one.
    ///
    /// # Errors
    /// When Redis does not confirm in time.
    pub async fn rotate(
        &self,
        family: &str,
        presented: &str,
        successor: &str,
        now: DateTime<Utc>,
        grace: Duration,
        ttl: Duration,
    ) -> Result<FamilyRotation, CommandError> {
        let (outcome, token, milliseconds) = self.run(family, presented, successor, now, grace, ttl).await?;
        Ok(match outcome.as_str() {
            "rotated" => FamilyRotation::Rotated,
            "reused" => FamilyRotation::Reused,
            "unknown" => FamilyRotation::Unknown,
            "replayed" => FamilyRotation::Replayed {
                successor: token,
                issued_at: DateTime::from_timestamp_millis(milliseconds)
                    .ok_or(CommandError::Shape { command: "EVALSHA" })?,
            },
            _ => return Err(CommandError::Shape { command: "EVALSHA" }),
        })
    }

    /// Ends a family: no token of it can be rotated any more.
    ///
    /// # Errors
    /// When Redis does not confirm in time.
    pub async fn end(&self, family: &str) -> Result<(), CommandError> {
        let key = vec![Value::from(self.key(family))];
        let _removed: i64 = self.cache.run("DEL", ClusterHash::FirstKey, key).await?;
        Ok(())
    }

    fn key(&self, family: &str) -> String {
        self.cache.key(&format!("family:{{{family}}}"))
    }

    async fn run(
        &self,
        family: &str,
        presented: &str,
        successor: &str,
        now: DateTime<Utc>,
        grace: Duration,
        ttl: Duration,
    ) -> Result<(String, String, i64), CommandError> {
        let milliseconds = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX >> 12);
        let arguments = [
            Value::from(presented),
            Value::from(successor),
            Value::from(now.timestamp_millis()),
            Value::from(milliseconds(grace)),
            Value::from(milliseconds(ttl).max(1)),
        ];
        self.rotate.run(&self.cache, &[&self.key(family)], &arguments).await
    }
}

/// KEYS: family. ARGV: presented, successor, now, grace, time to live (milliseconds).
/// An ended family keeps an empty `current`, so that its other tokens are told as reused too.
const ROTATE: &str = "
local current = redis.call('HGET', KEYS[1], 'current')
if ARGV[1] == '' then
  redis.call('HSET', KEYS[1], 'current', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  return {'rotated', ARGV[2], 0}
end
if not current then return {'unknown', '', 0} end
if current == ARGV[1] then
  redis.call('HSET', KEYS[1], 'current', ARGV[2], 'previous', current, 'rotated_at', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
  return {'rotated', ARGV[2], tonumber(ARGV[3])}
end
local rotated_at = tonumber(redis.call('HGET', KEYS[1], 'rotated_at') or '0')
if current ~= '' and redis.call('HGET', KEYS[1], 'previous') == ARGV[1]
   and tonumber(ARGV[3]) - rotated_at <= tonumber(ARGV[4]) then
  return {'replayed', current, rotated_at}
end
redis.call('HSET', KEYS[1], 'current', '')
return {'reused', '', 0}";
