//! 4.1, 4.3: the newest backup is restored into a disposable server and compared, table by table. This is also the
//! rehearsal of a corrupt database.

use async_trait::async_trait;
use golive_backup::{Progress, ProofLevel};

use super::backup::{newest, repository, signed};
use crate::context::Context;
use crate::restore_proof::prove_backup;
use crate::step::{About, Doing, Plan, Proof, Step, StepError, Witness};

pub(crate) struct RestoreDrill;

#[async_trait]
impl Step for RestoreDrill {
    fn about(&self) -> About {
        About::new("restore-drill", 4, "Restore the backup into a disposable server and compare")
            .checklist(&["4.1", "4.3"])
            .after(&["backup"])
            .supplies(&["backup.restored_equal", "recovery.rto_seconds"])
    }

    async fn plan(&self, _context: &Context) -> Result<Plan, StepError> {
        Ok(Plan::lines(vec![
            "start a disposable MariaDB, restore the newest backup into it".to_owned(),
            "compare row counts, content and inventory with the backup's own record".to_owned(),
        ]))
    }

    async fn prove(&self, context: &Context) -> Result<Proof, StepError> {
        let repository = repository(context)?;
        let manifest = newest(context, &repository)?;
        let now = || context.now();
        let drilled = prove_backup(&repository, &manifest, &now, &Progress::silent())
            .await
            .doing("restore the newest backup into a disposable server and compare")?;
        // What the gate reads is what a holder of the key has signed, and when.
        let signed = signed(&repository, &manifest.id, ProofLevel::Restored)?;
        let mut seen = Witness::new(
            format!("the signed proof of backup {}, restored into a disposable server", manifest.id.as_str()),
            signed.at,
        );
        seen.saw("backup.restored_equal", signed.passed)
            .saw("backup.restored_tables", drilled.comparisons.iter().map(|one| one.tables).sum::<usize>())
            .saw("backup.restored_rows", drilled.comparisons.iter().map(|one| one.rows).sum::<u64>())
            .saw("backup.restore_seconds", drilled.restore_seconds)
            .saw("recovery.rto_seconds", drilled.seconds);
        let differences = drilled.comparisons.iter().flat_map(|one| &one.differences);
        for difference in differences.take(5) {
            seen.finds(difference.to_string());
        }
        Ok(seen.done())
    }
}
