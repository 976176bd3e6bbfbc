//! The flow is this list: one step, one file, in the order a reader would tell it.
//!
//! Each file maps what its phase's crate reports to facts; the work is in the crates.

use std::sync::Arc;

use crate::flow::{AbortAt, FlowOptions};
use crate::rehearse::RunError;
use crate::step::{About, Step};

mod admin_login;
mod archive_binlog;
mod backup;
mod baseline;
mod cache;
mod ci;
mod config;
mod constraints;
mod containers;
mod copy;
mod credentials;
mod database_outage;
mod demo_tenants;
mod demo_users;
mod environment;
mod errors;
mod health;
mod in_use;
mod load;
mod logs;
mod metrics;
mod migrating;
mod old_token;
mod pool;
mod production_admin;
mod queries;
mod rate_limit;
mod reads;
mod recovery;
mod redis;
mod redis_outage;
mod restore_drill;
mod revocation;
mod rollback;
mod schema;
mod secret_key;
mod session;
mod settled;
mod state_backup;
mod survey;
mod switch;
mod team;
mod tls;
mod verify;
mod versioned_schema;

pub(crate) use copy::ID as COPY;
pub use copy::tables_to_copy;
pub(crate) use migrating::Migration;
pub(crate) use reads::reads;

/// All steps. What each comes after is said in its file; `flow` runs whatever is ready.
pub(crate) fn all() -> Vec<Arc<dyn Step>> {
    vec![
        // Phase 1, and the token of the demo that must not outlive it
        Arc::new(baseline::Baseline),
        Arc::new(survey::Survey),
        Arc::new(schema::Schema),
        Arc::new(copy::Copy),
        Arc::new(constraints::Constraints),
        Arc::new(verify::Verify),
        Arc::new(switch::Switch),
        Arc::new(pool::Pool),
        Arc::new(versioned_schema::VersionedSchema),
        // Phase 0
        Arc::new(secret_key::NewSecretKey),
        Arc::new(environment::Environment),
        Arc::new(in_use::InUse),
        Arc::new(old_token::OldToken),
        Arc::new(demo_tenants::DemoTenants),
        Arc::new(production_admin::ProductionAdmin),
        Arc::new(demo_users::DemoUsers),
        Arc::new(admin_login::AdminLogin),
        Arc::new(team::OnboardTeam),
        Arc::new(credentials::Credentials),
        // Phase 2
        Arc::new(redis::RedisServer),
        Arc::new(revocation::Revocation),
        Arc::new(rate_limit::RateLimit),
        Arc::new(cache::ReadCache),
        // Phase 3
        Arc::new(logs::Logs),
        Arc::new(errors::ErrorTracking),
        Arc::new(health::Health),
        Arc::new(metrics::Metrics),
        // Phase 4
        Arc::new(backup::TakeBackup),
        Arc::new(archive_binlog::ArchiveBinlog),
        Arc::new(restore_drill::RestoreDrill),
        Arc::new(state_backup::StateBackup),
        Arc::new(redis_outage::RedisOutage),
        Arc::new(database_outage::DatabaseOutage),
        Arc::new(rollback::Rollback),
        Arc::new(recovery::Recovery),
        // Phase 5
        Arc::new(config::ProductionConfig),
        Arc::new(containers::Containers),
        Arc::new(tls::TlsGrade),
        // Phase 6
        Arc::new(load::LoadTest),
        Arc::new(queries::Queries),
        // The gate's own evidence
        Arc::new(ci::CiChecks),
    ]
}

/// What is known of every step, in the order of the flow.
#[must_use]
pub fn list() -> Vec<About> {
    all().iter().map(|step| step.about()).collect()
}

/// Refuses a step name that does not exist, before anything starts.
pub(crate) fn check_names(options: &FlowOptions) -> Result<(), RunError> {
    let abort = options.dangerous_abort_at.as_ref().map(|at| match at {
        AbortAt::Applied(step) | AbortAt::Ended(step) => step,
    });
    let known = list();
    let asked = options.from.iter().chain(&options.only).chain(&options.until).chain(abort);
    for name in asked {
        if !known.iter().any(|about| about.id == name) {
            return Err(RunError::NoSuchStep { name: name.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_step_names_only_steps_before_it_so_the_list_can_run() {
        let mut before = BTreeSet::new();
        for about in list() {
            for id in about.after.iter().chain(about.once_ended) {
                assert!(before.contains(id), "{} comes after {id}, which is not before it", about.id);
            }
            assert!(before.insert(about.id), "{} stands twice", about.id);
            assert!(!about.checklist.is_empty(), "{} serves no line of the checklist", about.id);
        }
    }

    #[test]
    fn every_fact_the_gate_needs_is_supplied_by_one_step() {
        let supplied: Vec<&str> = list().iter().flat_map(|about| about.supplies.to_vec()).collect();
        for criterion in golive_gate::criteria() {
            for requirement in criterion.requirements {
                let count = supplied.iter().filter(|fact| **fact == requirement.fact).count();
                assert_eq!(count, 1, "{} is supplied by {count} steps", requirement.fact);
            }
        }
    }
}
