//! `oomguard spec`: documents.

use std::os::unix::fs::PermissionsExt;

use crate::run::{repository, run, run_with_input};

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
    let ran = run(["spec", "check", "--format", "json", "crates/spec/tests/documents/notes.cspec"]).exits(0);
    let checked = ran.json();
    let first = &checked[0]["diagnostics"][0];
    for key in ["severity", "code", "message", "primary"] {
        assert!(!first[key].is_null(), "no {key} in {first}");
    }
    assert!(first["primary"]["line"].is_u64() && first["primary"]["column"].is_u64(), "{first}");
}
