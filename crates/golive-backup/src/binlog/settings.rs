//! Whether a server writes a binary log from which a recovery can be made: a pure judgement of its settings.

use std::fmt;

use serde::Serialize;

/// Logs must outlive this much absence of the archiver, in seconds: a long weekend.
const SHORTEST_LIFE_SECONDS: u64 = 4 * 24 * 60 * 60;

/// What a server says about its binary log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BinlogSettings {
    pub(crate) on: bool,
    pub(crate) format: String,
    pub(crate) row_image: String,
    pub(crate) checksum: String,
    pub(crate) sync: u64,
    pub(crate) flush_at_commit: u64,
    /// 0 is never.
    pub(crate) expire_seconds: u64,
    pub(crate) compress: bool,
    /// What `binlog_do_db` and `binlog_ignore_db` name.
    pub(crate) filter: Vec<String>,
}

/// Something about the binary log that makes a recovery impossible or uncertain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
#[non_exhaustive]
pub enum BinlogFinding {
    /// There is none.
    Off,
    /// Statements instead of rows: what they do again may differ.
    NotRows {
        /// The format.
        format: String,
    },
    /// Row events without all columns: nothing can be taken back by flashback.
    NotFullRows {
        /// The image.
        image: String,
    },
    /// A changed byte would go unnoticed.
    NoChecksums,
    /// A crash of the server's machine can lose commits that the application was told of.
    NotSynced,
    /// Logs vanish soon, perhaps before they are archived.
    ExpiresSoon {
        /// After how many seconds.
        seconds: u64,
    },
    /// Only some databases are logged.
    Filtered {
        /// What `binlog_do_db` and `binlog_ignore_db` name.
        names: String,
    },
    /// Statements are compressed, and cannot be searched or told apart by database.
    Compressed,
}

impl BinlogFinding {
    /// Whether no recovery to a point in time is possible with it.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Off | Self::NotRows { .. } | Self::NoChecksums | Self::Filtered { .. })
    }
}

impl fmt::Display for BinlogFinding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => formatter.write_str(
                "the binary log is off: set log_bin, server_id, binlog_format=ROW in [mariadb] and restart the server",
            ),
            Self::NotRows { format } => write!(formatter, "binlog_format is {format}: SET GLOBAL binlog_format=ROW"),
            Self::NotFullRows { image } => write!(
                formatter,
                "binlog_row_image is {image}, so nothing can be undone by flashback: SET GLOBAL binlog_row_image=FULL"
            ),
            Self::NoChecksums => formatter.write_str("binlog_checksum is NONE: SET GLOBAL binlog_checksum=CRC32"),
            Self::NotSynced => formatter.write_str(
                "a crash of the machine can lose commits: set sync_binlog=1 and innodb_flush_log_at_trx_commit=1",
            ),
            Self::ExpiresSoon { seconds } => write!(
                formatter,
                "binary logs are deleted after {} h, perhaps before they are archived: set binlog_expire_logs_seconds to \
                 {SHORTEST_LIFE_SECONDS} or more",
                seconds / 3600
            ),
            Self::Filtered { names } => write!(
                formatter,
                "binlog_do_db or binlog_ignore_db is set ({names}), so the log has holes: remove it and restart the server"
            ),
            Self::Compressed => formatter.write_str(
                "log_bin_compress is on: its statements cannot be searched; SET GLOBAL log_bin_compress=OFF",
            ),
        }
    }
}

/// Judges the settings.
pub(crate) fn judge(settings: &BinlogSettings) -> Vec<BinlogFinding> {
    if !settings.on {
        return vec![BinlogFinding::Off];
    }
    let mut findings = Vec::new();
    if settings.format != "ROW" {
        findings.push(BinlogFinding::NotRows { format: settings.format.clone() });
    }
    if settings.row_image != "FULL" {
        findings.push(BinlogFinding::NotFullRows { image: settings.row_image.clone() });
    }
    if settings.checksum == "NONE" {
        findings.push(BinlogFinding::NoChecksums);
    }
    if settings.sync != 1 || settings.flush_at_commit != 1 {
        findings.push(BinlogFinding::NotSynced);
    }
    if settings.expire_seconds > 0 && settings.expire_seconds < SHORTEST_LIFE_SECONDS {
        findings.push(BinlogFinding::ExpiresSoon { seconds: settings.expire_seconds });
    }
    if !settings.filter.is_empty() {
        findings.push(BinlogFinding::Filtered { names: settings.filter.join(", ") });
    }
    if settings.compress {
        findings.push(BinlogFinding::Compressed);
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bad_setting_is_found_and_good_ones_are_not() {
        let good = BinlogSettings {
            on: true,
            format: "ROW".to_owned(),
            row_image: "FULL".to_owned(),
            checksum: "CRC32".to_owned(),
            sync: 1,
            flush_at_commit: 1,
            expire_seconds: 864_000,
            compress: false,
            filter: Vec::new(),
        };
        assert_eq!(judge(&good), []);
        assert_eq!(judge(&BinlogSettings { expire_seconds: 0, ..good.clone() }), []);
        for (bad, fatal) in [
            (BinlogSettings { on: false, ..good.clone() }, true),
            (BinlogSettings { format: "MIXED".to_owned(), ..good.clone() }, true),
            (BinlogSettings { row_image: "MINIMAL".to_owned(), ..good.clone() }, false),
            (BinlogSettings { checksum: "NONE".to_owned(), ..good.clone() }, true),
            (BinlogSettings { sync: 0, ..good.clone() }, false),
            (BinlogSettings { flush_at_commit: 2, ..good.clone() }, false),
            (BinlogSettings { expire_seconds: 3600, ..good.clone() }, false),
            (BinlogSettings { compress: true, ..good.clone() }, false),
            (BinlogSettings { filter: vec!["kpi".to_owned()], ..good.clone() }, true),
        ] {
            let found = judge(&bad);
            assert_eq!(found.len(), 1, "{bad:?}");
            assert_eq!(found[0].is_fatal(), fatal, "{found:?}");
        }
    }
}
