//! 4.1, 4.3: the newest backup is restored into a disposable server and compared, table by table. This is also the
//! rehearsal of a corrupt database.

use std::sync::Arc;

use async_trait::async_trait;
use golive_backup::{Progress, ProofLevel, RestoreOptions, Server, compare_restored, restore_backup};
use golive_sandbox::{MariaDb, MariaDbOptions};
use secrecy::SecretString;

use super::backup::{newest, repository, signed};
use crate::context::Context;
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
        let facts = manifest.database();
        let facts = facts.ok_or_else(|| StepError::unknown("the newest backup holds no database"))?;
        // Under its own name: triggers and routines may name it.
        let database = facts.name.clone();
        let began = std::time::Instant::now();
        let start = {
            let mut options = MariaDbOptions::new();
            options.databases = vec![database.clone()];
            // The default redo log of a disposable server is tiny; a restore writes a lot.
            options.settings =
                ["--innodb-buffer-pool-size=256M", "--innodb-log-file-size=128M"].map(str::to_owned).to_vec();
            move || MariaDb::start(&options)
        };
        let disposable = tokio::task::spawn_blocking(start).await.expect("starting a server does not panic");
        let disposable = Arc::new(disposable.doing("start a disposable server for the drill")?);
        let server = Server::parse(&SecretString::from(disposable.url(&database)))
            .doing("reach the disposable server")?;
        let (options, silent) = (RestoreOptions::new(), Progress::silent());
        let restored = restore_backup(&repository, &manifest.id, &server, &database, &options, &silent)
            .await
            .doing("restore the newest backup")?;
        let compared = compare_restored(&manifest, &server, &database, &silent)
            .await
            .doing("compare the restored data")?;
        let seconds = began.elapsed().as_secs_f64();
        let record = compared.proof(context.now(), restored.seconds);
        repository.record(&manifest.id, &record).doing("record the drill with the backup")?;
        // What the gate reads is what a holder of the key has signed, and when.
        let signed = signed(&repository, &manifest.id, ProofLevel::Restored)?;
        let mut seen = Witness::new(
            format!("the signed proof of backup {}, restored into a disposable server", manifest.id.as_str()),
            signed.at,
        );
        seen.saw("backup.restored_equal", signed.passed)
            .saw("backup.restored_tables", compared.tables)
            .saw("backup.restored_rows", compared.rows)
            .saw("backup.restore_seconds", restored.seconds)
            .saw("recovery.rto_seconds", seconds);
        for difference in compared.differences.iter().take(5) {
            seen.finds(difference.to_string());
        }
        tokio::task::spawn_blocking(move || drop(disposable))
            .await
            .expect("stopping a server does not panic");
        Ok(seen.done())
    }
}
