//! Views that both sides have are compared by what they show.

use std::sync::Arc;

use rusqlite::Connection;

use super::layout::{Layout, TargetSide};
use super::progress::Counter;
use super::report::{Difference, SchemaDifference, VerifyError};
use super::work::Subject;
use crate::ident;
use crate::survey::Catalog;

/// The views to compare. One that cannot be read in the source, or that has other columns, is a difference.
pub(super) async fn subjects(
    snapshots: Vec<Connection>,
    catalog: &Catalog,
    side: &TargetSide,
    differences: &mut Vec<SchemaDifference>,
) -> Result<(Vec<Connection>, Vec<Subject>), VerifyError> {
    let names: Vec<String> = catalog
        .views
        .iter()
        .map(|view| view.name.clone())
        .filter(|name| side.views.contains_key(name))
        .collect();
    if names.is_empty() {
        return Ok((snapshots, Vec::new()));
    }
    let (snapshots, columns) = tokio::task::spawn_blocking(move || {
        let columns: Vec<(String, Option<Vec<String>>)> =
            names.into_iter().map(|name| (name.clone(), columns(&snapshots[0], &name))).collect();
        (snapshots, columns)
    })
    .await?;
    let mut subjects = Vec::new();
    for (name, columns) in columns {
        let Some(columns) = columns else {
            let what = "the view cannot be read in the source";
            differences
                .push(SchemaDifference::new(&name, Difference::View, what).declared(&["MIG-VIEW"], None));
            continue;
        };
        match Layout::of_view(&name, &columns, &side.views[&name]) {
            Some(layout) => {
                let counter = Counter::new(&name, 0);
                subjects.push(Subject { counter, layout: Arc::new(layout), aside: Arc::default() });
            }
            None => {
                let what = "the view has other columns";
                differences.push(SchemaDifference::new(&name, Difference::View, what));
            }
        }
    }
    Ok((snapshots, subjects))
}

fn columns(connection: &Connection, view: &str) -> Option<Vec<String>> {
    let statement = connection.prepare(&format!("SELECT * FROM {}", ident::sqlite(view))).ok()?;
    Some(statement.column_names().into_iter().map(str::to_owned).collect())
}
