//! Primary keys, unique keys, indexes and foreign keys.

use super::Sides;
use super::facts::{ForeignKeyFacts, IndexFacts};
use crate::ident;
use crate::survey::{CatalogForeignKey, CatalogIndex, CatalogTable};
use crate::verify::layout::OURS;
use crate::verify::report::{Difference, SchemaDifference};

pub(super) fn compare(sides: Sides<'_>, table: &CatalogTable, found: &mut Vec<SchemaDifference>) {
    let there: &[IndexFacts] = sides.facts.indexes.get(&table.name).map_or(&[], Vec::as_slice);
    primary(table, there, found);
    for index in table.indexes.iter().filter(|index| !index.primary) {
        one_index(table, index, there, found);
    }
    only_in_target(sides, table, there, found);
    foreign_keys(sides, table, found);
}

fn is_over(index: &IndexFacts, columns: &[String]) -> bool {
    index.columns.len() == columns.len()
        && index.columns.iter().zip(columns).all(|(one, other)| one.eq_ignore_ascii_case(other))
}

fn primary(table: &CatalogTable, there: &[IndexFacts], found: &mut Vec<SchemaDifference>) {
    let key = there.iter().find(|index| index.name == "PRIMARY");
    let equal =
        key.map_or(table.primary_key.is_empty(), |key| !key.prefixed && is_over(key, &table.primary_key));
    if equal {
        return;
    }
    let what = match (key, table.primary_key.is_empty()) {
        (None, _) => "the primary key is missing".to_owned(),
        (Some(_), true) => "the primary key is only in the target".to_owned(),
        (Some(key), false) => format!("the primary key is over {}", key.columns.join(", ")),
    };
    let difference = SchemaDifference::new(&table.name, Difference::PrimaryKey, what);
    // Where NULL in it was accepted it became a unique key.
    let became_unique =
        there.iter().any(|one| one.unique && !one.prefixed && is_over(one, &table.primary_key));
    let parts: Vec<Option<&str>> = table.primary_key.iter().map(|part| Some(part.as_str())).collect();
    found.push(match key {
        None if became_unique => difference.declared_at(&["MIG-KEY-NULL"], &parts),
        _ => difference,
    });
}

fn one_index(
    table: &CatalogTable,
    index: &CatalogIndex,
    there: &[IndexFacts],
    found: &mut Vec<SchemaDifference>,
) {
    let columns: Option<Vec<String>> = index.columns.iter().cloned().collect();
    let kind = if index.unique { Difference::UniqueKey } else { Difference::Index };
    // Emulated: an index of the same name over a column that we have the server compute.
    let emulated = there.iter().any(|one| {
        one.name == ident::bounded(&[&index.name])
            && one.unique == index.unique
            && one.columns.iter().any(|column| column.starts_with(OURS))
    });
    if emulated {
        return;
    }
    let finding = match (&columns, index.partial) {
        (None, _) => "MIG-INDEX-EXPRESSION",
        (Some(_), true) => "MIG-INDEX-PARTIAL",
        _ => "",
    };
    let over = columns.as_ref().map_or_else(|| format!("`{}`", index.name), |columns| columns.join(", "));
    let present = |unique: bool| {
        columns.as_ref().is_some_and(|columns| {
            // The head of a long column is enough to find rows by, not to tell them apart.
            there.iter().any(|one| is_over(one, columns) && (!unique || (one.unique && !one.prefixed)))
        })
    };
    let lost_by_collision = index.unique && !index.partial && present(false);
    let what = match (index.unique, present(index.unique)) {
        (_, true) => return,
        (true, _) if present(false) => format!("the unique key over {over} is no longer unique"),
        (true, _) => format!("the unique key over {over} is missing"),
        (false, _) => format!("the index over {over} is missing"),
    };
    let difference = SchemaDifference::new(&table.name, kind, what);
    found.push(if lost_by_collision {
        // A key that SQLite made itself has a name of ours in MariaDB.
        let parts = std::iter::once("uq").chain(columns.iter().flatten().map(String::as_str));
        let ours = ident::bounded(&parts.collect::<Vec<_>>());
        difference
            .declared_at(&["MIG-UNIQUE-COLLISION"], &[Some(&ours), Some(&ident::bounded(&[&index.name]))])
    } else if finding.is_empty() {
        difference
    } else {
        difference.declared(&[finding], Some(&index.name))
    });
}

/// A unique key more refuses rows that the source takes, and an index more is nobody's plan.
fn only_in_target(
    sides: Sides<'_>,
    table: &CatalogTable,
    there: &[IndexFacts],
    found: &mut Vec<SchemaDifference>,
) {
    let columns_of = |one: &CatalogIndex| one.columns.iter().cloned().collect::<Option<Vec<String>>>();
    for index in there.iter().filter(|index| index.name != "PRIMARY") {
        // A unique key of the source may have become a plain index, which is told of the key itself.
        let known = table
            .indexes
            .iter()
            .filter(|one| one.unique || !index.unique)
            .any(|one| columns_of(one).is_some_and(|columns| is_over(index, &columns)));
        let ours = index.columns.iter().any(|column| column.starts_with(OURS));
        if known
            || ours
            || is_over(index, &table.primary_key) && index.unique
            || is_for_a_reference(sides, table, index)
        {
            continue;
        }
        let (kind, word) = match index.unique {
            true => (Difference::UniqueKey, "unique key"),
            false => (Difference::Index, "index"),
        };
        let what = format!("the {word} over {} is only in the target", index.columns.join(", "));
        found.push(SchemaDifference::new(&table.name, kind, what));
    }
}

/// InnoDB makes an index for a foreign key that has none.
fn is_for_a_reference(sides: Sides<'_>, table: &CatalogTable, index: &IndexFacts) -> bool {
    let keys = sides.facts.foreign_keys.get(&table.name).into_iter().flatten();
    !index.unique && keys.map(|key| &key.columns).any(|columns| is_over(index, columns))
}

fn foreign_keys(sides: Sides<'_>, table: &CatalogTable, found: &mut Vec<SchemaDifference>) {
    let there: &[ForeignKeyFacts] = sides.facts.foreign_keys.get(&table.name).map_or(&[], Vec::as_slice);
    for key in &table.foreign_keys {
        let joined = key.columns.join(", ");
        let place = format!("{}.{joined}", table.name);
        let options = sides.options;
        // What SQLite itself cannot enforce is no loss: a parent without the table or without such a key.
        let parent = sides.catalog.tables.iter().find(|parent| parent.name == key.parent);
        let enforceable = parent.is_some_and(|parent| parent.has_key(&key.parent_columns));
        if !enforceable
            || options.exclude.contains(&key.parent)
            || options.left_out_foreign_keys.contains(&place)
        {
            continue;
        }
        let Some(present) = there.iter().find(|one| is_same(one, key)) else {
            let what = format!("the foreign key {joined} to `{}` is missing", key.parent);
            let missing = SchemaDifference::new(&table.name, Difference::ForeignKey, what);
            // A type is told of one column, the others of all that refer.
            let mut parts = vec![Some(joined.as_str())];
            parts.extend(key.columns.iter().map(|column| Some(column.as_str())));
            found.push(
                missing
                    .declared_at(&["MIG-FK-ORPHAN", "MIG-FK-TYPE", "MIG-FK-LENGTH", "MIG-FK-PARENT"], &parts),
            );
            continue;
        };
        for (word, ours, theirs) in
            [("DELETE", &key.on_delete, &present.on_delete), ("UPDATE", &key.on_update, &present.on_update)]
        {
            if !is_same_action(ours, theirs) {
                let what = format!("the foreign key {joined} has ON {word} {theirs}, not {ours}");
                let difference = SchemaDifference::new(&table.name, Difference::ForeignKey, what);
                found.push(difference.declared(&["MIG-FK-ACTION"], Some(&joined)));
            }
        }
    }
    for one in there.iter().filter(|one| !table.foreign_keys.iter().any(|key| is_same(one, key))) {
        let what =
            format!("the foreign key {} to `{}` is only in the target", one.columns.join(", "), one.parent);
        found.push(SchemaDifference::new(&table.name, Difference::ForeignKey, what));
    }
}

/// In whichever order: a plan puts the columns along the parent's key.
fn is_same(one: &ForeignKeyFacts, key: &CatalogForeignKey) -> bool {
    let pairs = |columns: &[String], parents: &[String]| {
        let pair = |(column, parent): (&String, &String)| (column.to_lowercase(), parent.to_lowercase());
        let mut pairs: Vec<(String, String)> = columns.iter().zip(parents).map(pair).collect();
        pairs.sort();
        pairs
    };
    one.parent.eq_ignore_ascii_case(&key.parent)
        && one.columns.len() == key.columns.len()
        && pairs(&one.columns, &one.parent_columns) == pairs(&key.columns, &key.parent_columns)
}

/// InnoDB checks at once, so `NO ACTION` is `RESTRICT`.
fn is_same_action(ours: &str, theirs: &str) -> bool {
    let settled = |action: &str| match action.to_ascii_uppercase().as_str() {
        "NO ACTION" => "RESTRICT".to_owned(),
        other => other.to_owned(),
    };
    settled(ours) == settled(theirs)
}
