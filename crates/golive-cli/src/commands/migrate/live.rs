//! Which source a run works from: the application's own file while nobody writes to it, else a frozen copy of one state
//! of it beside the runs, which a run that was cut off finds again.

use std::path::PathBuf;

use golive_migrate::{CancellationToken, FreezeError, FreezeOptions, Frozen, Source, Target, begun_from};
use serde_json::{Value, json};

use super::failure::ToFailure;
use super::{Sides, moving};
use crate::args::Global;
use crate::commands::support::{self, Meter, blocking};
use crate::exit::Failure;
use crate::{commands, output};

/// The source of a run.
pub(super) struct Held {
    pub(super) source: Source,
    frozen: Option<Frozen>,
}

impl Held {
    /// Looks whether somebody writes, and freezes the source if so, or if it is wanted.
    pub(super) async fn take(
        global: &Global,
        sides: &Sides,
        target: &Target,
        freeze: bool,
        cancel: &CancellationToken,
    ) -> Result<Self, Failure> {
        let (path, folder) = places(global, sides)?;
        let begun = begun_from(target).await.map_err(ToFailure::failure)?;
        let found = {
            let (path, folder) = (path.clone(), folder.clone());
            blocking(move || Frozen::find(&path, &folder)).await.map_err(ToFailure::failure)?
        };
        if let Some(frozen) = found {
            // Of an older run into another target it would bring old rows.
            let digest = frozen.source().digest().map_err(Failure::reach)?;
            if begun.as_ref() == Some(&digest) {
                return Ok(Self { source: frozen.source().clone(), frozen: Some(frozen) });
            }
            frozen.discard().map_err(ToFailure::failure)?;
        }
        let looked = path.clone();
        let live = blocking(move || Source::activity(&looked)).await.map_err(ToFailure::failure)?.is_live();
        if begun.is_none() && (freeze || live) {
            return Self::freeze(global, sides, cancel).await;
        }
        let source = blocking(move || Source::open(&path)).await.map_err(ToFailure::failure)?;
        Ok(Self { source, frozen: None })
    }

    /// Freezes the source now.
    pub(super) async fn freeze(
        global: &Global,
        sides: &Sides,
        cancel: &CancellationToken,
    ) -> Result<Self, Failure> {
        let (path, folder) = places(global, sides)?;
        let meter = Meter::new(global, "freezing a copy of the source");
        let tell = moving(&meter, "freezing", 0);
        let mut options = FreezeOptions::default();
        options.cancel = cancel.clone();
        let taken = blocking(move || Frozen::take(&path, &folder, &options, &tell)).await;
        meter.clear();
        let frozen = taken.map_err(ToFailure::failure)?;
        Ok(Self { source: frozen.source().clone(), frozen: Some(frozen) })
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// What a report must say of it.
    pub(super) fn note(&self) -> Option<String> {
        self.frozen.as_ref().map(|frozen| {
            format!(
                "source       one frozen state of {} ({} bytes)\n             \
                 rows written since are not in the target: when there are any, stop the\n             \
                 application and migrate again into an empty database\n",
                frozen.origin().display(),
                frozen.bytes()
            )
        })
    }

    pub(super) fn json(&self) -> Value {
        match &self.frozen {
            Some(frozen) => json!({ "frozen": true, "origin": frozen.origin(), "bytes": frozen.bytes() }),
            None => json!({ "frozen": false, "origin": self.source.path() }),
        }
    }

    /// The run is through: the copy, which holds all data, goes. Until then a run that was cut off needs it.
    pub(super) fn done(self) {
        if let Some(Err(error)) = self.frozen.map(Frozen::discard) {
            output::complain(&golive::error_chain(&error));
        }
    }
}

fn places(global: &Global, sides: &Sides) -> Result<(PathBuf, PathBuf), Failure> {
    let path = support::source(global, sides.source.as_deref())?;
    let config = commands::config_or_nothing(global)?;
    Ok((path, commands::runs(global, &config)))
}

impl ToFailure for FreezeError {
    fn failure(self) -> Failure {
        match self {
            Self::Source(error) => error.failure(),
            Self::Cancelled { .. } => Failure::Busy(Box::new(self)),
            _ => Failure::reach(self),
        }
    }
}
