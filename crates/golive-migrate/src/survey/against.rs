//! What the target says of a survey: whether it is empty, what its settings allow, what collides or has no parent
//! under its collation. It writes nothing but temporary tables.

use mysql_async::prelude::Queryable;

use super::model::{SchemaOrigin, Survey};
use super::{SurveyError, collisions, galera, orphans};
use crate::finding::{Finding, Severity};
use crate::journal;
use crate::source::Source;
use crate::target::{ServerInfo, Target};

/// Looks at the target, and adds what it says.
pub(super) async fn survey(source: &Source, target: &Target, survey: &mut Survey) -> Result<(), SurveyError> {
    let mut conn = target.open().await?;
    let known: Option<String> = conn
        .exec_first(
            "SELECT COLLATION_NAME FROM information_schema.COLLATIONS WHERE COLLATION_NAME = ?",
            (&survey.collation,),
        )
        .await?;
    if known.is_none() {
        return Err(SurveyError::Collation { collation: survey.collation.clone() });
    }
    let foreign = journal::foreign_tables(&mut conn).await?;
    let begun = journal::exists(&mut conn).await?;
    collisions::find(source, &mut conn, survey).await?;
    orphans::by_the_server(source, &mut conn, survey).await?;
    let _ = conn.disconnect().await;
    let ours = survey.schema == SchemaOrigin::Source;
    if let (Some(first), false, true) = (foreign.first(), begun, ours) {
        let what =
            format!("the target is not empty: it holds `{first}` and {} more tables", foreign.len() - 1);
        let remedy = "drop and create the database again, or name an empty one";
        survey.findings.push(Finding::new("MIG-TARGET-NOT-EMPTY", Severity::Blocks, what, remedy));
    }
    let server = target.server();
    galera::findings(server, survey);
    if !server.local_infile {
        let what = "the server does not allow LOAD DATA LOCAL INFILE; rows go by INSERT, which takes about half as long again";
        let remedy = "nothing, or SET GLOBAL local_infile = 1 during the migration";
        survey.findings.push(Finding::new("MIG-TARGET-INFILE", Severity::Note, what, remedy));
    }
    if server.lower_case_table_names {
        for table in survey.tables.iter().filter(|table| table.name.chars().any(char::is_uppercase)) {
            let what = "the server keeps names of tables in lower case only (lower_case_table_names)";
            let remedy =
                "set up the server with lower_case_table_names = 0, or rename the table in the source";
            survey
                .findings
                .push(Finding::new("MIG-NAME-CASE", Severity::Blocks, what, remedy).table(&table.name));
        }
    }
    packets(server, survey);
    Ok(())
}

/// LOAD DATA LOCAL carries a row of any size, and reading it back needs nothing of the server either (measured: 100 MiB at
/// packets of 1 MiB); what binds is one statement or parameter, as in an INSERT.
fn packets(server: &ServerInfo, survey: &mut Survey) {
    let packet = server.max_allowed_packet_bytes;
    for table in &survey.tables {
        for column in table.columns.iter().filter(|column| column.census.max_bytes + 1024 > packet) {
            let bytes = column.census.max_bytes;
            // LOAD DATA would carry it; what comes after could not live with it.
            let what = format!(
                "holds a value of {bytes} bytes, the server takes packets of {packet}: its functions answer NULL for such a \
                 value, and neither the application nor a restored dump can write it again"
            );
            let remedy = format!("SET GLOBAL max_allowed_packet = {}", (bytes + 1024).next_power_of_two());
            let finding = Finding::new("MIG-PACKET", Severity::Blocks, what, remedy);
            survey.findings.push(finding.table(&table.name).column(column.name.clone()));
        }
    }
}
