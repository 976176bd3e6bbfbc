//! `backup create --redis` and bringing such a backup back.
//!
//! Not here: how (golive-backup).

use std::path::PathBuf;
use std::time::Duration;

use golive_backup::{
    BackupId, Content, RedisError, RedisServer, Repository, Tools, create_redis, restore_redis,
};
use serde_json::json;

use super::failure::ToFailure;
use super::{CreateArgs, moving, open_to_write, prove_if_due};
use crate::args::Global;
use crate::clock;
use crate::commands::support::{self, Meter, blocking, show};
use crate::exit::{End, Failure, Result};

/// A data set of some gigabytes comes within minutes.
const WITHIN: Duration = Duration::from_secs(3600);

pub(super) async fn create(global: &Global, args: &CreateArgs) -> Result {
    let address = support::redis(global, args.redis_url.as_deref())?;
    let server = RedisServer::parse(&address).map_err(Failure::usage)?;
    let repository = open_to_write(global, &args.place)?;
    let meter = Meter::new(global, "fetching the data of Redis");
    let fetched =
        create_redis(&server, &repository, &Tools::new(), WITHIN, clock::now(), &moving(&meter)).await;
    meter.clear();
    let manifest = fetched.map_err(failure)?;
    show(global, &json!({ "repository": repository.directory(), "backup": manifest }), || {
        let keys = match &manifest.content {
            Content::Redis(facts) => facts.keys_after,
            _ => 0,
        };
        format!("backup {} of {keys} keys of Redis, {} bytes stored", manifest.id, manifest.stored_bytes())
    });
    prove_if_due(global, &repository, &manifest, args.prove).await
}

pub(super) async fn restore(global: &Global, repository: Repository, id: BackupId, into: PathBuf) -> Result {
    let file = blocking(move || restore_redis(&repository, &id, &into)).await.map_err(failure)?;
    show(global, &json!({ "file": file }), || {
        format!(
            "{}: start Redis there with `appendonly no`, then CONFIG SET appendonly yes, and let it write its log (INFO persistence: aof_rewrite_in_progress:0); \
             with it on, the file is not read",
            file.display()
        )
    });
    Ok(End::Ready)
}

pub(super) fn failure(error: RedisError) -> Failure {
    match error {
        RedisError::Repository(error) => error.failure(),
        error @ (RedisError::Address | RedisError::NotEmpty { .. } | RedisError::NotRedis { .. }) => {
            Failure::usage(error)
        }
        error => Failure::reach(error),
    }
}
