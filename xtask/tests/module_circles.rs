//! Modules of one crate that import each other cannot be read, tested or moved by themselves.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Crates without circles between their top-level modules. Add yours.
const CRATES: [&str; 3] = ["converge", "drill", "report"];

/// Which top-level modules each one names. What stands after `#[cfg(test)]` does not count.
fn imports(dir: &Path, module: Option<&str>, found: &mut BTreeMap<String, BTreeSet<String>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let module = module.unwrap_or(&name);
        if path.is_dir() {
            imports(&path, Some(module), found);
        } else if module != "lib" {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let named = code.split("crate::").skip(1).map(|rest| {
                rest.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap().to_owned()
            });
            let named = named.filter(|name| !name.is_empty() && name != module);
            found.entry(module.to_owned()).or_default().extend(named);
        }
    }
}

/// The modules that can be reached from one, by one import or more.
fn reachable<'g>(graph: &'g BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<&'g str> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&str> = graph.get(from).into_iter().flatten().map(String::as_str).collect();
    while let Some(module) = next.pop() {
        if seen.insert(module) {
            next.extend(graph.get(module).into_iter().flatten().map(String::as_str));
        }
    }
    seen
}

#[test]
fn modules_do_not_import_each_other_in_circles() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("crates");
    let mut circles = Vec::new();
    for name in CRATES {
        let mut graph = BTreeMap::new();
        imports(&crates.join(name).join("src"), None, &mut graph);
        assert!(graph.len() > 3, "{name}: only {graph:?}");
        circles.extend(
            graph
                .keys()
                .filter(|module| reachable(&graph, module).contains(module.as_str()))
                .map(|module| format!("{name}::{module}")),
        );
    }
    assert!(circles.is_empty(), "these modules import each other: {circles:?}");
}

#[test]
fn a_circle_is_found() {
    let graph = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")];
    let graph = graph.map(|(from, to)| (from.to_owned(), BTreeSet::from([to.to_owned()]))).into();
    assert!(reachable(&graph, "a").contains("a"));
    assert!(!reachable(&graph, "d").contains("d"));
}
