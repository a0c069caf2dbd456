//! `oomguard spec`: documents.

use std::os::unix::fs::PermissionsExt;

use crate::run::{Ran, oomguard, ran, repository, run, run_with_input};
use crate::schema::conforms;
use crate::xml::elements;

const BUILTIN: [&str; 3] = ["workstation", "ci", "validator"];

/// Every document of this repository with its roles.
fn documents() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for dir in ["specs", "crates/spec/tests/documents"] {
        for entry in std::fs::read_dir(repository().join(dir)).unwrap() {
            let path = format!("{dir}/{}", entry.unwrap().file_name().to_str().unwrap());
            let document = oomguard_spec::read(&path, &std::fs::read(repository().join(&path)).unwrap());
            found.push((path, document.map(|document| document.roles()).unwrap_or_default()));
        }
    }
    assert!(found.len() >= 5, "{found:?}");
    found
}

#[test]
fn check_of_a_document_with_remarks() {
    run(["spec", "check", "crates/spec/tests/documents/notes.cspec"])
        .exits(0)
        .quietly()
        .matches("spec/notes.txt");
}

#[test]
fn the_documents_for_users_are_fine() {
    for (path, _) in documents().iter().filter(|(path, _)| path.starts_with("specs/")) {
        run(["spec", "check", path]).exits(0).quietly().prints(&format!("{path}: fine; role"));
    }
}

#[test]
fn check_of_one_error_is_not_a_plural() {
    let ran = run_with_input(&["spec", "check", "-"], b"memory_config: {swappiness: ten}\n").exits(1);
    ran.prints("\n-: 1 error").prints(" --> standard input:1:");
}

#[test]
fn what_builtin_roles_print_is_a_fine_document() {
    for role in BUILTIN {
        let text = run(["spec", "show", "--builtin", role]).exits(0).quietly().out;
        let checked = run_with_input(&["spec", "check", "-"], text.as_bytes()).exits(0).quietly();
        assert_eq!(checked.out, format!("-: fine; role: {role}\n"));
        // The same policy again, by way of the document.
        let again = run_with_input(&["spec", "show", "-", "--role", role], text.as_bytes()).exits(0).out;
        let direct = oomguard_spec::builtin::policy(role.parse().unwrap());
        let read = oomguard_spec::read("again", again.as_bytes()).unwrap();
        assert_eq!(read.policy(None).unwrap(), direct, "{again}");
    }
}

#[test]
fn fmt_twice_is_fmt_once() {
    for (path, _) in documents() {
        let once = run(["spec", "fmt", &path]).exits(0).out;
        let twice = run_with_input(&["spec", "fmt", "-"], once.as_bytes()).exits(0).quietly().out;
        assert_eq!(once, twice, "{path}");
    }
}

#[test]
fn show_of_every_role_is_a_document_with_the_same_policy() {
    for (path, roles) in documents() {
        for role in roles {
            let shown = run(["spec", "show", &path, "--role", &role]).exits(0).out;
            let read = |text: &[u8], role: Option<&str>| {
                oomguard_spec::read("document", text).unwrap().policy(role).unwrap()
            };
            let original = read(&std::fs::read(repository().join(&path)).unwrap(), Some(&role));
            assert_eq!(read(shown.as_bytes(), None), original, "{path}, {role}:\n{shown}");
            let again = run_with_input(&["spec", "show", "-"], shown.as_bytes()).exits(0).quietly().out;
            assert_eq!(shown, again, "{path}, {role}");
            run_with_input(&["spec", "check", "-"], shown.as_bytes()).exits(0);
        }
    }
}

#[test]
fn fmt_write_changes_the_file_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("a.cspec"), dir.path().join("link.cspec"));
    std::fs::write(&file, "a:   [1,2]   # one\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("a.cspec", &link).unwrap();
    let strict = run(["spec", "fmt", file.to_str().unwrap()]).exits(0).out;
    let ran = run(["spec", "fmt", "--write", link.to_str().unwrap()]).exits(0).quietly();
    assert_eq!(ran.out, "");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), strict);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert!(link.is_symlink(), "the link was replaced");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "a stray file is left");

    let written = file.metadata().unwrap().modified().unwrap();
    run(["spec", "fmt", "--write", file.to_str().unwrap()]).exits(0);
    assert_eq!(file.metadata().unwrap().modified().unwrap(), written, "what is right is not written again");
}

#[test]
fn json_for_programs() {
    let ran = run(["spec", "check", "--format", "json", "crates/spec/tests/documents/notes.cspec", "specs"])
        .exits(0);
    let report = ran.json();
    conforms("spec-check", &report);
    let first = &report["files"][0]["diagnostics"][0];
    for key in ["severity", "code", "message", "primary"] {
        assert!(!first[key].is_null(), "no {key} in {first}");
    }
    assert!(first["primary"]["line"].is_u64() && first["primary"]["column"].is_u64(), "{first}");
    assert_eq!(report["files"][1]["file"], "specs/ci-infrastructure.cspec");
}

/// A folder with a good document, a broken one below it, and what is not to be looked at.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("docs/below one")).unwrap();
    std::fs::create_dir_all(dir.path().join("docs/.git")).unwrap();
    let write = |path: &str, text: &str| std::fs::write(dir.path().join(path), text).unwrap();
    write("docs/b.cspec", "memory_config: {swappiness: 10}\n");
    write("docs/below one/a.cspec", "memory_config: {swappiness: ten}\nnotes: \"a\" <b> & \u{1}\n");
    write("docs/below one/notes.txt", "memory_config: {swappiness: ten}\n");
    write("docs/.git/c.cspec", "memory_config: {swappiness: ten}\n");
    std::os::unix::fs::symlink("..", dir.path().join("docs/loop")).unwrap();
    dir
}

fn in_folder(dir: &tempfile::TempDir, args: &[&str]) -> Ran {
    ran(oomguard(args).current_dir(dir.path()))
}

#[test]
fn of_a_folder_every_document_is_checked() {
    let dir = folder();
    let ran = in_folder(&dir, &["spec", "check", "docs"]).exits(1);
    ran.prints("docs/b.cspec: fine").prints("docs/below one/a.cspec: ");
    let report = in_folder(&dir, &["spec", "check", "--format", "json", "docs"]).exits(1).json();
    assert_eq!(report["files"].as_array().unwrap().len(), 2, "{report}");
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    in_folder(&dir, &["spec", "check", "empty"]).exits(1).complains("no .cspec document in empty");
    // What is not there is said, and the others are checked all the same.
    let ran = in_folder(&dir, &["spec", "check", "docs/none.cspec", "docs/b.cspec"]).exits(1);
    ran.complains("cannot read docs/none.cspec").prints("docs/b.cspec: fine");
}

#[test]
fn sarif_for_code_hosts() {
    let dir = folder();
    let args = ["spec", "check", "--format", "sarif", "docs", "docs/none.cspec"];
    let sarif = in_folder(&dir, &args).exits(1).json();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "oomguard");
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let results = run["results"].as_array().unwrap();
    assert!(!results.is_empty());
    for result in results {
        let at = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(run["tool"]["driver"]["rules"][at]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()), "{result}");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "docs/below%20one/a.cspec");
        assert!(place["region"]["startLine"].as_u64().unwrap() >= 1, "{result}");
    }
    let error = results.iter().find(|result| result["level"] == "error").unwrap();
    assert_eq!(error["locations"][0]["physicalLocation"]["region"]["startLine"], 2, "{error}");
    let fine = crate::run::run(["spec", "check", "--format", "sarif", "specs"]).exits(0).json();
    assert_eq!(fine["runs"][0]["results"], serde_json::json!([]));
    assert_eq!(fine["runs"][0]["invocations"][0]["executionSuccessful"], true);
}

#[test]
fn junit_for_ci_systems() {
    let dir = folder();
    let args = ["spec", "check", "--format", "junit", "docs", "docs/none.cspec"];
    let elements = elements(&in_folder(&dir, &args).exits(1).out);
    let suites: Vec<_> = elements.iter().filter(|element| element.name == "testsuite").collect();
    let counts: Vec<(&str, &str)> =
        suites.iter().map(|suite| (suite.attribute("failures"), suite.attribute("errors"))).collect();
    assert_eq!(counts, [("0", "0"), ("1", "0"), ("0", "1")]);
    assert_eq!(suites[1].attribute("name"), "docs/below one/a.cspec");
    let cases = elements.iter().filter(|element| element.name == "testcase").count();
    let tests: usize = suites.iter().map(|suite| suite.attribute("tests").parse::<usize>().unwrap()).sum();
    assert_eq!(cases, tests);
}

/// What git hooks run is what is defined, and it stops a bad document.
#[test]
fn the_hook_for_commits() {
    let text = std::fs::read_to_string(repository().join(".pre-commit-hooks.yaml")).unwrap();
    let value = |key: &str| {
        text.lines().find_map(|line| line.trim_start_matches(['-', ' ']).strip_prefix(key)).unwrap()
    };
    let entry: Vec<&str> = value("entry: ").split(' ').collect();
    let ["oomguard", args @ ..] = entry.as_slice() else { panic!("{entry:?}") };
    assert_eq!(
        (value("id: "), value("language: "), value("files: ")),
        ("oomguard-spec-check", "system", "\\.cspec$")
    );
    let with =
        |path: &str| args.iter().map(|arg| (*arg).to_owned()).chain([path.to_owned()]).collect::<Vec<_>>();
    run(with("specs/deployment.cspec")).exits(0);
    let dir = folder();
    run(with(dir.path().join("docs/below one/a.cspec").to_str().unwrap())).exits(1);
}

#[test]
fn what_two_documents_ask_differently() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let a =
        write("a.cspec", "role: ci\nmemory_config: {swap: {size: 32GB, file: /swapfile}, swappiness: 10}\n");
    // The same in other words and another order.
    let same =
        write("same.cspec", "role: ci\nmemory_config:\n  swappiness: 10\n  swap:\n    size: 32768MB\n");
    let ran = run(["spec", "diff", &a, &same]).exits(0).quietly();
    assert!(ran.out.contains("ask the same"), "{}", ran.out);
    let b = write("b.cspec", "role: ci\nmemory_config: {swap: {size: 16GB}, oom_protection: {load: 0}}\n");
    let ran = run(["spec", "diff", &a, &b]).exits(2).quietly();
    assert_eq!(
        ran.out,
        "ci\n  oom_protection.load  not asked for -> 0\n  swap.size            32GB -> 16GB\n  \
         swappiness           10 -> not asked for\n"
    );
    let json = run(["spec", "diff", "--format", "json", &a, &b]).exits(2).json();
    conforms("spec-diff", &json);
    assert_eq!(
        (&json["same"], &json["roles"][0]["differences"][1]["after"]),
        (&false.into(), &"16GB".into())
    );

    // Several roles: each with its like, and what one of them does not have.
    let ran = run(["spec", "diff", "specs/deployment.cspec", &a]).exits(2);
    ran.prints("\nvalidator: only in specs/deployment.cspec\n").prints("ci\n  alerts.oom_events");
    run(["spec", "diff", "specs/deployment.cspec", "specs/deployment.cspec"]).exits(0);
    run([
        "spec",
        "diff",
        "specs/deployment.cspec",
        "specs/testnet-deployment-requirements.cspec",
        "--role",
        "nope",
    ])
    .exits(64)
    .complains("no role `nope`");
    let none = write("none.cspec", "title: x\n");
    run(["spec", "diff", &a, &none]).exits(64).complains("has no policy");
    run(["spec", "diff", &a, "/nowhere.cspec"]).exits(1).complains("cannot read /nowhere.cspec");
}

/// The checklist of the deployment document says what its policies ask.
#[test]
fn the_checklist_and_the_policies_agree() {
    let gib = oomguard_spec::size::Bytes::gib;
    let mut validators = 0;
    for (path, roles) in documents().iter().filter(|(path, _)| path.starts_with("specs/")) {
        let read = oomguard_spec::read(path, &std::fs::read(repository().join(path)).unwrap()).unwrap();
        assert!(!roles.is_empty(), "{path} states no memory_config");
        for role in roles {
            let policy = read.policy(Some(role)).unwrap();
            let (swap, protection) = (policy.swap.unwrap(), policy.oom_protection.unwrap());
            let least = swap.target(gib(64)).required;
            if role.starts_with("ci") {
                assert!(least >= gib(32), "{path}, {role}: {least}");
                continue;
            }
            validators += 1;
            assert!(least >= gib(16), "{path}, {role}: {least}");
            for service in ["alphaos-validator.service", "deltaos-validator.service", "adnet.service"] {
                let rule = protection.services.iter().find(|(unit, _)| unit.as_str() == service);
                assert!(rule.is_some_and(|(_, rule)| rule.score.get() <= -900), "{path}, {role}: {service}");
            }
        }
    }
    assert!(validators >= 2);
    let text = std::fs::read_to_string(repository().join("specs/deployment.cspec")).unwrap();
    for part in ["16GB or more for validators, 32GB or more for CI", "critical_services:"] {
        assert!(text.contains(part), "{part}");
    }
}
