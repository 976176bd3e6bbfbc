//! The rows of the platform, one file a table. Plain data and relations only: what a row is allowed to be is
//! decided by the API, how its column is typed by the migrations.
#![allow(unreachable_pub, reason = "the entity derives write `pub` items, and theirs must match ours")]

pub mod alert;
pub mod alert_history;
pub mod attendance_entry;
pub mod audit_log;
pub mod bill_of_material;
pub mod bom_component;
pub mod capacity_analysis;
pub mod capacity_calendar;
pub mod capacity_commitment;
pub mod capacity_line;
pub mod capacity_scenario;
pub mod capacity_schedule;
pub mod capacity_schedule_item;
pub mod capacity_standard;
pub mod capacity_stock;
pub mod client;
pub mod client_config;
pub mod coverage_entry;
pub mod defect;
pub mod defect_type;
pub mod downtime_entry;
pub mod downtime_reason;
pub mod employee;
pub mod employee_skill;
pub mod enums;
pub mod event_store;
pub mod hold_entry;
pub mod hold_reason;
pub mod import_log;
pub mod job;
pub mod kpi_threshold;
pub mod machine;
pub mod order;
pub mod product;
pub mod production_entry;
pub mod production_line;
pub mod quality_entry;
pub mod refresh_token;
pub mod revoked_token;
pub mod saved_filter;
pub mod shift;
pub mod user;
pub mod user_preference;
pub mod user_shift;
pub mod work_order;
pub mod work_order_note;

/// Calls the macro `$then` with the module of every entity, parents before children as the migrations create them.
macro_rules! for_every_entity {
    ($then:ident) => {
        $then! {
            client,
            user,
            client_config,
            user_preference,
            saved_filter,
            refresh_token,
            revoked_token,
            audit_log,
            shift,
            product,
            defect_type,
            hold_reason,
            downtime_reason,
            kpi_threshold,
            employee,
            production_line,
            machine,
            employee_skill,
            user_shift,
            order,
            work_order,
            work_order_note,
            job,
            production_entry,
            attendance_entry,
            coverage_entry,
            downtime_entry,
            quality_entry,
            defect,
            hold_entry,
            alert,
            alert_history,
            capacity_calendar,
            capacity_line,
            capacity_standard,
            bill_of_material,
            bom_component,
            capacity_stock,
            capacity_scenario,
            capacity_schedule,
            capacity_schedule_item,
            capacity_analysis,
            capacity_commitment,
            event_store,
            import_log
        }
    };
}
pub(crate) use for_every_entity;
