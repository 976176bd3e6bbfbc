//! What Redis says of itself, as numbers. How it is asked is the service's business: this crate knows no client.

/// The numbers of a Redis server that say whether it is well, from the text that its command `INFO` answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisInfo {
    /// Bytes of memory in use.
    pub used_memory: u64,
    /// Bytes of memory that it may use; zero where nothing bounds it.
    pub max_memory: u64,
    /// Clients that are connected.
    pub clients: u64,
    /// Keys given up for lack of memory since it started.
    pub evicted_keys: u64,
    /// Lookups that found their key since it started.
    pub hits: u64,
    /// Lookups that found nothing since it started.
    pub misses: u64,
}

impl RedisInfo {
    /// Reads the answer of `INFO` (the sections memory, clients and stats are needed); nothing if a number is missing, as
    /// a part of an answer is no answer.
    ///
    /// ```
    /// # use golive_observe::RedisInfo;
    /// let info = "used_memory:1048576\r\nmaxmemory:0\r\nconnected_clients:3\r\nevicted_keys:0\r\n\
    ///             keyspace_hits:90\r\nkeyspace_misses:10\r\n";
    /// assert_eq!(RedisInfo::parse(info).map(|info| info.hits), Some(90));
    /// ```
    #[must_use]
    pub fn parse(info: &str) -> Option<Self> {
        let number = |name: &str| {
            let lines = info.lines().filter_map(|line| line.split_once(':'));
            let mut values = lines.filter(|(found, _)| *found == name).map(|(_, value)| value.trim());
            values.next()?.parse().ok()
        };
        Some(Self {
            used_memory: number("used_memory")?,
            max_memory: number("maxmemory")?,
            clients: number("connected_clients")?,
            evicted_keys: number("evicted_keys")?,
            hits: number("keyspace_hits")?,
            misses: number("keyspace_misses")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_an_answer_is_no_answer() {
        let whole = "# Memory\r\nused_memory:7\r\nused_memory_peak:9\r\nmaxmemory:8\r\n# Clients\r\n\
            connected_clients:2\r\nevicted_keys:1\r\nkeyspace_hits:5\r\nkeyspace_misses:4\r\n";
        let expected =
            RedisInfo { used_memory: 7, max_memory: 8, clients: 2, evicted_keys: 1, hits: 5, misses: 4 };
        assert_eq!(RedisInfo::parse(whole), Some(expected));
        for name in
            ["used_memory:7", "maxmemory", "connected_clients", "evicted_keys", "keyspace_hits", "_misses"]
        {
            assert_eq!(RedisInfo::parse(&whole.replace(name, "gone")), None, "{name}");
        }
        assert_eq!(RedisInfo::parse(&whole.replace(":5", ":many")), None);
        assert_eq!(RedisInfo::parse(""), None);
    }
}
