//! The facts that sizing needs, read from a server and from the host this runs on.
//!
//! What must not be here: arithmetic. What could not be read stays `None` and is told, never guessed.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sqlx::mysql::MySqlConnection;
use sqlx::{Connection, Row};

use super::ServerFacts;
use crate::review::{self, ReviewError};

/// What this machine, or the container this runs in, has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostFacts {
    /// Memory of the machine, in bytes.
    pub ram_bytes: u64,
    /// What the control group allows, in bytes, when that is less.
    pub cgroup_bytes: Option<u64>,
    /// What processes other than the database server take now, in bytes.
    pub others_bytes: u64,
    /// Processor cores.
    pub cores: u32,
}

impl HostFacts {
    /// What may be used: the machine's memory, or the control group's limit where that is lower.
    #[must_use]
    pub fn limit_bytes(&self) -> u64 {
        self.cgroup_bytes.map_or(self.ram_bytes, |limit| limit.min(self.ram_bytes))
    }
}

/// Looks at this machine; `None` where `/proc` does not tell, as outside of Linux.
#[must_use]
pub fn observe_host() -> Option<HostFacts> {
    let text = |path: &str| std::fs::read_to_string(path).ok();
    let meminfo = text("/proc/meminfo")?;
    let cgroup =
        text("/sys/fs/cgroup/memory.max").or_else(|| text("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    let database = database_server_bytes();
    let cores =
        std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    host(&meminfo, cgroup.as_deref(), database, cores)
}

fn host(meminfo: &str, cgroup: Option<&str>, database_bytes: u64, cores: u32) -> Option<HostFacts> {
    let ram_bytes = kibibytes(meminfo, "MemTotal:")?;
    let free = kibibytes(meminfo, "MemAvailable:")?;
    // An unlimited group says `max`, or in version 1 a number beyond any memory.
    let cgroup_bytes = cgroup.and_then(|text| text.trim().parse().ok()).filter(|limit| *limit < ram_bytes);
    let others_bytes = ram_bytes.saturating_sub(free).saturating_sub(database_bytes);
    Some(HostFacts { ram_bytes, cgroup_bytes, others_bytes, cores })
}

fn kibibytes(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Resident memory of the database servers on this machine.
fn database_server_bytes() -> u64 {
    let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
    let text = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let server = |name: &str| matches!(name.trim(), "mariadbd" | "mysqld");
    processes
        .flatten()
        .filter(|process| server(&text(process.path().join("comm"))))
        .filter_map(|process| kibibytes(&text(process.path().join("status")), "VmRSS:"))
        .sum()
}

/// Fills the facts with what the server in `url` says of itself: the data of all its databases, its settings now.
///
/// # Errors
/// When it cannot be reached or asked.
pub async fn observe_server(url: &SecretString, mut facts: ServerFacts) -> Result<ServerFacts, ReviewError> {
    let (connect, _) = review::address(url)?;
    let mut connection =
        MySqlConnection::connect_with(&connect).await.map_err(|source| ReviewError::Connect { source })?;
    let failed = |source| ReviewError::Query { what: "its size and settings", source };
    let row = sqlx::raw_sql(
        "SELECT CAST((SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables \
         WHERE engine = 'InnoDB') AS CHAR), CAST(@@innodb_buffer_pool_size AS CHAR), CAST(@@max_connections AS CHAR), \
         CAST(@@query_cache_type AS CHAR), CAST(@@sort_buffer_size + @@join_buffer_size + @@read_buffer_size \
         + @@read_rnd_buffer_size + @@thread_stack AS CHAR)",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(failed)?;
    let text = |at: usize| row.try_get_unchecked::<String, _>(at).map_err(failed);
    facts.data_bytes =
        text(0)?.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(facts.data_bytes);
    facts.buffer_pool_bytes = text(1)?.parse().ok();
    facts.max_connections = text(2)?.parse().ok();
    facts.query_cache_on = Some(!matches!(text(3)?.as_str(), "OFF" | "0"));
    facts.session_bytes = text(4)?.parse().unwrap_or(facts.session_bytes);
    let _ = connection.close().await;
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:    9000000 kB\n";

    #[test]
    fn a_container_has_its_limit_and_others_are_what_is_taken_without_the_server() {
        let facts = host(MEMINFO, Some("4294967296\n"), 2_000_000 * 1024, 4).unwrap();
        assert_eq!(facts.limit_bytes(), 4 << 30);
        assert_eq!(facts.others_bytes, 5_000_000 * 1024);
    }

    #[test]
    fn no_limit_is_the_machine() {
        for cgroup in [None, Some("max\n"), Some("9223372036854771712\n")] {
            assert_eq!(host(MEMINFO, cgroup, 0, 4).unwrap().limit_bytes(), 16_000_000 * 1024);
        }
        assert_eq!(host("MemTotal: x", None, 0, 4), None);
    }
}
