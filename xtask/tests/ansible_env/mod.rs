#![allow(dead_code, reason = "each test file uses a part of it")]
//! Ansible with the collection of this repository, built and installed as a user would.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The programs of Ansible, and a folder with the collection that goes away with this value.
pub struct Ansible {
    venv: PathBuf,
    /// A short path: sockets of ssh are made in it.
    pub dir: PathBuf,
}

pub fn repository() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().find(|dir| dir.join("integrations/ansible").is_dir()).unwrap().to_path_buf()
}

/// What a program said, both streams, and whether it ended well.
pub fn said(command: &mut Command) -> (bool, String) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

impl Ansible {
    /// Builds the collection and installs it.
    pub fn with_collection() -> Self {
        let venv = std::env::var_os("OOMGUARD_ANSIBLE")
            .map_or_else(|| repository().join("target/ansible"), PathBuf::from);
        assert!(
            venv.join("bin/ansible-playbook").is_file(),
            "no Ansible in {}: `cargo xtask test` installs it and sets OOMGUARD_ANSIBLE",
            venv.display()
        );
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("oomguard-ansible-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let ansible = Self { venv, dir };
        let mut build = ansible.program("ansible-galaxy");
        build.args(["collection", "build", "--output-path"]).arg(&ansible.dir);
        ansible.succeeds(build.arg(repository().join("integrations/ansible")));
        let archive = std::fs::read_dir(&ansible.dir).unwrap().map(|entry| entry.unwrap().path());
        let archive = archive.into_iter().find(|path| path.extension().is_some_and(|e| e == "gz")).unwrap();
        let mut install = ansible.program("ansible-galaxy");
        install.args(["collection", "install", "--offline", "-p"]).arg(ansible.dir.join("collections"));
        ansible.succeeds(install.arg(archive));
        ansible
    }

    /// A program of Ansible's, with this collection and no settings of this machine.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.venv.join("bin").join(name));
        let path = std::env::var("PATH").unwrap_or_default();
        command.current_dir(&self.dir).env("PATH", format!("{}:{path}", self.venv.join("bin").display()));
        for variable in ["ANSIBLE_CONFIG", "ANSIBLE_INVENTORY", "ANSIBLE_ROLES_PATH"] {
            command.env_remove(variable);
        }
        command.env("HOME", &self.dir).env("ANSIBLE_HOME", self.dir.join("home")).env("LC_ALL", "C.UTF-8");
        command.env("ANSIBLE_COLLECTIONS_PATH", self.dir.join("collections")).env("ANSIBLE_NOCOLOR", "1");
        command
    }

    /// The collection as it is installed.
    pub fn collection(&self) -> PathBuf {
        self.dir.join("collections/ansible_collections/oomguard/host")
    }

    pub fn succeeds(&self, command: &mut Command) -> String {
        let (well, text) = said(command);
        assert!(well, "{command:?}\n{text}");
        text
    }
}

impl Drop for Ansible {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
