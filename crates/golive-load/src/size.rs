//! Memory settings of a MariaDB server, computed from its facts with the arithmetic shown.
//!
//! Rules: InnoDB buffer pool 70 to 80 % of what is left to MariaDB on a dedicated host, but no more than the data needs
//! (MariaDB manual, "InnoDB Buffer Pool"); redo log large enough for about an hour of writes, here a quarter of the pool;
//! query cache off, as its one lock serializes writers. What must not be here: settings without a reason.
//! Looking at a server or a host is `observe`'s.

mod observe;

use serde::{Deserialize, Serialize};

pub use observe::{HostFacts, observe_host, observe_server};

/// What must be known of a server. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerFacts {
    /// Memory of the host, or the container's limit if that is lower.
    pub ram_bytes: u64,
    /// Processor cores.
    pub cores: u32,
    /// Data and indexes together, as `information_schema.tables` tells.
    pub data_bytes: u64,
    /// Expected growth as a factor of `data_bytes`, 2 when unknown.
    pub growth_factor: f64,
    /// Sum of the connections that all instances of the application may open.
    pub application_connections: u32,
    /// What else runs on the host: application workers, Redis, a proxy. 0 on a dedicated host.
    pub other_services_bytes: u64,
    /// Present `innodb_buffer_pool_size`, if known.
    pub buffer_pool_bytes: Option<u64>,
    /// Present `max_connections`, if known.
    pub max_connections: Option<u32>,
    /// Whether the query cache is on, if known.
    pub query_cache_on: Option<bool>,
    /// Buffers and stack of one busy session.
    pub session_bytes: u64,
}

impl ServerFacts {
    /// A dedicated host with 151 connections at most (the server's default) and data that may double.
    #[must_use]
    pub fn new(ram_bytes: u64, cores: u32, data_bytes: u64) -> Self {
        Self {
            ram_bytes,
            cores,
            data_bytes,
            growth_factor: 2.0,
            application_connections: 100,
            other_services_bytes: 0,
            buffer_pool_bytes: None,
            max_connections: None,
            query_cache_on: None,
            session_bytes: SESSION_BYTES,
        }
    }
}

/// What to set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SizingAdvice {
    /// One entry a setting, most important first.
    pub settings: Vec<Setting>,
    /// How the memory for MariaDB came about.
    pub memory: Vec<Subtraction>,
    /// What is wrong with the present settings.
    pub warnings: Vec<String>,
}

impl SizingAdvice {
    /// The settings as a file for `/etc/mysql/mariadb.conf.d/`.
    #[must_use]
    pub fn to_option_file(&self) -> String {
        let mut out = String::from("[mariadbd]\n");
        for setting in &self.settings {
            out.push_str(&format!("# {}\n{} = {}\n", setting.reason, setting.name, setting.value));
        }
        out
    }
}

/// One server variable with the value advised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Setting {
    /// Name of the variable.
    pub name: String,
    /// Value as it is written in an option file.
    pub value: String,
    /// Why.
    pub reason: String,
}

/// One line of the memory account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Subtraction {
    /// What takes it.
    pub what: String,
    /// How much, negative when it is taken away.
    pub bytes: i64,
}

/// Computes the settings of a server. Never advises more memory than there is.
#[must_use]
pub fn size_server(facts: &ServerFacts) -> SizingAdvice {
    let connections = connections(facts);
    let account = Account::of(facts, connections);
    let pool = pool_bytes(facts, &account);
    let redo = (pool / 4).clamp(MIN_REDO, MAX_REDO) / MIB * MIB;
    let settings = vec![
        setting("innodb_buffer_pool_size", &mebibytes(pool), &pool_reason(facts, &account, pool)),
        setting(
            "innodb_log_file_size",
            &mebibytes(redo),
            "a quarter of the buffer pool, between 96 MiB and 4 GiB",
        ),
        setting(
            "max_connections",
            &connections.to_string(),
            "what the application may open, with 10 for administration and backups and a tenth to spare",
        ),
        setting("query_cache_type", "OFF", "one lock for all sessions; it slows down writers"),
        setting("query_cache_size", "0", "no memory for what is off"),
        setting("innodb_flush_log_at_trx_commit", "1", "a commit that was confirmed survives a power cut"),
        setting("innodb_flush_method", "O_DIRECT", "pages are cached once, in the buffer pool"),
    ];
    SizingAdvice { settings, memory: account.lines(facts), warnings: warnings(facts, &account, connections) }
}

/// What is left of the memory, step by step.
struct Account {
    system: u64,
    sessions: u64,
    available: u64,
}

impl Account {
    fn of(facts: &ServerFacts, connections: u32) -> Self {
        let system = GIB.max(facts.ram_bytes / 10).min(facts.ram_bytes / 2);
        let sessions = u64::from(connections).saturating_mul(facts.session_bytes) / 10 * 3;
        let available = facts.ram_bytes.saturating_sub(system).saturating_sub(facts.other_services_bytes);
        Self { system, sessions, available }
    }

    fn lines(&self, facts: &ServerFacts) -> Vec<Subtraction> {
        let line = |what: &str, bytes: i64| Subtraction { what: what.to_owned(), bytes };
        vec![
            line("memory of the host", signed(facts.ram_bytes)),
            line("operating system (a tenth, at least 1 GiB)", -signed(self.system)),
            line("other services on the host", -signed(facts.other_services_bytes)),
            line(
                &format!(
                    "sessions: {} connections of {} KiB, 30 % of them busy",
                    connections(facts),
                    facts.session_bytes / 1024
                ),
                -signed(self.sessions),
            ),
            line(
                "left for the buffer pool and the server's own structures",
                signed(self.available.saturating_sub(self.sessions)),
            ),
            line(
                "the buffer pool: the least of 80 % of what is left to MariaDB, nine tenths of the line above, and the data",
                signed(pool_bytes(facts, self)),
            ),
        ]
    }
}

fn connections(facts: &ServerFacts) -> u32 {
    facts
        .application_connections
        .saturating_add(facts.application_connections / 10)
        .saturating_add(10)
        .max(30)
}

fn pool_bytes(facts: &ServerFacts, account: &Account) -> u64 {
    let share = account.available / 5 * 4;
    let room = account.available.saturating_sub(account.sessions) / 10 * 9;
    // The floor must not exceed a tiny host.
    let floor = MIN_POOL.min(facts.ram_bytes / 2).max(MIB);
    share.min(room).min(needed(facts)).max(floor) / MIB * MIB
}

/// Data with its growth, and a tenth for the pool's own structures.
fn needed(facts: &ServerFacts) -> u64 {
    let growth = if facts.growth_factor.is_finite() { facts.growth_factor.clamp(1.0, 100.0) } else { 2.0 };
    (facts.data_bytes as f64 * growth * 1.1) as u64
}

fn pool_reason(facts: &ServerFacts, account: &Account, pool: u64) -> String {
    let percent = (pool * 100).checked_div(account.available).unwrap_or(0);
    if needed(facts) <= pool {
        format!(
            "all data with its growth fits; {percent} % of the {} left to MariaDB",
            mebibytes(account.available)
        )
    } else {
        format!("{percent} % of the {} left to MariaDB; the data is larger", mebibytes(account.available))
    }
}

fn warnings(facts: &ServerFacts, account: &Account, connections: u32) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(pool) = facts.buffer_pool_bytes {
        if pool > account.available / 5 * 4 {
            found.push(format!(
                "the buffer pool of {} is more than 80 % of the {} left to MariaDB: the host may run out of memory",
                mebibytes(pool),
                mebibytes(account.available)
            ));
        } else if pool < facts.data_bytes.min(account.available / 2) {
            found.push(format!(
                "the buffer pool of {} is smaller than the {} of data, and memory is free",
                mebibytes(pool),
                mebibytes(facts.data_bytes)
            ));
        }
    }
    if let Some(max) = facts.max_connections.filter(|max| *max < connections) {
        found.push(format!(
            "max_connections is {max}; the application may open {} and 10 are needed beside it",
            facts.application_connections
        ));
    }
    if facts.query_cache_on == Some(true) {
        found.push("the query cache is on: switch it off".to_owned());
    }
    if account.available < MIN_POOL + account.sessions {
        found.push("too little memory is left to MariaDB: move other services or add memory".to_owned());
    }
    if facts.cores < 2 {
        found.push("one core: a backup or a long query delays every request".to_owned());
    }
    found
}

fn setting(name: &str, value: &str, reason: &str) -> Setting {
    Setting { name: name.to_owned(), value: value.to_owned(), reason: reason.to_owned() }
}

fn mebibytes(bytes: u64) -> String {
    format!("{}M", bytes / MIB)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;
/// The server's own default; less helps nobody.
const MIN_POOL: u64 = 128 * MIB;
const MIN_REDO: u64 = 96 * MIB;
const MAX_REDO: u64 = 4 * GIB;
/// Sort, join and read buffers and the stack of one session with the server's defaults.
const SESSION_BYTES: u64 = 3 * MIB;

#[cfg(test)]
mod tests {
    use super::*;

    fn value(advice: &SizingAdvice, name: &str) -> u64 {
        let setting = advice.settings.iter().find(|s| s.name == name).unwrap();
        setting.value.trim_end_matches('M').parse().unwrap()
    }

    #[test]
    fn a_dedicated_host_gives_between_70_and_80_percent() {
        for ram in [8, 16, 64, 256] {
            let advice = size_server(&ServerFacts::new(ram * GIB, 8, 1000 * GIB));
            let account = Account::of(&ServerFacts::new(ram * GIB, 8, 1000 * GIB), 120);
            let share = value(&advice, "innodb_buffer_pool_size") * MIB * 100 / account.available;
            assert!((70..=80).contains(&share), "{share} % of {ram} GiB");
        }
    }

    #[test]
    fn small_data_needs_a_small_pool() {
        let advice = size_server(&ServerFacts::new(64 * GIB, 8, GIB));
        assert_eq!(value(&advice, "innodb_buffer_pool_size"), 2252);
    }

    #[test]
    fn a_shared_host_gives_less() {
        let mut facts = ServerFacts::new(16 * GIB, 4, 100 * GIB);
        facts.other_services_bytes = 8 * GIB;
        let pool = value(&size_server(&facts), "innodb_buffer_pool_size");
        assert!(pool < 5300, "{pool}");
    }

    #[test]
    fn nothing_is_advised_that_is_not_there() {
        for ram in [0, 1, 64 * MIB, 512 * MIB, GIB] {
            let advice = size_server(&ServerFacts::new(ram, 1, 100 * GIB));
            assert!(value(&advice, "innodb_buffer_pool_size") * MIB <= (ram / 2).max(MIB));
        }
    }

    #[test]
    fn present_settings_are_held_against_the_facts() {
        let mut facts = ServerFacts::new(16 * GIB, 4, 100 * GIB);
        facts.buffer_pool_bytes = Some(15 * GIB);
        facts.max_connections = Some(50);
        facts.query_cache_on = Some(true);
        let warnings = size_server(&facts).warnings;
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(
            warnings[0].contains("80 %") && warnings[1].contains("50") && warnings[2].contains("query cache")
        );
    }

    #[test]
    fn the_option_file_names_each_setting_with_its_reason() {
        let file = size_server(&ServerFacts::new(8 * GIB, 4, GIB)).to_option_file();
        assert!(file.starts_with("[mariadbd]\n# "));
        assert!(file.contains("\nquery_cache_type = OFF\n"));
    }
}
