//! Global transaction ids of MariaDB and where a log stands in terms of them. Plain data: no I/O.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One transaction: domain, server, sequence number, written `0-1-42`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub struct Gtid {
    /// Replication domain.
    pub domain: u32,
    /// `server_id` of the server that committed it.
    pub server: u32,
    /// Sequence number in the domain.
    pub sequence: u64,
}

/// The text is no GTID.
#[derive(Debug, thiserror::Error)]
#[error("read {text:?} as a GTID, like 0-1-42; `golive backup find-event` shows them")]
pub struct InvalidGtid {
    text: String,
}

impl Gtid {
    pub(crate) fn new(domain: u32, server: u32, sequence: u64) -> Self {
        Self { domain, server, sequence }
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}-{}", self.domain, self.server, self.sequence)
    }
}

impl FromStr for Gtid {
    type Err = InvalidGtid;

    fn from_str(text: &str) -> Result<Self, InvalidGtid> {
        let parse = || {
            let mut numbers = text.trim().split('-');
            let gtid = Self::new(
                numbers.next()?.parse().ok()?,
                numbers.next()?.parse().ok()?,
                numbers.next()?.parse().ok()?,
            );
            numbers.next().is_none().then_some(gtid)
        };
        parse().ok_or_else(|| InvalidGtid { text: text.chars().take(80).collect() })
    }
}

impl TryFrom<String> for Gtid {
    type Error = InvalidGtid;

    fn try_from(text: String) -> Result<Self, InvalidGtid> {
        text.parse()
    }
}

impl From<Gtid> for String {
    fn from(gtid: Gtid) -> Self {
        gtid.to_string()
    }
}

/// Where a log stands: the last transaction of every server in every domain, and which came last in each domain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Gtid>", into = "Vec<Gtid>")]
pub(crate) struct GtidState {
    seen: BTreeMap<(u32, u32), u64>,
    latest: BTreeMap<u32, u32>,
}

impl GtidState {
    /// Goes on by one transaction.
    pub(crate) fn advance(&mut self, gtid: Gtid) {
        self.seen.insert((gtid.domain, gtid.server), gtid.sequence);
        self.latest.insert(gtid.domain, gtid.server);
    }

    /// The last transaction of each domain, as `gtid_binlog_pos` and a dump have it.
    pub(crate) fn position(&self) -> String {
        let last = self.latest.iter().map(|(&domain, &server)| {
            Gtid::new(domain, server, self.seen.get(&(domain, server)).copied().unwrap_or(0)).to_string()
        });
        last.collect::<Vec<_>>().join(",")
    }

    /// Whether a position as a server prints it says the same; the order of domains does not matter.
    pub(crate) fn is_at(&self, position: &str) -> bool {
        let mut theirs: Vec<&str> =
            position.split(',').map(str::trim).filter(|gtid| !gtid.is_empty()).collect();
        theirs.sort_unstable();
        let own = self.position();
        let mut own: Vec<&str> = own.split(',').filter(|gtid| !gtid.is_empty()).collect();
        own.sort_unstable();
        own == theirs
    }
}

/// In the order of a `Gtid_list` event: within a domain the latest comes last.
impl From<Vec<Gtid>> for GtidState {
    fn from(list: Vec<Gtid>) -> Self {
        let mut state = Self::default();
        list.into_iter().for_each(|gtid| state.advance(gtid));
        state
    }
}

impl From<GtidState> for Vec<Gtid> {
    fn from(state: GtidState) -> Self {
        let is_latest = |domain, server| state.latest.get(&domain) == Some(&server);
        let mut list: Vec<Gtid> = state
            .seen
            .iter()
            .map(|(&(domain, server), &sequence)| Gtid::new(domain, server, sequence))
            .collect();
        list.sort_by_key(|gtid| (gtid.domain, is_latest(gtid.domain, gtid.server), gtid.server));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gtid_is_three_numbers_and_nothing_else() {
        assert_eq!("0-1-42".parse::<Gtid>().unwrap(), Gtid::new(0, 1, 42));
        for bad in ["", "0-1", "0-1-2-3", "a-1-2", "-1-2", "0-1-99999999999999999999"] {
            assert!(bad.parse::<Gtid>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_latest_server_of_a_domain_decides_its_position() {
        let mut state = GtidState::from(vec![Gtid::new(0, 1, 7), Gtid::new(1, 1, 3)]);
        state.advance(Gtid::new(0, 2, 8));
        assert_eq!(state.position(), "0-2-8,1-1-3");
        assert!(state.is_at("1-1-3, 0-2-8") && !state.is_at("0-1-7,1-1-3"));
        let list: Vec<Gtid> = state.clone().into();
        assert_eq!(GtidState::from(list), state);
        assert!(GtidState::default().is_at(""));
    }
}
