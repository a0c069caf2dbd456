//! The Ansible collection: its own tests, `ansible-lint`, and those sanity tests of `ansible-test` that need no network.
//!
//! Hosts are for crates/lab/tests/ansible.rs.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod ansible_env;

use ansible_env::{Ansible, repository, said};

/// The others of ansible-core 2.19 download a pip of their own.
const SANITY: [&str; 13] = [
    "action-plugin-docs",
    "empty-init",
    "ignores",
    "line-endings",
    "no-assert",
    "no-get-exception",
    "no-illegal-filenames",
    "no-smart-quotes",
    "replace-urlopen",
    "shebang",
    "symlinks",
    "use-argspec-type-path",
    "use-compat-six",
];

#[test]
fn the_collections_own_tests_pass() {
    let ansible = Ansible::with_collection();
    let mut tests = ansible.program("python");
    tests
        .args(["-m", "unittest", "discover", "-s"])
        .arg(repository().join("integrations/ansible/tests/unit"));
    tests.env("PYTHONPATH", ansible.dir.join("collections")).env("PYTHONDONTWRITEBYTECODE", "1");
    let said = ansible.succeeds(&mut tests);
    let ran = said.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse::<u32>().ok());
    assert!(ran.is_some_and(|ran| ran >= 20), "{said}");
}

#[test]
fn ansible_lint_finds_nothing() {
    let ansible = Ansible::with_collection();
    // It writes beside what it reads.
    let copy = ansible.dir.join("copy");
    let mut cp = std::process::Command::new("cp");
    ansible.succeeds(cp.arg("-R").arg(repository().join("integrations/ansible")).arg(&copy));
    let lint = || {
        let mut lint = ansible.program("ansible-lint");
        lint.args(["--offline", "--strict", "--nocolor", "--profile", "production", "."]).current_dir(&copy);
        said(&mut lint)
    };
    let (well, text) = lint();
    assert!(well && text.contains("Passed: 0 failure(s)"), "{text}");
    // It reads the role, and knows the module.
    let tasks = copy.join("roles/memory_policy/tasks/main.yml");
    let wrong = std::fs::read_to_string(&tasks).unwrap().replace("host.memory_policy:", "host.memory_polcy:");
    std::fs::write(&tasks, wrong).unwrap();
    let (well, text) = lint();
    assert!(!well && text.contains("oomguard.host.memory_polcy"), "{text}");
}

#[test]
fn sanity_tests_pass() {
    let ansible = Ansible::with_collection();
    let mut sanity = ansible.program("ansible-test");
    sanity.current_dir(ansible.collection()).args(["sanity", "--color", "no", "--python", "default"]);
    sanity.args(SANITY.iter().flat_map(|test| ["--test", test]));
    let said = ansible.succeeds(&mut sanity);
    for test in SANITY {
        assert!(said.contains(&format!("Running sanity test \"{test}\"")), "{said}");
    }
}

#[test]
fn ansible_doc_shows_the_module_and_the_role() {
    let ansible = Ansible::with_collection();
    let mut module = ansible.program("ansible-doc");
    let page = ansible.succeeds(module.arg("oomguard.host.memory_policy"));
    for part in
        ["check_mode:", "diff_mode:", "rolled_back", "EXAMPLES:", "role: validator", "apply_id", "no Python"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let mut role = ansible.program("ansible-doc");
    let page = ansible.succeeds(role.args(["-t", "role", "oomguard.host.memory_policy"]));
    assert!(page.contains("memory_policy_spec"), "{page}");
}

/// Prints the script with which a job comes to a host.
const SCRIPT: &str = "\
import sys
from collections import namedtuple
from ansible_collections.oomguard.host.plugins.plugin_utils import host
program = namedtuple('Program', 'content sha256 agent agent_sha256')(b'', '0' * 64, b'', '1' * 64)
print(host.script(program, \"/opt/it's here/oomguard\", getattr(host, sys.argv[1]), host.apply(['--spec', '-', '--role', \"it's\"])))
";

#[test]
fn shellcheck_finds_nothing_in_what_hosts_run() {
    let ansible = Ansible::with_collection();
    for find in ["ASK", "INSTALL", "TEMPORARY"] {
        let mut python = ansible.program("python");
        python.args(["-B", "-c", SCRIPT, find]).env("PYTHONPATH", ansible.dir.join("collections"));
        let script = ansible.dir.join("script");
        std::fs::write(&script, ansible.succeeds(&mut python)).unwrap();
        let mut shellcheck = std::process::Command::new("shellcheck");
        ansible.succeeds(shellcheck.args(["--shell", "sh"]).arg(&script));
    }
}
