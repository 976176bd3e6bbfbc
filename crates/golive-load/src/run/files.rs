//! As many open files as users have connections.
//!
//! What must not be here: anything but the limit of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises this process' limit where it is too low for so many users. `Err` says that the system does not allow it.
pub(super) fn allow(users: u64) -> Result<(), String> {
    let now = getrlimit(Resource::Nofile);
    let Some(soft) = needed(users, now.current, now.maximum)? else { return Ok(()) };
    setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum: now.maximum })
        .map_err(|error| format!("the limit of open files cannot be raised to {soft}: {error}"))
}

/// The limit to set, if any; `None` of a limit is no limit.
fn needed(users: u64, soft: Option<u64>, hard: Option<u64>) -> Result<Option<u64>, String> {
    let wanted = users + SPARE;
    match (soft, hard) {
        (None, _) => Ok(None),
        (Some(soft), _) if soft >= wanted => Ok(None),
        (_, Some(hard)) if hard < wanted => Err(format!(
            "{users} users need {wanted} open files and the system allows {hard}: raise `ulimit -Hn`, or use --agents"
        )),
        _ => Ok(Some(wanted)),
    }
}

/// For everything that is no connection of a user.
const SPARE: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_when_it_must_be_and_refused_when_it_cannot() {
        assert_eq!(needed(100, Some(1024), Some(4096)), Ok(None));
        assert_eq!(needed(10_000, None, None), Ok(None));
        assert_eq!(needed(10_000, Some(1024), Some(524_288)), Ok(Some(10_256)));
        assert_eq!(needed(10_000, Some(1024), None), Ok(Some(10_256)));
        assert!(needed(10_000, Some(1024), Some(4096)).unwrap_err().contains("4096"));
    }
}
