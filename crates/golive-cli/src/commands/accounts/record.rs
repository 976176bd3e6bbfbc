//! `--record-as` and `accounts audit verify`: who did what, in a trail that tells when it was changed.

use std::path::{Path, PathBuf};

use golive_auth::{Accounts, AuditBreakKind, AuditError, AuditHead, Tenants};
use serde_json::json;

use super::{Target, open};
use crate::args::Global;
use crate::clock;
use crate::commands::support::show;
use crate::exit::{End, Failure, Result};

/// In whose name it is done.
#[derive(Debug, clap::Args)]
pub(super) struct Record {
    /// Record each change in the audit trail of the database, as done by this person; makes its tables.
    #[arg(long, value_name = "NAME")]
    record_as: Option<String>,
}

impl Record {
    /// The same accounts and tenants, changed in this person's name. A trail that cannot be written stops the deed.
    pub(super) async fn open(
        &self,
        accounts: Accounts,
        tenants: Option<Tenants>,
    ) -> std::result::Result<(Accounts, Option<Tenants>), Failure> {
        let Some(actor) = &self.record_as else { return Ok((accounts, tenants)) };
        accounts.audit_trail().create_tables().await.map_err(failure)?;
        let now = clock::now();
        Ok((accounts.recorded(actor, now), tenants.map(|tenants| tenants.recorded(actor, now))))
    }
}

/// What can be done with the audit trail.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Audit {
    /// Compute every digest again, and say where the trail was changed.
    Verify(VerifyArgs),
}

/// What `audit verify` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    target: Target,
    /// Compare with the head kept in this file, and keep the new one there if the trail is whole. Keep the file on another
    /// machine: it tells a trail that was rewritten from its beginning.
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
}

pub(super) async fn verify(global: &Global, args: &VerifyArgs) -> Result {
    let kept = args.keep.as_deref().map(read_head).transpose()?.flatten();
    let (accounts, _) = open(global, &args.target).await?;
    let verdict = accounts.audit_trail().verify(kept.as_ref()).await.map_err(failure)?;
    if let (Some(path), None) = (&args.keep, &verdict.broken) {
        let text = serde_json::to_string(&verdict.head).expect("plain data");
        std::fs::write(path, text + "\n").map_err(Failure::reach)?;
    }
    show(global, &json!({ "whole": verdict.broken.is_none(), "verdict": verdict }), || {
        match &verdict.broken {
            None => format!(
                "the audit trail is whole: {} entries, last {}",
                verdict.head.entries, verdict.head.digest
            ),
            Some(broken) => {
                let how = match broken.kind {
                    AuditBreakKind::Missing => "is gone",
                    AuditBreakKind::Altered => "is not what was written",
                    AuditBreakKind::Surplus => "was added without the trail",
                    AuditBreakKind::Rewritten => "does not go on from the head that was kept",
                    _ => "is wrong in a way not known here",
                };
                format!("entry {} {how}; what is before it is whole", broken.entry)
            }
        }
    });
    Ok(if verdict.broken.is_none() { End::Ready } else { End::NotReady })
}

fn read_head(path: &Path) -> std::result::Result<Option<AuditHead>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|_| {
            Failure::usage(format!("read {} as a kept head: name another file with --keep", path.display()))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::reach(error)),
    }
}

pub(super) fn failure(error: AuditError) -> Failure {
    match error {
        AuditError::TooLong => Failure::usage(error),
        _ => Failure::reach(error),
    }
}
