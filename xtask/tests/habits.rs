//! Habits of this repository that a machine can check.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which crates of the workspace each crate may use. An arrow that is not here is a decision: see ARCHITECTURE.md.
const ARROWS: [(&str, &[&str]); 13] = [
    ("oomguard-text", &[]),
    ("oomguard-spec", &["oomguard-text"]),
    ("oomguard-host", &["oomguard-text"]),
    ("oomguard-converge", &["oomguard-host", "oomguard-spec", "oomguard-text"]),
    (
        "oomguard-agent",
        &["oomguard-converge", "oomguard-host", "oomguard-incident", "oomguard-spec", "oomguard-text"],
    ),
    (
        "oomguard-drill",
        &["oomguard-agent", "oomguard-converge", "oomguard-host", "oomguard-spec", "oomguard-text"],
    ),
    ("oomguard-incident", &["oomguard-spec", "oomguard-text"]),
    (
        "oomguard-report",
        &["oomguard-converge", "oomguard-host", "oomguard-incident", "oomguard-spec", "oomguard-text"],
    ),
    (
        "oomguard-fleet",
        &[
            "oomguard-converge",
            "oomguard-host",
            "oomguard-incident",
            "oomguard-report",
            "oomguard-spec",
            "oomguard-text",
        ],
    ),
    ("oomguard-lab", &[]),
    (
        "oomguard-mcp",
        &[
            "oomguard-converge",
            "oomguard-fleet",
            "oomguard-host",
            "oomguard-incident",
            "oomguard-report",
            "oomguard-spec",
            "oomguard-text",
        ],
    ),
    (
        "oomguard",
        &[
            "oomguard-agent",
            "oomguard-converge",
            "oomguard-drill",
            "oomguard-fleet",
            "oomguard-host",
            "oomguard-incident",
            "oomguard-mcp",
            "oomguard-report",
            "oomguard-spec",
            "oomguard-text",
        ],
    ),
    ("xtask", &["oomguard-lab"]),
];

/// What a reader can hold in mind.
const LONGEST_SOURCE: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn output_of(command: &mut Command) -> Vec<u8> {
    let output = command.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The paths that git tracks and that are still there.
fn tracked() -> Vec<String> {
    let list = output_of(Command::new("git").args(["-c", "safe.directory=*", "ls-files", "-z"]));
    let paths = list.split(|&byte| byte == 0).map(|path| String::from_utf8(path.to_vec()).unwrap());
    let there: Vec<String> = paths.filter(|path| root().join(path).is_file()).collect();
    assert!(there.len() > 50, "git lists only {} files", there.len());
    there
}

struct Package {
    manifest: PathBuf,
    /// The crates of this repository that it uses, in whatever way (build and dev too).
    uses: Vec<String>,
}

fn metadata() -> serde_json::Value {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let args = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    serde_json::from_slice(&output_of(Command::new(cargo).args(args))).unwrap()
}

fn packages() -> BTreeMap<String, Package> {
    let metadata = metadata();
    let of = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().unwrap();
        let own = dependencies.iter().filter(|dependency| dependency["path"].is_string());
        let uses = own.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect();
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
        (package["name"].as_str().unwrap().to_owned(), Package { manifest, uses })
    };
    metadata["packages"].as_array().unwrap().iter().map(of).collect()
}

fn none(wrong: &[String], habit: &str) {
    assert!(wrong.is_empty(), "{habit}:\n  {}", wrong.join("\n  "));
}

#[test]
fn arrows_between_crates_go_one_way() {
    let arrows = BTreeMap::from(ARROWS);
    let mut wrong = Vec::new();
    for (name, package) in packages() {
        match arrows.get(name.as_str()) {
            None => wrong.push(format!("{name} is new: say here what it may use")),
            Some(may) => {
                let others = package.uses.iter().filter(|used| !may.contains(&used.as_str()));
                wrong.extend(others.map(|used| format!("{name} -> {used}")));
            }
        }
    }
    none(&wrong, "crates use others against the arrows of ARCHITECTURE.md");
}

/// The first command of the README: `cargo run --release -- check`.
#[test]
fn cargo_run_is_the_product() {
    let metadata = metadata();
    let [default] = metadata["workspace_default_members"].as_array().unwrap().as_slice() else {
        panic!("cargo would not know what to run: {}", metadata["workspace_default_members"])
    };
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["id"] == *default).unwrap();
    assert_eq!(package["name"], "oomguard");
}

#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    let has = |package: &Package| {
        let text = fs::read_to_string(&package.manifest).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.windows(2).any(|pair| pair == ["[lints]", "workspace = true"])
    };
    let wrong: Vec<String> =
        packages().into_iter().filter(|(_, package)| !has(package)).map(|(name, _)| name).collect();
    none(&wrong, "crates without `[lints]` and `workspace = true`");
}

#[test]
fn no_source_file_is_too_long() {
    let mut wrong = Vec::new();
    for path in tracked().iter().filter(|path| path.ends_with(".rs")) {
        let lines = fs::read_to_string(root().join(path)).unwrap().lines().count();
        if lines > LONGEST_SOURCE {
            wrong.push(format!("{path}: {lines} lines"));
        }
    }
    none(&wrong, "source files to be split");
}

/// `crates/text` has the one list of unsafe characters. Another list would miss what that one has.
#[test]
fn untrusted_text_is_escaped_in_one_room_only() {
    // Put together here, so that this file does not contain them.
    let needles = [
        ["is_", "control"].concat(),
        ["escape_", "default"].concat(),
        ["escape_", "debug"].concat(),
        ["\\u{", "200b}"].concat(),
        ["\\u{", "200e}"].concat(),
        ["\\u{", "202a}"].concat(),
        ["\\u{", "202e}"].concat(),
        ["\\u{", "2066}"].concat(),
    ];
    let library = |path: &&String| {
        path.starts_with("crates/")
            && path.contains("/src/")
            && path.ends_with(".rs")
            && !path.ends_with("tests.rs")
            && !path.starts_with("crates/text/")
            && !path.starts_with("crates/lab/")
    };
    let mut wrong = Vec::new();
    for path in tracked().iter().filter(library) {
        let text = fs::read_to_string(root().join(path)).unwrap();
        // Unit tests at the end of a file may name such characters.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            let found = needles.iter().filter(|needle| line.to_lowercase().contains(needle.as_str()));
            wrong.extend(found.map(|needle| format!("{path}:{}: {needle}", number + 1)));
        }
    }
    none(&wrong, "code that escapes text or lists unsafe characters outside of crates/text");
}

#[test]
fn no_file_names_the_machine_it_was_written_on_or_a_registry() {
    // Put together here, so that this file does not contain them.
    let needles = [
        ["/", "work/"].concat(),
        ["crates", ".io"].concat(),
        ["pypi", ".org"].concat(),
        ["python", "hosted.org"].concat(),
        ["npmjs", ".org"].concat(),
        ["npmjs", ".com"].concat(),
        ["proxy.", "golang.org"].concat(),
        ["rubygems", ".org"].concat(),
        ["ghcr", ".io"].concat(),
        ["docker", ".io"].concat(),
    ];
    let mut wrong = Vec::new();
    // A lock file names the registry of every crate.
    for path in tracked().iter().filter(|path| !path.ends_with("Cargo.lock")) {
        let bytes = fs::read(root().join(path)).unwrap();
        for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let line = String::from_utf8_lossy(line);
            let found = needles.iter().filter(|needle| line.contains(needle.as_str()));
            wrong.extend(found.map(|needle| format!("{path}:{}: {needle}", number + 1)));
        }
    }
    none(&wrong, "a machine's path or a registry's host is no part of this project");
}

/// The modules of fleet and mcp that handle JSON without a type. All are private.
const UNTYPED_JSON: [&str; 7] = [
    "crates/fleet/src/inventory/ansible.rs",
    "crates/mcp/src/audit.rs",
    "crates/mcp/src/elicit.rs",
    "crates/mcp/src/fit.rs",
    "crates/mcp/src/schema.rs",
    "crates/mcp/src/server.rs",
    "crates/mcp/src/tools/",
];

#[test]
fn public_types_of_fleet_and_mcp_have_no_untyped_json() {
    let mut wrong = Vec::new();
    let is_ours = |path: &&String| {
        path.ends_with(".rs")
            && ["crates/fleet/src/", "crates/mcp/src/"].iter().any(|at| path.starts_with(at))
    };
    for path in tracked().iter().filter(is_ours) {
        let text = fs::read_to_string(root().join(path)).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let may = UNTYPED_JSON.iter().any(|module| path.starts_with(module));
        for (number, line) in code.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            let names_it = line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "Value");
            if !is_comment && names_it && (!may || line.trim_start().starts_with("pub ")) {
                wrong.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    none(&wrong, "serde_json::Value in public types; give it a type");
}
