//! Rules about the dependency graph: what is banned, what has a room, and the arrows between our own crates.

use super::Finding;
use super::policy::{self, Ban, Policy};

/// The only registry that anything comes from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Everybody may use these of our own crates in tests.
const FREE_IN_TESTS: [&str; 1] = ["golive-sandbox"];

/// The member whose tests cross the crates: in its dev-dependencies it may use all that is published.
const CROSS_CRATE_TESTS: &str = "golive-tests";

/// The door: it stands on none of our own crates.
const DOOR: &str = "xtask";

/// What is compiled for this machine, and what hangs on what.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) packages: Vec<Package>,
    pub(super) edges: Vec<Edge>,
}

#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    /// None for our own.
    pub(super) source: Option<String>,
    /// Where the manifest lies, from the root; empty for what is not ours.
    pub(super) manifest: String,
    pub(super) published: bool,
}

/// `from` depends on `to`, both as places in [`Graph::packages`].
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Only tests, examples and benchmarks need it.
    pub(super) only_tests: bool,
}

pub(super) fn check(graph: &Graph, policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(policy.bans.iter().flat_map(|ban| banned(graph, ban)));
    findings.extend(graph.edges.iter().filter_map(|edge| arrow(graph, edge, policy)));
    findings.extend(graph.packages.iter().filter_map(foreign_source));
    findings.extend(unfenced(graph, policy));
    findings
}

fn banned(graph: &Graph, ban: &Ban) -> Vec<Finding> {
    let is_it = |index: usize| graph.packages[index].name == ban.name;
    let dependents = graph.edges.iter().filter(|edge| is_it(edge.to) && !edge.only_tests);
    let mut findings: Vec<Finding> = dependents
        .map(|edge| &graph.packages[edge.from].name)
        .filter(|dependent| !ban.wrappers.contains(dependent))
        .map(|dependent| {
            let who = if ban.wrappers.is_empty() {
                "nobody".to_owned()
            } else {
                format!("only {}", ban.wrappers.join(", "))
            };
            let text = format!("{dependent} depends on {}, and {who} may: {}", ban.name, ban.reason);
            Finding::new(policy::FILE, ban.line, text)
        })
        .collect();
    // What came in by a way that this graph does not show is in all the same.
    if ban.wrappers.is_empty()
        && findings.is_empty()
        && graph.packages.iter().any(|package| package.name == ban.name)
    {
        let text = format!(
            "{} is compiled, and nothing may need it: {}; see `cargo tree -i {}`",
            ban.name, ban.reason, ban.name
        );
        findings.push(Finding::new(policy::FILE, ban.line, text));
    }
    findings
}

/// What the bans cannot say: unpublished crates are ends, the door is outside, and dev-dependencies among our own.
fn arrow(graph: &Graph, edge: &Edge, policy: &Policy) -> Option<Finding> {
    let (from, to) = (&graph.packages[edge.from], &graph.packages[edge.to]);
    if from.source.is_some() || to.source.is_some() {
        return None;
    }
    let wrapped = policy.bans.iter().any(|ban| ban.name == to.name && ban.wrappers.contains(&from.name));
    let free = FREE_IN_TESTS.contains(&to.name.as_str()) || from.name == CROSS_CRATE_TESTS;
    let text = if from.name == DOOR {
        format!("{DOOR} depends on {}: it runs our programs and links none of them", to.name)
    } else if !to.published {
        format!("{} depends on {}, which is not published: nothing may stand on it", from.name, to.name)
    } else if edge.only_tests && !wrapped && !free && from.name != to.name {
        format!(
            "{} tests with {}: only arrows that {} allows, or golive-sandbox",
            from.name,
            to.name,
            policy::FILE
        )
    } else {
        return None;
    };
    Some(Finding::new(&from.manifest, 1, text))
}

fn foreign_source(package: &Package) -> Option<Finding> {
    let source = package.source.as_deref().filter(|source| *source != REGISTRY)?;
    let text = format!(
        "{} {} comes from {source}: only the default registry is allowed",
        package.name, package.version
    );
    Some(Finding::new("Cargo.lock", 1, text))
}

/// A crate of ours without an entry has no fence, and nobody would notice.
fn unfenced(graph: &Graph, policy: &Policy) -> Vec<Finding> {
    let depended_on = |index: usize| graph.edges.iter().any(|edge| edge.to == index && !edge.only_tests);
    let ours = graph
        .packages
        .iter()
        .enumerate()
        .filter(|(_, package)| package.source.is_none() && package.published);
    let unfenced = ours.filter(|(index, package)| {
        depended_on(*index) && !policy.bans.iter().any(|ban| ban.name == package.name)
    });
    let text = |name: &str| format!("{name} has no entry in `[bans] deny`: say who may depend on it");
    unfenced.map(|(_, package)| Finding::new(policy::FILE, 1, text(&package.name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packages by name (`*` in front: not published; `@` in front: from the registry), edges by name (`~`: tests only).
    fn graph(packages: &[&str], edges: &[&str]) -> Graph {
        let bare = |name: &str| name.trim_start_matches(['*', '@']).to_owned();
        let package = |name: &&str| Package {
            name: bare(name),
            version: "1.0.0".to_owned(),
            license: None,
            source: name.starts_with('@').then(|| REGISTRY.to_owned()),
            manifest: format!("crates/{}/Cargo.toml", bare(name)),
            published: !name.starts_with('*'),
        };
        let place = |name: &str| packages.iter().position(|package| bare(package) == name).unwrap();
        let edge = |text: &&str| {
            let (from, to) = text.split_once(' ').unwrap();
            Edge { from: place(from), to: place(to.trim_start_matches('~')), only_tests: to.starts_with('~') }
        };
        Graph { packages: packages.iter().map(package).collect(), edges: edges.iter().map(edge).collect() }
    }

    fn policy(bans: &[(&str, &[&str])]) -> Policy {
        let ban = |(name, wrappers): &(&str, &[&str])| Ban {
            name: (*name).to_owned(),
            wrappers: wrappers.iter().map(|w| (*w).to_owned()).collect(),
            reason: "so it is".to_owned(),
            line: 3,
        };
        Policy { licenses: Vec::new(), bans: bans.iter().map(ban).collect() }
    }

    fn found(graph: &Graph, policy: &Policy) -> Vec<String> {
        check(graph, policy).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_banned_crate_is_found_with_who_needs_it() {
        let graph = graph(&["golive-x", "@rustls", "@ring"], &["golive-x rustls", "rustls ring"]);
        assert_eq!(
            found(&graph, &policy(&[("ring", &[])])),
            ["deny.toml:3: rustls depends on ring, and nobody may: so it is"]
        );
    }

    #[test]
    fn a_banned_crate_without_a_known_way_in_is_found() {
        assert!(found(&graph(&["@ring"], &[]), &policy(&[("ring", &[])]))[0].contains("ring is compiled"));
        assert!(found(&graph(&["@rink"], &[]), &policy(&[("ring", &[])])).is_empty());
    }

    #[test]
    fn a_thing_outside_its_room_is_found_but_in_tests_it_is_free() {
        let packages = ["golive-cache", "golive-load", "@fred"];
        let policy = policy(&[("fred", &["golive-cache"])]);
        assert!(found(&graph(&packages, &["golive-cache fred"]), &policy).is_empty());
        assert!(found(&graph(&packages, &["golive-load ~fred"]), &policy).is_empty());
        assert_eq!(found(&graph(&packages, &["golive-load fred"]), &policy).len(), 1);
    }

    #[test]
    fn a_leaf_that_sees_another_is_found() {
        let packages = ["golive-backup", "golive-migrate", "golive"];
        let policy = policy(&[("golive-migrate", &["golive"])]);
        assert!(found(&graph(&packages, &["golive golive-migrate"]), &policy).is_empty());
        assert!(
            found(&graph(&packages, &["golive-backup golive-migrate"]), &policy)[0]
                .contains("only golive may")
        );
        let text = &found(&graph(&packages, &["golive-backup ~golive-migrate"]), &policy)[0];
        assert!(
            text.starts_with("crates/golive-backup/Cargo.toml:1: golive-backup tests with golive-migrate"),
            "{text}"
        );
    }

    #[test]
    fn tests_may_use_the_sandbox_and_the_cross_crate_tests_everything_published() {
        let packages = ["golive-backup", "golive-sandbox", "*golive-tests", "*golive-demo"];
        let policy = policy(&[("golive-backup", &["golive"])]);
        let good = graph(&packages, &["golive-backup ~golive-sandbox", "golive-tests ~golive-backup"]);
        assert!(found(&good, &policy).is_empty());
        assert_eq!(found(&graph(&packages, &["golive-tests ~golive-demo"]), &policy).len(), 1);
    }

    #[test]
    fn nothing_stands_on_the_demo_and_the_door_on_nothing() {
        let packages = ["golive", "*golive-demo", "*xtask"];
        let policy = policy(&[("golive", &["xtask"])]);
        assert!(found(&graph(&packages, &["golive golive-demo"]), &policy)[0].contains("not published"));
        assert!(found(&graph(&packages, &["xtask golive"]), &policy)[0].contains("links none of them"));
    }

    #[test]
    fn a_crate_of_ours_without_a_fence_is_found() {
        let packages = ["golive", "golive-new"];
        assert!(
            found(&graph(&packages, &["golive golive-new"]), &policy(&[]))[0]
                .contains("golive-new has no entry")
        );
        assert!(
            found(&graph(&packages, &["golive golive-new"]), &policy(&[("golive-new", &["golive"])]))
                .is_empty()
        );
    }

    #[test]
    fn another_source_is_found() {
        let mut graph = graph(&["@serde"], &[]);
        assert!(found(&graph, &policy(&[])).is_empty());
        graph.packages[0].source = Some("git+https://example.org/serde".to_owned());
        assert!(found(&graph, &policy(&[]))[0].contains("git+https://example.org/serde"));
    }
}
