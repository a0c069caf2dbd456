//! Kept hosts: they continue to run when the command that booted them ends.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, at};
use crate::image;
use crate::lab::Lab;
use crate::proc::{succeed, wait};
use crate::slots;
use crate::spec::HostSpec;
use crate::ssh::Ssh;

const BOOT_LIMIT: Duration = Duration::from_secs(240);

/// A kept host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Up {
    /// Its name.
    pub name: String,
    /// The suite of its release.
    pub release: String,
    /// The pid of its QEMU process.
    pub pid: u32,
    /// The port on 127.0.0.1 of its sshd.
    pub port: u16,
    /// Its directory: disks and console.log.
    pub directory: PathBuf,
}

impl Lab {
    fn up_directory(&self, name: &str) -> PathBuf {
        self.cache.join("hosts").join(format!("up-{name}"))
    }

    /// Boots a host that continues to run when this process ends.
    pub fn up(&self, name: &str, spec: &HostSpec) -> Result<Up> {
        let image = image::get(&self.cache, spec.release, spec.root_gib)?;
        let accel = self.accel()?;
        let slot = slots::take(&self.cache, 1)?.pop().ok_or(Error::Off)?;
        let _ = fs::remove_dir_all(self.up_directory(name));
        let (hardware, ssh) = self.hardware(spec, image, accel, &slot, &format!("up-{name}"))?;
        hardware.make_disks()?;
        // QEMU inherits the slot's lock and holds it for as long as it runs.
        rustix::io::fcntl_setfd(&slot.file, rustix::io::FdFlags::empty())
            .map_err(|e| Error::File { path: self.cache.join("slots"), source: e.into() })?;
        let mut qemu = hardware.start_detached()?;
        let up = Up {
            name: name.to_owned(),
            release: spec.release.suite().to_owned(),
            pid: qemu.id(),
            port: ssh.port,
            directory: hardware.directory.clone(),
        };
        let booted = self.boot_kept(&up, spec, &ssh, &mut qemu);
        if let Err(error) = booted {
            let console = hardware.console_tail();
            // Otherwise it would hold its slot forever.
            let _ = qemu.kill();
            let _ = qemu.wait();
            let _ = fs::remove_dir_all(&up.directory);
            return Err(Error::NotUp { name: up.name, source: Box::new(error), console });
        }
        Ok(up)
    }

    fn boot_kept(&self, up: &Up, spec: &HostSpec, ssh: &Ssh, qemu: &mut Child) -> Result<()> {
        let state = up.directory.join("up.json");
        let json = serde_json::to_vec(&up).map_err(|e| Error::Monitor(e.to_string()))?;
        fs::write(&state, json).map_err(at(&state))?;
        let end = Instant::now() + BOOT_LIMIT;
        while !ssh.greets() {
            let ended = wait(qemu, Duration::from_millis(200)).map_err(at(&state))?;
            if ended.is_some() || Instant::now() > end {
                let log = fs::read(up.directory.join("qemu.log")).unwrap_or_default();
                return Err(Error::QemuEnded {
                    what: ended.map_or_else(|| "no greeting".to_owned(), |s| s.to_string()),
                    crashed: ended.is_some_and(|status| status.signal().is_some()),
                    stderr: String::from_utf8_lossy(&log).into_owned(),
                    console: String::new(),
                });
            }
        }
        let settle = "systemctl is-system-running --wait";
        // Exits with 1 if a unit failed; the host has booted all the same.
        ssh.run("root", false, settle, &[], BOOT_LIMIT)?;
        for line in crate::disks::set_up(&spec.disks) {
            succeed(ssh.command("root", false).args(["--", &line]), BOOT_LIMIT)?;
        }
        Ok(())
    }

    /// The running kept hosts.
    pub fn list(&self) -> Result<Vec<Up>> {
        let hosts = self.cache.join("hosts");
        let mut found = Vec::new();
        for entry in fs::read_dir(&hosts).map_err(at(&hosts))?.flatten() {
            let json = fs::read(entry.path().join("up.json")).unwrap_or_default();
            if let Ok(up) = serde_json::from_slice::<Up>(&json)
                && up.runs()
            {
                found.push(up);
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// Cuts the power of a kept host and removes its disks.
    pub fn down(&self, up: &Up) -> Result<()> {
        if let Some(pid) = i32::try_from(up.pid).ok().and_then(rustix::process::Pid::from_raw)
            && up.runs()
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        let end = Instant::now() + Duration::from_secs(10);
        while up.runs() && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        fs::remove_dir_all(&up.directory).map_err(at(&up.directory))
    }

    /// An ssh command that logs in to a kept host.
    pub fn ssh_command(&self, up: &Up, user: &str) -> Result<Command> {
        let ssh = Ssh { directory: up.directory.clone(), key: image::key(&self.cache)?, port: up.port };
        Ok(ssh.command(user, false))
    }
}

impl Up {
    /// Whether its QEMU process is running.
    #[must_use]
    pub fn runs(&self) -> bool {
        let arguments = Path::new("/proc").join(self.pid.to_string()).join("cmdline");
        let arguments = fs::read(arguments).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(&*self.directory.to_string_lossy())
    }
}
