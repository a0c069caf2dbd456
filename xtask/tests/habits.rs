//! Rules of this repository that a program can check.

// A test fails by panicking, its helpers too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The crates of the workspace that each crate may use. ARCHITECTURE.md explains the order.
const ARROWS: [(&str, &[&str]); 13] = [
    ("oomguard-text", &[]),
    ("oomguard-spec", &["oomguard-text"]),
    ("oomguard-host", &["oomguard-text"]),
    ("oomguard-converge", &["oomguard-host", "oomguard-spec", "oomguard-text"]),
    (
        "oomguard-agent",
        // Its tests compare alerts with the runbooks of `report`.
        &[
            "oomguard-converge",
            "oomguard-host",
            "oomguard-incident",
            "oomguard-report",
            "oomguard-spec",
            "oomguard-text",
        ],
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

const MAX_SOURCE_LINES: usize = 600;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn output_of(command: &mut Command) -> Vec<u8> {
    let output = command.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The existing files that git tracks.
fn tracked() -> Vec<String> {
    let list = output_of(Command::new("git").args(["-c", "safe.directory=*", "ls-files", "-z"]));
    let paths = list.split(|&byte| byte == 0).map(|path| String::from_utf8(path.to_vec()).unwrap());
    let there: Vec<String> = paths.filter(|path| root().join(path).is_file()).collect();
    assert!(there.len() > 50, "git lists only {} files", there.len());
    there
}

struct Package {
    manifest: PathBuf,
    /// The crates of this repository that it depends on, including build and dev dependencies.
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

fn assert_none(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

#[test]
fn crates_depend_only_on_allowed_crates() {
    let arrows = BTreeMap::from(ARROWS);
    let mut wrong = Vec::new();
    for (name, package) in packages() {
        match arrows.get(name.as_str()) {
            None => wrong.push(format!("{name} is new: list here which crates it may use")),
            Some(may) => {
                let others = package.uses.iter().filter(|used| !may.contains(&used.as_str()));
                wrong.extend(others.map(|used| format!("{name} -> {used}")));
            }
        }
    }
    assert_none(&wrong, "crates have dependencies that ARCHITECTURE.md does not allow");
}

/// The first command of the README: `cargo run --release -- check`.
#[test]
fn cargo_run_starts_oomguard() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let built = metadata["workspace_default_members"].as_array().unwrap().iter();
    let built: Vec<_> =
        built.map(|id| packages.iter().find(|package| package["id"] == *id).unwrap()).collect();
    let names: Vec<_> = built.iter().map(|package| package["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["oomguard", "oomguard-agent"], "`cargo build` makes both programs");
    let run: Vec<_> = built.iter().filter_map(|package| package["default_run"].as_str()).collect();
    assert_eq!(run, ["oomguard"]);
}

#[test]
fn every_crate_inherits_the_workspace_lints() {
    let has = |package: &Package| {
        let text = fs::read_to_string(&package.manifest).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.windows(2).any(|pair| pair == ["[lints]", "workspace = true"])
    };
    let wrong: Vec<String> =
        packages().into_iter().filter(|(_, package)| !has(package)).map(|(name, _)| name).collect();
    assert_none(&wrong, "crates without `[lints]` and `workspace = true`");
}

#[test]
fn source_files_are_short() {
    let mut wrong = Vec::new();
    for path in tracked().iter().filter(|path| path.ends_with(".rs")) {
        let lines = fs::read_to_string(root().join(path)).unwrap().lines().count();
        if lines > MAX_SOURCE_LINES {
            wrong.push(format!("{path}: {lines} lines"));
        }
    }
    assert_none(&wrong, "source files that are too long");
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
    assert_none(&wrong, "code that escapes text or lists unsafe characters outside of crates/text");
}

#[test]
fn no_file_contains_machine_paths_or_registry_hosts() {
    // Concatenated, so that this file does not contain them.
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
    // Lock files contain the registry's host.
    for path in tracked().iter().filter(|path| !path.ends_with("Cargo.lock")) {
        let bytes = fs::read(root().join(path)).unwrap();
        for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let line = String::from_utf8_lossy(line);
            let found = needles.iter().filter(|needle| line.contains(needle.as_str()));
            wrong.extend(found.map(|needle| format!("{path}:{}: {needle}", number + 1)));
        }
    }
    assert_none(&wrong, "files contain a machine path or a registry host");
}

/// The paths in a page's table of modules must not outlive the modules.
#[test]
fn architecture_pages_name_existing_modules() {
    let is_page = |path: &String| {
        path == "ARCHITECTURE.md" || path.starts_with("docs/architecture/") && path.ends_with(".md")
    };
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in tracked().iter().filter(|path| is_page(path)) {
        let text = fs::read_to_string(root().join(page)).unwrap();
        // Every other part is between backticks.
        for path in text.split('`').skip(1).step_by(2) {
            let mut parts = path.split("::");
            let (Some(name), Some(module)) = (parts.next(), parts.next()) else { continue };
            let sources = root().join("crates").join(name.trim_start_matches("oomguard_")).join("src");
            if !sources.is_dir() {
                continue;
            }
            seen += 1;
            if !sources.join(format!("{module}.rs")).is_file() && !sources.join(module).is_dir() {
                wrong.push(format!("{page}: {path}"));
            }
        }
    }
    assert_none(&wrong, "architecture pages name modules that do not exist");
    assert!(seen > 20, "only {seen} modules were found");
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
    assert_none(&wrong, "serde_json::Value in public types; give it a type");
}
