//! What a target that is a node of a Galera cluster does differently: pure, from what the node said of itself.

use super::model::{Survey, SurveyedTable};
use crate::finding::{Finding, Severity};
use crate::target::{GaleraInfo, ServerInfo, older_than};

/// Above this share of held-up time a load makes it worse.
const PAUSED_TOO_MUCH: f64 = 0.1;

/// Adds what the cluster makes of these tables; nothing where there is none.
pub(super) fn findings(server: &ServerInfo, survey: &mut Survey) {
    let Some(galera) = &server.galera else { return };
    let mut found = Vec::new();
    for table in &survey.tables {
        found.extend(without_key(table, galera));
        found.extend(too_wide(table, galera));
    }
    found.extend(limits(galera));
    found.extend(lock(server, galera));
    survey.findings.extend(found);
}

fn note(id: &'static str, what: String, remedy: &str) -> Finding {
    Finding::new(id, Severity::Note, what, remedy)
}

fn without_key(table: &SurveyedTable, galera: &GaleraInfo) -> Option<Finding> {
    if !table.primary_key.is_empty() {
        return None;
    }
    let (severity, what) = if galera.forces_primary_key {
        (
            Severity::Blocks,
            "has no primary key, and the server refuses such tables (innodb_force_primary_key)",
        )
    } else {
        let what = "has no primary key: in a Galera cluster its rows may come in another order on each node, and deleting \
                    from it is not supported";
        (Severity::ChangesData, what)
    };
    let remedy = "give it a primary key in the source";
    Some(Finding::new("MIG-GALERA-NO-KEY", severity, what, remedy).table(&table.name))
}

fn too_wide(table: &SurveyedTable, galera: &GaleraInfo) -> Option<Finding> {
    let widest: u64 = table.columns.iter().map(|column| column.census.max_bytes).sum();
    if galera.max_write_set_bytes == 0 || widest <= galera.max_write_set_bytes / 2 {
        return None;
    }
    let most = galera.max_write_set_bytes;
    let what = format!("may hold a row of {widest} bytes, and the cluster replicates {most} a transaction");
    let remedy = "raise wsrep_max_ws_size on every node, or keep such values elsewhere";
    Some(Finding::new("MIG-GALERA-WRITE-SET", Severity::Blocks, what, remedy).table(&table.name))
}

fn limits(galera: &GaleraInfo) -> Vec<Finding> {
    let mut found = Vec::new();
    if galera.max_write_set_rows > 0 {
        let rows = galera.max_write_set_rows;
        let what = format!("transactions may have {rows} rows (wsrep_max_ws_rows); chunks are cut to that");
        let remedy = "nothing, or lift the limit during the migration: small chunks are slow";
        found.push(note("MIG-GALERA-WRITE-SET", what, remedy));
    }
    if galera.flow_control_paused > PAUSED_TOO_MUCH {
        let share = galera.flow_control_paused * 100.0;
        let what = format!("a slow node holds the cluster up for {share:.0} % of the time");
        let remedy = "find the slow node (wsrep_local_recv_queue_avg) before loading more";
        found.push(note("MIG-GALERA-FLOW-CONTROL", what, remedy));
    }
    if galera.schema_upgrade_method != "TOI" {
        let method = &galera.schema_upgrade_method;
        let what = format!("wsrep_OSU_method is {method}: tables would be made on one node only");
        let remedy = "SET GLOBAL wsrep_OSU_method = TOI";
        found.push(Finding::new("MIG-GALERA-OSU", Severity::Blocks, what, remedy));
    }
    if galera.splits_load_data {
        let what = "wsrep_load_data_splitting is on: LOAD DATA would commit in the middle of a chunk, so rows go by INSERT";
        let remedy = "nothing, or SET GLOBAL wsrep_load_data_splitting = OFF";
        found.push(note("MIG-GALERA-SPLITTING", what.to_owned(), remedy));
    }
    found
}

/// Clusters take `GET_LOCK` since 10.6.14 and 10.11.4 (MDEV-31325), and then on one node only.
fn lock(server: &ServerInfo, galera: &GaleraInfo) -> Option<Finding> {
    let older = |than| older_than(&server.version, than);
    if older((10, 6, 14)) || !older((10, 7, 0)) && older((10, 11, 4)) {
        let version = &server.version;
        let what =
            format!("MariaDB {version} refuses GET_LOCK in a cluster, by which a second run is kept away");
        let remedy = "update it to 10.6.14, 10.11.4 or newer";
        return Some(Finding::new("MIG-GALERA-LOCK", Severity::Blocks, what, remedy));
    }
    let nodes = galera.nodes;
    let what = format!("the lock that keeps a second run away holds on this node only, of {nodes}");
    let remedy = "let every run name the same node first; two runs on two nodes hinder each other but copy nothing twice";
    (nodes > 1).then(|| note("MIG-GALERA-LOCK", what, remedy))
}
