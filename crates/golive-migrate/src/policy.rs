//! What an operator decides about findings, by id and place. Pure; carrying a decision out is survey's, plan's and copy's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::conversion::{Conversion, UnknownConversion};
use crate::finding::Finding;

/// What becomes of a finding.
///
/// ```
/// use golive_migrate::{Conversion, Policy};
/// assert_eq!("quarantine".parse(), Ok(Policy::Quarantine));
/// assert_eq!("convert:null".parse(), Ok(Policy::Convert(Conversion::Null)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Policy {
    /// The finding blocks, whatever its severity.
    Stop,
    /// What cannot be kept is left out: a foreign key, a primary or unique key, a check.
    Accept,
    /// The rows go to the side table `_golive_migrate_quarantine`, each with its reason.
    Quarantine,
    /// The values are converted.
    Convert(Conversion),
}

/// A policy that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The word is unknown.
    #[error("understand the policy `{0}`; it must be stop, accept, quarantine or convert:NAME")]
    Unknown(String),
    /// The conversion is unknown.
    #[error("understand the policy `convert:{0}`")]
    Conversion(String, #[source] UnknownConversion),
}

impl std::str::FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "stop" => Ok(Self::Stop),
            None if text == "accept" => Ok(Self::Accept),
            None if text == "quarantine" => Ok(Self::Quarantine),
            Some(("convert", name)) => name
                .parse()
                .map(Self::Convert)
                .map_err(|source| PolicyError::Conversion(name.to_owned(), source)),
            _ => Err(PolicyError::Unknown(text.to_owned())),
        }
    }
}

/// Serde shows no chain, so the conversions are named here.
impl TryFrom<String> for Policy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map_err(|error: PolicyError| match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        })
    }
}

impl std::fmt::Display for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stop => f.write_str("stop"),
            Self::Accept => f.write_str("accept"),
            Self::Quarantine => f.write_str("quarantine"),
            Self::Convert(conversion) => write!(f, "convert:{conversion}"),
        }
    }
}

impl From<Policy> for String {
    fn from(policy: Policy) -> Self {
        policy.to_string()
    }
}

/// Policies by selector: `ID`, `ID:table` or `ID:table.column`; the narrowest that fits a finding decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct Policies(pub BTreeMap<String, Policy>);

impl Policies {
    /// What is decided about a finding, and by which selector.
    pub(crate) fn of(&self, finding: &Finding) -> Option<(&str, Policy)> {
        let by_table = finding.table.as_ref().map(|table| format!("{}:{table}", finding.id));
        let selectors = [Some(finding.selector()), by_table, Some(finding.id.to_owned())];
        selectors
            .into_iter()
            .flatten()
            .find_map(|selector| self.0.get_key_value(&selector))
            .map(|(selector, policy)| (selector.as_str(), *policy))
    }

    pub(crate) fn is_accepted(&self, finding: &Finding) -> bool {
        matches!(self.of(finding), Some((_, Policy::Accept)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;

    #[test]
    fn the_narrowest_selector_decides() {
        let mut policies = Policies::default();
        policies.0.insert("MIG-X".to_owned(), Policy::Stop);
        policies.0.insert("MIG-X:t".to_owned(), Policy::Accept);
        policies.0.insert("MIG-X:t.c".to_owned(), Policy::Quarantine);
        let finding = |table: &str, column: &str| {
            Finding::new("MIG-X", Severity::Blocks, "is so", "mend it").table(table).column(column)
        };
        let of = |table, column| policies.of(&finding(table, column)).unwrap().1;
        assert_eq!(of("t", "c"), Policy::Quarantine);
        assert_eq!(of("t", "d"), Policy::Accept);
        assert_eq!(of("u", "c"), Policy::Stop);
    }

    #[test]
    fn a_policy_reads_back_and_a_wrong_one_names_the_right_ones() {
        for text in ["stop", "accept", "quarantine", "convert:epoch-millis"] {
            assert_eq!(text.parse::<Policy>().unwrap().to_string(), text);
        }
        assert!(Policy::try_from("convert:guess".to_owned()).unwrap_err().contains("julian-day"));
        assert!(Policy::try_from("ignore".to_owned()).is_err());
    }
}
