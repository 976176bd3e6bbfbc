//! What each finding of a check means, for whoever meets its id without the server at hand. Data only: findings are made in
//! `check`.

/// One kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheRule {
    /// The stable id.
    pub id: &'static str,
    /// What was seen, in a few words.
    pub title: &'static str,
    /// What happens otherwise.
    pub why: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// All kinds of findings of [`check`](crate::check).
///
/// ```
/// assert!(golive_cache::cache_rules().iter().any(|rule| rule.id == "redis.evicts"));
/// ```
#[must_use]
pub fn cache_rules() -> &'static [CacheRule] {
    RULES
}

const fn rule(id: &'static str, title: &'static str, why: &'static str, remedy: &'static str) -> CacheRule {
    CacheRule { id, title, why, remedy }
}

const RULES: &[CacheRule] = &[
    rule(
        "redis.role",
        "the server is no primary",
        "a replica refuses writes and answers what was true a moment ago: a logout is lost or late",
        "point REDIS_URL at the primary, or use redis-sentinel:// so that it is found after a failover",
    ),
    rule(
        "redis.evicts",
        "the server drops keys when it is full",
        "a revocation is a key: once it is evicted, the token that was revoked is valid again",
        "set maxmemory-policy noeviction, and give caches that may be evicted a server of their own",
    ),
    rule(
        "redis.policy_unknown",
        "the server does not tell its maxmemory-policy",
        "whether it evicts revocations under pressure is not known",
        "read it in your provider's console: it must be noeviction",
    ),
    rule(
        "redis.no_append_only",
        "not every write reaches the disk",
        "after a restart revocations are forgotten, and rate limits begin anew",
        "set appendonly yes (CONFIG SET appendonly yes, then CONFIG REWRITE)",
    ),
    rule(
        "redis.write_failed",
        "the last write to disk failed",
        "what was revoked since then is forgotten when the server restarts",
        "make room on the server's disk and read its log",
    ),
    rule(
        "redis.no_password",
        "the server lets anybody in",
        "whoever reaches the port can read sessions, revoke them, or undo a revocation",
        "set requirepass or an ACL user, and put it into REDIS_URL",
    ),
    rule(
        "redis.old",
        "the version is no longer maintained",
        "its known holes stay open, and it lacks the ACLs that a restricted user needs",
        "upgrade to Redis 7 or Valkey 8",
    ),
    rule(
        "redis.nearly_full",
        "more than four fifths of maxmemory are in use",
        "with noeviction a full server refuses to record revocations, and logins fail closed",
        "raise maxmemory, or find what fills it: redis-cli --bigkeys",
    ),
    rule(
        "redis.evicted",
        "keys were evicted since the server started",
        "revocations may be among them, so tokens that were revoked may be valid again",
        "rotate the secret key or revoke all sessions, then set maxmemory-policy noeviction",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_and_the_check_name_the_same_findings() {
        let check = include_str!("check.rs").split("#[cfg(test)]").next().unwrap_or_default();
        let used: std::collections::BTreeSet<&str> =
            check.split("\"redis.").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let listed: std::collections::BTreeSet<&str> =
            RULES.iter().map(|rule| rule.id.trim_start_matches("redis.")).collect();
        assert_eq!(used, listed);
        assert_eq!(listed.len(), RULES.len(), "one stands twice");
    }
}
