//! The grade as data: letter, scores, and every reason for them.
//!
//! How the letter comes about stands in `rating.rs`.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::facts::{TlsFacts, TrustProblem};

/// A grade, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub enum Letter {
    /// As A, without any warning, with HSTS for at least six months, and nothing left unverified.
    #[serde(rename = "A+")]
    APlus,
    /// Good.
    A,
    /// Good, with a warning.
    #[serde(rename = "A-")]
    AMinus,
    /// Adequate.
    B,
    /// Outdated.
    C,
    /// Weak.
    D,
    /// Very weak.
    E,
    /// Broken.
    F,
    /// The certificate names another host.
    M,
    /// The certificate is not trusted.
    T,
}

impl Letter {
    /// The letter as printed, such as `A+`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::APlus => "A+",
            Self::A => "A",
            Self::AMinus => "A-",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
            Self::F => "F",
            Self::M => "M",
            Self::T => "T",
        }
    }
}

impl std::fmt::Display for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The three categories, each 0 to 100, and their weighted sum (30 %, 30 %, 40 %).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Scores {
    /// Best and worst protocol version, averaged.
    pub protocol: u8,
    /// The weakest of certificate key and key exchange.
    pub key_exchange: u8,
    /// Strongest and weakest cipher, averaged.
    pub cipher: u8,
    /// The sum; zero when a category is zero.
    pub total: u8,
}

/// A rule that limits the grade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Cap {
    /// The best letter still possible.
    pub grade: Letter,
    /// Why.
    pub reason: String,
}

/// Something that was not tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Unverified {
    /// What.
    pub check: String,
    /// Why not, and what would exclude it.
    pub reason: String,
    /// It could lower the grade, so that A+ is not claimed.
    pub blocks_a_plus: bool,
}

/// A graded endpoint: "self-assessed by golive, by the SSL Labs rating guide".
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TlsReport {
    /// The version of the guide that the rules follow.
    pub guide: &'static str,
    /// What was asked for, as `host:port`.
    pub target: String,
    /// The address that answered.
    pub address: String,
    /// The name that the certificate had to be valid for.
    pub server_name: String,
    /// When.
    pub collected_at: DateTime<Utc>,
    /// The grade.
    pub grade: Letter,
    /// The grade if the certificate were trusted and named this host.
    pub grade_ignoring_trust: Letter,
    /// Points by category.
    pub scores: Scores,
    /// Rules that limited the grade, best letter first.
    pub caps: Vec<Cap>,
    /// What costs the plus or turns A into A-.
    pub warnings: Vec<String>,
    /// What keeps A from being A+.
    pub below_a_plus: Vec<String>,
    /// What was not tested.
    pub unverified: Vec<Unverified>,
    /// Everything that was seen.
    pub facts: TlsFacts,
}

impl TlsReport {
    /// Why the certificate is not trusted, or not for this name; empty when it is.
    pub fn distrust(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for certificate in &self.facts.certificates {
            reasons.extend(certificate.trust_problems.iter().map(TrustProblem::describe));
            if !certificate.name_matches {
                let names = certificate.names.join(", ");
                reasons.push(format!("the certificate is for {names}, not for {}", self.server_name));
            }
        }
        reasons.dedup();
        reasons
    }
}
