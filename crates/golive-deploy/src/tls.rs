//! The TLS grade of a live endpoint, by the SSL Labs rating guide (2009r).
//!
//! A hello is built by hand for every version from SSL 2.0 to TLS 1.3, so that no library's own limits hide what a
//! server offers. What only an attack would show is excluded by what the server speaks, or listed as unverified,
//! and then A+ is not claimed. Only the host named is contacted: revocation lists have to be given.
//!
//! `grade` gathers facts; `rating` turns facts into a letter and is pure. Nothing received is trusted.

mod answer;
mod certificate;
mod chain;
mod cross_check;
mod facts;
#[cfg(fuzzing)]
mod fuzzed;
mod gather;
mod harvest;
mod hello;
mod probe;
mod rating;
mod report;
mod suites;

pub use certificate::{CertificateCheck, CheckCertificateError, KeyFile, check_certificate};
pub use cross_check::{CrossCheck, CrossCheckError, Difference, cross_check_sslscan, cross_check_testssl};
pub use facts::{
    CertificateFacts, HstsFact, HttpFacts, ProtocolFact, SuiteFact, Support, TlsFacts, TlsVersion,
    TrustProblem,
};
#[cfg(fuzzing)]
pub use fuzzed::read_answer;
pub use gather::{GradeError, GradeOptions, GradeTarget, grade};
pub use rating::rate;
pub use report::{Cap, Letter, Scores, TlsReport, Unverified};
pub(crate) use suites::is_weak_suite;
