//! golive-deploy against real servers and whole files. One binary, so that it links once.

#[cfg(feature = "acme")]
mod acme;
mod audit;
mod certificate;
mod config;
mod corpus;
mod cross_check;
mod endpoint;
mod golden;
mod listed;
mod proxies;
mod rendered;
mod replay;
mod rules;
mod sarif;
mod service;
mod suppression;
