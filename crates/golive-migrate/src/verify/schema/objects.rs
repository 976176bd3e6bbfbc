//! Tables, views and triggers: what one side has and the other has not.

use super::Sides;
use crate::verify::layout::OURS;
use crate::verify::report::{Difference, SchemaDifference};

pub(super) fn compare(sides: Sides<'_>, found: &mut Vec<SchemaDifference>) {
    tables(sides, found);
    views(sides, found);
    triggers(sides, found);
}

fn tables(sides: Sides<'_>, found: &mut Vec<SchemaDifference>) {
    let Sides { catalog, target, facts, options } = sides;
    let planned = options.intentions.collation.as_deref();
    for (name, facts) in facts.tables.iter().filter(|(name, _)| !name.starts_with(OURS)) {
        if facts.engine.as_deref() != Some("InnoDB") {
            found.push(SchemaDifference::new(name, Difference::Engine, "the engine is not InnoDB"));
        }
        let collation = facts.collation.as_deref().unwrap_or_default();
        if !collation.starts_with("utf8mb4_") {
            let what = "the character set is not utf8mb4";
            found.push(SchemaDifference::new(name, Difference::Collation, what));
        } else if planned.is_some_and(|planned| planned != collation) {
            let what = format!("the collation is {collation}, not the planned one");
            found.push(SchemaDifference::new(name, Difference::Collation, what));
        }
        if !catalog.tables.iter().any(|table| table.name == *name) {
            found.push(SchemaDifference::new(name, Difference::Table, "the table is only in the target"));
        }
    }
    for table in &catalog.tables {
        if !target.tables.contains_key(&table.name) && !options.exclude.contains(&table.name) {
            found.push(SchemaDifference::new(&table.name, Difference::Table, "the table is missing"));
        }
    }
    for table in catalog.virtual_tables.iter().filter(|table| !target.tables.contains_key(*table)) {
        let what = "the virtual table is not there";
        found.push(SchemaDifference::new(table, Difference::Table, what).declared(&["MIG-VIRTUAL"], None));
    }
}

fn views(sides: Sides<'_>, found: &mut Vec<SchemaDifference>) {
    for name in sides.catalog.views.iter().map(|view| &view.name) {
        if !sides.target.views.contains_key(name) {
            let missing = SchemaDifference::new(name, Difference::View, "the view is missing");
            found.push(missing.declared(&["MIG-VIEW"], None));
        }
    }
    for name in
        sides.target.views.keys().filter(|name| !sides.catalog.views.iter().any(|view| view.name == **name))
    {
        found.push(SchemaDifference::new(name, Difference::View, "the view is only in the target"));
    }
}

fn triggers(sides: Sides<'_>, found: &mut Vec<SchemaDifference>) {
    let present = |table: &str, name: &str| {
        sides
            .facts
            .triggers
            .get(table)
            .is_some_and(|names| names.iter().any(|one| one.eq_ignore_ascii_case(name)))
    };
    for (name, table) in &sides.catalog.triggers {
        if !present(table, name) {
            let what = format!("the trigger `{name}` is missing");
            let missing = SchemaDifference::new(table, Difference::Trigger, what);
            found.push(missing.declared(&["MIG-TRIGGER"], None));
        }
    }
    for (table, names) in &sides.facts.triggers {
        for name in names {
            if !sides.catalog.triggers.iter().any(|(one, _)| one.eq_ignore_ascii_case(name)) {
                let what = format!("the trigger `{name}` is only in the target");
                found.push(SchemaDifference::new(table, Difference::Trigger, what));
            }
        }
    }
}
