//! The order of tables: parents before children, in tiers, computed from the foreign keys. Cycles are found and told;
//! they do no harm, since foreign keys are added after the data.

use std::collections::{BTreeMap, BTreeSet};

/// Tables in tiers, and those that lie on cycles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Order {
    /// Each tier needs only tables of earlier tiers (or, on a cycle, of its own).
    pub(crate) tiers: Vec<Vec<String>>,
    /// Groups of tables that refer to each other; a table that refers to itself is none.
    pub(crate) cycles: Vec<Vec<String>>,
}

/// Orders tables; `parents` maps a table to those it refers to. Unknown parents and self references are passed over.
pub(crate) fn order(parents: &BTreeMap<String, BTreeSet<String>>) -> Order {
    let mut waiting: BTreeMap<&str, BTreeSet<&str>> = parents
        .iter()
        .map(|(table, needs)| {
            let needs = needs.iter().filter(|need| *need != table && parents.contains_key(*need));
            (table.as_str(), needs.map(String::as_str).collect())
        })
        .collect();
    let mut order = Order::default();
    while !waiting.is_empty() {
        let mut ready: Vec<&str> =
            waiting.iter().filter(|(_, needs)| needs.is_empty()).map(|(table, _)| *table).collect();
        if ready.is_empty() {
            ready = one_cycle(&waiting);
            order.cycles.push(ready.iter().map(|table| (*table).to_owned()).collect());
        }
        for table in &ready {
            waiting.remove(table);
        }
        for needs in waiting.values_mut() {
            needs.retain(|need| !ready.contains(need));
        }
        order.tiers.push(ready.into_iter().map(str::to_owned).collect());
    }
    order
}

/// A group whose members reach each other and need nothing else: found from the table that reaches the fewest.
fn one_cycle<'a>(waiting: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<&'a str> {
    let mut best: Option<BTreeSet<&str>> = None;
    for table in waiting.keys() {
        let reached = reach(table, waiting);
        if best.as_ref().is_none_or(|best| reached.len() < best.len()) {
            best = Some(reached);
        }
    }
    best.unwrap_or_default().into_iter().collect()
}

fn reach<'a>(from: &'a str, waiting: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(table) = open.pop() {
        for need in waiting.get(table).into_iter().flatten() {
            if reached.insert(*need) {
                open.push(need);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn graph(edges: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
        edges
            .iter()
            .map(|(table, needs)| {
                ((*table).to_owned(), needs.iter().map(|need| (*need).to_owned()).collect())
            })
            .collect()
    }

    #[test]
    fn tiers_cycles_and_self_references() {
        let order = order(&graph(&[
            ("a", &[]),
            ("b", &["a", "b"]),
            ("c", &["d", "b"]),
            ("d", &["c"]),
            ("e", &["d", "missing"]),
        ]));
        assert_eq!(order.tiers, [vec!["a"], vec!["b"], vec!["c", "d"], vec!["e"]]);
        assert_eq!(order.cycles, [vec!["c", "d"]]);
    }

    proptest! {
        #[test]
        fn every_table_has_its_place_after_its_parents(edges in proptest::collection::vec((0_u8..12, 0_u8..12), 0..40)) {
            let mut parents: BTreeMap<String, BTreeSet<String>> = (0..12).map(|n| (n.to_string(), BTreeSet::new())).collect();
            for (child, parent) in edges {
                parents.get_mut(&child.to_string()).unwrap().insert(parent.to_string());
            }
            let order = order(&parents);
            let tier = |table: &str| order.tiers.iter().position(|tier| tier.iter().any(|one| one == table)).unwrap();
            prop_assert_eq!(order.tiers.iter().map(Vec::len).sum::<usize>(), 12);
            for (child, needs) in &parents {
                for parent in needs {
                    let together = order.cycles.iter().any(|cycle| cycle.contains(child) && cycle.contains(parent));
                    prop_assert!(child == parent || together || tier(parent) < tier(child));
                }
            }
        }
    }
}
