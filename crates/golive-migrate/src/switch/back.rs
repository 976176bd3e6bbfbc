//! Back to SQLite, as long as nothing was written to MariaDB that the file does not have; or with that loss accepted in
//! numbers.

use chrono::{DateTime, Utc};

use super::{Provider, ProviderState, ProviderStore, SwitchError};
use crate::verify::RecordedVerification;

/// What was written to MariaDB since the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WritesSince {
    /// So many rows; all of them 0 when nothing was written.
    Known {
        /// Rows that came since.
        added: u64,
        /// Rows changed since.
        changed: u64,
        /// Rows deleted since.
        deleted: u64,
    },
    /// Nothing was recorded at the switch.
    Unknown,
}

/// The loss that an operator accepts, said in full: an amount, never a yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptedLoss {
    /// Exactly so many rows.
    Rows(u64),
    /// However many there are.
    Unknown,
}

/// A switch back to SQLite.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SwitchBackRequest {
    /// What was written since.
    pub since: WritesSince,
    /// When.
    pub now: DateTime<Utc>,
    /// Who.
    pub by: String,
    /// Why, for the record.
    pub reason: String,
    /// Loses what was written since.
    pub dangerous_loss: Option<AcceptedLoss>,
}

impl SwitchBackRequest {
    /// Asks for a switch back.
    pub fn new(
        since: WritesSince,
        now: DateTime<Utc>,
        by: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self { since, now, by: by.into(), reason: reason.into(), dangerous_loss: None }
    }
}

impl From<&RecordedVerification> for WritesSince {
    fn from(found: &RecordedVerification) -> Self {
        let sum = |of: fn(&crate::verify::RecordedTable) -> u64| found.tables.iter().map(of).sum();
        Self::Known {
            added: sum(|table| table.added),
            changed: sum(|table| table.changed),
            deleted: sum(|table| table.deleted),
        }
    }
}

/// Switches the provider state back to SQLite.
///
/// # Errors
/// When nothing was switched, when rows would be lost and their loss is not accepted, or the state cannot be replaced.
pub fn switch_back(
    store: &dyn ProviderStore,
    request: &SwitchBackRequest,
) -> Result<ProviderState, SwitchError> {
    let present = store.read()?.filter(|state| state.provider == Provider::Mariadb);
    let present = present.ok_or(SwitchError::NotSwitched)?;
    let lost = match (request.since, request.dangerous_loss) {
        (WritesSince::Known { added: 0, changed: 0, deleted: 0 }, _) => {
            "nothing was written since".to_owned()
        }
        (WritesSince::Known { added, changed, deleted }, accepted) => {
            let rows = added + changed + deleted;
            if accepted != Some(AcceptedLoss::Rows(rows)) {
                return Err(SwitchError::WouldLose { added, changed, deleted });
            }
            format!("the loss of {rows} rows written since was accepted")
        }
        (WritesSince::Unknown, Some(AcceptedLoss::Unknown)) => "an unknown loss was accepted".to_owned(),
        (WritesSince::Unknown, _) => return Err(SwitchError::LossUnknown),
    };
    let state = ProviderState {
        provider: Provider::Sqlite,
        switched_at: request.now,
        switched_by: request.by.clone(),
        note: Some(format!("{}; {lost}", request.reason)),
        history: present.clone().into_history(),
        ..present.clone()
    };
    store.replace(Some(&present), &state)?;
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::super::{ProviderFile, switch};
    use super::*;

    fn known(added: u64) -> WritesSince {
        WritesSince::Known { added, changed: 0, deleted: 0 }
    }

    #[test]
    fn nothing_written_since_is_lost_unless_that_very_loss_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("provider.json");
        let file = ProviderFile::new(&path);
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let back = |since, loss| {
            let mut request = SwitchBackRequest::new(since, now, "ann", "slow");
            request.dangerous_loss = loss;
            switch_back(&file, &request)
        };
        assert!(matches!(back(known(0), None), Err(SwitchError::NotSwitched)));
        switch(&path, &request("one", "ann")).unwrap();
        for (since, loss) in [
            (known(3), None),
            (known(3), Some(AcceptedLoss::Rows(2))),
            (known(3), Some(AcceptedLoss::Unknown)),
            (WritesSince::Unknown, None),
            (WritesSince::Unknown, Some(AcceptedLoss::Rows(0))),
        ] {
            assert!(back(since, loss).is_err(), "{since:?} {loss:?}");
            assert_eq!(file.read().unwrap().unwrap().provider, Provider::Mariadb);
        }
        let state = back(known(3), Some(AcceptedLoss::Rows(3))).unwrap();
        assert_eq!((state.provider, state.history.len()), (Provider::Sqlite, 1));
        assert!(state.note.unwrap().contains("3 rows"));
        assert_eq!(switch(&path, &request("one", "ann")).unwrap().history.len(), 2, "and forth again");
    }
}
