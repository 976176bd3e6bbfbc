//! The TLS grade of a live endpoint, by the SSL Labs rating guide (2009r).
//!
//! `grade` gathers facts; `rating` turns facts into a letter and is pure. Nothing received is trusted.

mod answer;
mod chain;
mod facts;
mod gather;
mod harvest;
mod hello;
mod probe;
mod rating;
mod report;
mod suites;

pub use facts::{
    CertificateFacts, HstsFact, HttpFacts, ProtocolFact, SuiteFact, Support, TlsFacts, TlsVersion,
    TrustProblem,
};
pub use gather::{GradeError, GradeOptions, GradeTarget, grade};
pub use rating::rate;
pub use report::{Cap, Letter, Scores, TlsReport, Unverified};
