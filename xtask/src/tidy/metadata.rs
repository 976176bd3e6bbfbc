//! Asks cargo for the graph. `cargo metadata` knows licenses, sources and kinds, but shows what optional features of
//! others *could* bring; `cargo tree` knows what is compiled. Both together are the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::graph::{Edge, Graph, Package};
use crate::run::{Failure, Workspace, capture};

pub(super) fn resolve(workspace: &Workspace) -> Result<Graph, Failure> {
    let host = capture(workspace.cargo(&["-vV"]))?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Failure::out_of_reach("`cargo -vV` names no host".to_owned()))?;
    // No `--offline`: on a new machine the packages may still have to come; the lock file says which.
    let metadata = capture(workspace.cargo(&[
        "metadata",
        "--locked",
        "--format-version",
        "1",
        "--filter-platform",
        host,
    ]))?;
    let tree = capture(workspace.cargo(&[
        "tree",
        "--locked",
        "--workspace",
        "--target",
        host,
        "--edges",
        "normal,build,dev",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))?;
    let metadata = serde_json::from_str(&metadata)
        .map_err(|error| Failure::out_of_reach(format!("cargo metadata printed no JSON: {error}")))?;
    build(&metadata, &compiled(&tree), &workspace.root)
        .ok_or_else(|| Failure::out_of_reach("cargo metadata has another shape than expected".to_owned()))
}

/// Names with versions, from lines such as `name v1.2.3 (proc-macro) (*)`.
fn compiled(tree: &str) -> BTreeSet<(String, String)> {
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, version) = (words.next()?, words.next()?);
        Some((name.to_owned(), version.strip_prefix('v')?.to_owned()))
    };
    tree.lines().filter_map(parse).collect()
}

/// None where the JSON is not what cargo's documentation promises.
fn build(metadata: &Value, compiled: &BTreeSet<(String, String)>, root: &Path) -> Option<Graph> {
    let mut graph = Graph::default();
    let mut places = BTreeMap::new();
    for package in metadata["packages"].as_array()? {
        let parsed = parse_package(package, root)?;
        if compiled.contains(&(parsed.name.clone(), parsed.version.clone())) {
            places.insert(package["id"].as_str()?, graph.packages.len());
            graph.packages.push(parsed);
        }
    }
    for node in metadata["resolve"]["nodes"].as_array()? {
        let Some(from) = places.get(node["id"].as_str()?) else { continue };
        for dependency in node["deps"].as_array()? {
            let Some(to) = places.get(dependency["pkg"].as_str()?) else { continue };
            let mut kinds = dependency["dep_kinds"].as_array()?.iter();
            let only_tests = kinds.all(|kind| kind["kind"] == "dev");
            graph.edges.push(Edge { from: *from, to: *to, only_tests });
        }
    }
    Some(graph)
}

fn parse_package(package: &Value, root: &Path) -> Option<Package> {
    let text = |key: &str| package[key].as_str().map(ToOwned::to_owned);
    let manifest = text("manifest_path")?;
    let manifest =
        Path::new(&manifest).strip_prefix(root).map(|path| path.to_string_lossy().replace('\\', "/"));
    Some(Package {
        name: text("name")?,
        version: text("version")?,
        license: text("license"),
        source: text("source"),
        manifest: manifest.unwrap_or_default(),
        // Null: to any registry; an empty list: `publish = false`.
        published: package["publish"].as_array().is_none_or(|registries| !registries.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_compiled_is_in_the_graph() {
        let package = |name: &str, publish: Value| {
            json!({
                "id": format!("{name}-id"), "name": name, "version": "1.0.0", "license": "MIT", "source": null,
                "manifest_path": format!("/r/crates/{name}/Cargo.toml"), "publish": publish,
            })
        };
        let dependency =
            |name: &str, kind: Value| json!({ "pkg": format!("{name}-id"), "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [package("a", Value::Null), package("b", json!([])), package("ring", Value::Null)],
            "resolve": { "nodes": [
                { "id": "a-id", "deps": [dependency("b", json!("dev")), dependency("ring", Value::Null)] },
                { "id": "b-id", "deps": [dependency("a", Value::Null)] },
                { "id": "ring-id", "deps": [] },
            ] },
        });
        let compiled = compiled("a v1.0.0 (/r/crates/a)\nb v1.0.0 (proc-macro) (*)\n\nring v2.0.0\n");
        let graph = build(&metadata, &compiled, Path::new("/r")).unwrap();
        let names: Vec<&str> = graph.packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(graph.packages[1].manifest, "crates/b/Cargo.toml");
        assert!(graph.packages[0].published && !graph.packages[1].published);
        let edges: Vec<_> = graph.edges.iter().map(|edge| (edge.from, edge.to, edge.only_tests)).collect();
        assert_eq!(edges, [(0, 1, true), (1, 0, false)]);
    }

    #[test]
    fn another_shape_is_refused() {
        assert!(build(&json!({ "packages": [{}] }), &BTreeSet::new(), Path::new("/r")).is_none());
        assert!(build(&json!({ "packages": [] }), &BTreeSet::new(), Path::new("/r")).is_none());
    }
}
