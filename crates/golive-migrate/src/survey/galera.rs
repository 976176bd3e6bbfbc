//! What a target that is a node of a Galera cluster does differently: pure, from what the node said of itself.

use super::model::Survey;
use crate::finding::{Finding, Severity};
use crate::target::{ServerInfo, older_than};

/// Above this share of held-up time a load makes it worse.
const PAUSED_TOO_MUCH: f64 = 0.1;

/// Adds what the cluster makes of these tables; nothing where there is none.
pub(super) fn findings(server: &ServerInfo, survey: &mut Survey) {
    let Some(galera) = &server.galera else { return };
    let mut found = Vec::new();
    let note = |id, what: String, remedy: &str| Finding::new(id, Severity::Note, what, remedy);
    for table in survey.tables.iter().filter(|table| table.primary_key.is_empty()) {
        let (severity, what) = if galera.forces_primary_key {
            (
                Severity::Blocks,
                "has no primary key, and the server refuses such tables (innodb_force_primary_key)",
            )
        } else {
            (
                Severity::ChangesData,
                "has no primary key: in a Galera cluster its rows may come in another order on each node, and deleting from it is not supported",
            )
        };
        let remedy = "give it a primary key in the source";
        found.push(Finding::new("MIG-GALERA-NO-KEY", severity, what, remedy).table(&table.name));
    }
    for table in &survey.tables {
        let widest: u64 = table.columns.iter().map(|column| column.census.max_bytes as u64).sum();
        if galera.max_write_set_bytes > 0 && widest > galera.max_write_set_bytes / 2 {
            let what = format!(
                "may hold a row of {widest} bytes, and the cluster replicates {} a transaction",
                galera.max_write_set_bytes
            );
            let remedy = "raise wsrep_max_ws_size on every node, or keep such values elsewhere";
            found.push(
                Finding::new("MIG-GALERA-WRITE-SET", Severity::Blocks, what, remedy).table(&table.name),
            );
        }
    }
    if galera.max_write_set_rows > 0 {
        let what = format!(
            "transactions may have {} rows (wsrep_max_ws_rows); chunks are cut to that",
            galera.max_write_set_rows
        );
        found.push(note(
            "MIG-GALERA-WRITE-SET",
            what,
            "nothing, or lift the limit during the migration: small chunks are slow",
        ));
    }
    if galera.flow_control_paused > PAUSED_TOO_MUCH {
        let what = format!(
            "a slow node holds the cluster up for {:.0} % of the time",
            galera.flow_control_paused * 100.0
        );
        found.push(note(
            "MIG-GALERA-FLOW-CONTROL",
            what,
            "find the slow node (wsrep_local_recv_queue_avg) before loading more",
        ));
    }
    if galera.schema_upgrade_method != "TOI" {
        let what = format!(
            "wsrep_OSU_method is {}: tables would be made on one node only",
            galera.schema_upgrade_method
        );
        let remedy = "SET GLOBAL wsrep_OSU_method = TOI";
        found.push(Finding::new("MIG-GALERA-OSU", Severity::Blocks, what, remedy));
    }
    if older_than(&server.version, (10, 6, 14))
        || !older_than(&server.version, (10, 7, 0)) && older_than(&server.version, (10, 11, 4))
    {
        let what = format!(
            "MariaDB {} refuses GET_LOCK in a cluster, by which a second run is kept away",
            server.version
        );
        let remedy = "update it to 10.6.14, 10.11.4 or newer";
        found.push(Finding::new("MIG-GALERA-LOCK", Severity::Blocks, what, remedy));
    } else {
        let what =
            format!("the lock that keeps a second run away holds on this node only, of {}", galera.nodes);
        found.push(note("MIG-GALERA-LOCK", what, "let every run name the same node first; two runs on two nodes hinder each other but copy nothing twice"));
    }
    if galera.splits_load_data {
        let what = "wsrep_load_data_splitting is on: LOAD DATA would commit in the middle of a chunk, so rows go by INSERT".to_owned();
        found.push(note(
            "MIG-GALERA-SPLITTING",
            what,
            "nothing, or SET GLOBAL wsrep_load_data_splitting = OFF",
        ));
    }
    survey.findings.extend(found);
}
