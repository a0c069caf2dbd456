//! Ansible with the role geerlingguy.swap, the peer of an apply.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use oomguard_lab::Vm;

use super::noop::ssh_options;
use crate::{tools, venv};

const ROLE: &str = "geerlingguy.swap";
const PLAYBOOK: &str = "- hosts: all\n  roles: [geerlingguy.swap]\n  vars:\n    swap_file_path: /swapfile\n    \
                        swap_file_size_mb: '512'\n    swap_swappiness: '10'\n";

/// An Ansible installation in a folder.
pub struct Ansible {
    dir: PathBuf,
    /// For the table: `ansible-core 2.19 with geerlingguy.swap, pipelining on`.
    pub version: String,
}

impl Ansible {
    /// Installs Ansible from PyPI and finds the role.
    ///
    /// # Errors
    /// When one of them is not available.
    pub fn install(dir: &Path, roles: Option<&Path>) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let venv = dir.join("venv");
        // ansible-core alone lacks modules that the role uses (ansible.posix).
        venv::install(&venv, &["ansible"])?;
        let roles = match roles {
            Some(roles) => {
                fs::canonicalize(roles).with_context(|| format!("no folder {}", roles.display()))?
            }
            None => dir.join("roles"),
        };
        if !roles.join(ROLE).is_dir() {
            let mut galaxy = Command::new(venv.join("bin/ansible-galaxy"));
            galaxy.args(["role", "install", "-p"]).arg(&roles).arg(ROLE);
            tools::run(&mut galaxy).with_context(|| {
                format!("cannot install the role {ROLE}; pass --roles DIR with a folder {ROLE} in it")
            })?;
        }
        let output = Command::new(venv.join("bin/ansible")).arg("--version").output();
        let output = output.context("cannot run ansible")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let core = text.split(['[', ']']).nth(1).context("cannot parse the version of ansible")?;
        fs::write(dir.join("playbook.yml"), PLAYBOOK).context("cannot write the playbook")?;
        // The fastest settings for Ansible: one connection for all commands and runs, no copied files.
        let settings = format!(
            "[defaults]\nroles_path = {}\nforks = 10\nhost_key_checking = False\ninterpreter_python = /usr/bin/python3\n\
             [ssh_connection]\npipelining = True\nssh_args = -o ControlMaster=auto -o ControlPersist=300 {}\n",
            roles.display(),
            ssh_options().join(" ")
        );
        fs::write(dir.join("ansible.cfg"), settings).context("cannot write ansible.cfg")?;
        Ok(Self { dir: dir.to_owned(), version: format!("ansible-{core}, {ROLE}, pipelining on") })
    }

    /// Runs the role on all hosts in parallel.
    ///
    /// # Errors
    /// When it fails.
    pub fn play(&self, vms: &[&Vm]) -> Result<String> {
        let line = |(number, vm): (usize, &&Vm)| {
            format!(
                "host{number} ansible_host=127.0.0.1 ansible_port={} ansible_user=root ansible_ssh_private_key_file={}\n",
                vm.ssh_port(),
                vm.key().display()
            )
        };
        let inventory: String = vms.iter().enumerate().map(line).collect();
        fs::write(self.dir.join("hosts"), inventory).context("cannot write the inventory")?;
        let mut playbook = Command::new(self.dir.join("venv/bin/ansible-playbook"));
        playbook.current_dir(&self.dir).env("ANSIBLE_CONFIG", self.dir.join("ansible.cfg"));
        playbook.args(["-i", "hosts", "playbook.yml"]).stdin(Stdio::null());
        let output = playbook.output().context("cannot run ansible-playbook")?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("ansible-playbook: {}\n{stdout}{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(stdout)
    }

    /// Runs the role again and returns the duration.
    ///
    /// # Errors
    /// When it fails or makes a change.
    pub fn replay(&self, vms: &[&Vm]) -> Result<Duration> {
        let started = Instant::now();
        let stdout = self.play(vms)?;
        let time = started.elapsed();
        ensure!(stdout.matches("changed=0 ").count() == vms.len(), "Ansible made a change:\n{stdout}");
        Ok(time)
    }
}
