//! The schema of the platform: migrations that run unchanged on SQLite and on MariaDB. A migration that was released
//! is never edited; a change is a new file.

#![allow(
    elided_lifetimes_in_paths,
    reason = "the migration trait hides the lifetime, and an impl must hide it alike"
)]

mod column;
mod m20260105_000001_tenancy;
mod m20260105_000002_access;
mod m20260105_000003_master_data;
mod m20260105_000004_people;
mod m20260105_000005_orders;
mod m20260105_000006_floor;
mod m20260105_000007_quality;
mod m20260105_000008_capacity;
mod m20260105_000009_planning;
mod m20260105_000010_events;
mod m20260201_000011_dashboard_index;
mod table;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// All migrations, in order.
pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20260105_000001_tenancy::Migration),
            Box::new(m20260105_000002_access::Migration),
            Box::new(m20260105_000003_master_data::Migration),
            Box::new(m20260105_000004_people::Migration),
            Box::new(m20260105_000005_orders::Migration),
            Box::new(m20260105_000006_floor::Migration),
            Box::new(m20260105_000007_quality::Migration),
            Box::new(m20260105_000008_capacity::Migration),
            Box::new(m20260105_000009_planning::Migration),
            Box::new(m20260105_000010_events::Migration),
            Box::new(m20260201_000011_dashboard_index::Migration),
        ]
    }
}
