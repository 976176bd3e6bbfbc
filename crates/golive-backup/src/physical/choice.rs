//! Dump or files? A pure decision by size, with its reason.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Loading a dump costs about this many seconds a gigabyte of InnoDB data: 54 to 63 CPU seconds in one thread of the
/// server, measured on MariaDB 10.11, and as much again for a machine that does other things too.
const DUMP_SECONDS_PER_GB: f64 = 100.0;
/// Unpacking and preparing files: 11 seconds a gigabyte, measured beside the above.
const FILES_SECONDS_PER_GB: f64 = 11.0;

/// How a backup is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Engine {
    /// SQL of one database, which any later version reads.
    Logical,
    /// The files of the whole server, which the same version reads.
    Physical,
}

/// Which to take, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EngineAdvice {
    /// The engine.
    pub engine: Engine,
    /// Expected seconds until a dump is loaded.
    pub logical_seconds: f64,
    /// Expected seconds until files are in place.
    pub physical_seconds: f64,
    /// A sentence.
    pub reason: String,
}

impl fmt::Display for EngineAdvice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.reason)
    }
}

/// Advises for `data_bytes` of tables and indexes and the time within which a restore must be done.
pub fn advise_engine(data_bytes: u64, within: Duration) -> EngineAdvice {
    let gigabytes = data_bytes as f64 / 1e9;
    let (logical_seconds, physical_seconds) =
        (gigabytes * DUMP_SECONDS_PER_GB, gigabytes * FILES_SECONDS_PER_GB);
    let limit = within.as_secs_f64();
    let (engine, reason) = if logical_seconds <= limit {
        let reason = format!(
            "{gigabytes:.1} GB load from a dump in about {logical_seconds:.0} s, within the {limit:.0} s: a dump, which \
             later versions of MariaDB read too"
        );
        (Engine::Logical, reason)
    } else {
        let reason = format!(
            "{gigabytes:.1} GB would load from a dump in about {logical_seconds:.0} s, more than the {limit:.0} s; their \
             files are back in about {physical_seconds:.0} s: physical, and a dump now and then for a change of version"
        );
        (Engine::Physical, reason)
    };
    EngineAdvice { engine, logical_seconds, physical_seconds, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_decides_and_says_so() {
        let hour = Duration::from_secs(3600);
        assert_eq!(advise_engine(1_000_000_000, hour).engine, Engine::Logical);
        let large = advise_engine(100_000_000_000, hour);
        assert_eq!(large.engine, Engine::Physical);
        assert!(large.reason.contains("10000 s") && large.reason.contains("1100 s"), "{large}");
    }
}
