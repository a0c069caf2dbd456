//! A host: power, boots, snapshots.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result, at};
use crate::proc::wait;
use crate::qemu::{Hardware, Machine};
use crate::slots::Slot;
use crate::ssh::Ssh;

/// An emulated boot takes 10 s on an idle machine and up to 150 s on a busy one.
const BOOT_LIMIT: Duration = Duration::from_secs(600);
/// A login that starts while the guest sets up its network may hang; it is retried.
const LOGIN_LIMIT: Duration = Duration::from_secs(60);
const STATE_LIMIT: Duration = Duration::from_secs(600);
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(300);

/// A lab host. Dropping it cuts its power and removes its disks.
pub struct Vm {
    pub(crate) hardware: Hardware,
    pub(crate) ssh: Ssh,
    machine: Mutex<Option<Machine>>,
    master: Option<Child>,
    /// `None` while the host is suspended.
    slot: Option<Slot>,
}

impl Vm {
    pub(crate) fn first_boot(hardware: Hardware, ssh: Ssh, slot: Slot) -> Result<Self> {
        hardware.make_disks()?;
        let mut vm = Self { hardware, ssh, machine: Mutex::new(None), master: None, slot: Some(slot) };
        vm.power_on()?;
        for line in crate::disks::set_up(&vm.hardware.spec.disks) {
            vm.ok(&line)?;
        }
        Ok(vm)
    }

    /// A host that continues from a snapshot on its disks.
    pub(crate) fn from_saved(hardware: Hardware, ssh: Ssh, slot: Slot, name: &str) -> Result<Self> {
        let mut vm = Self { hardware, ssh, machine: Mutex::new(None), master: None, slot: Some(slot) };
        vm.load(name)?;
        // The clock of a snapshot is behind.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        vm.ok(&format!("date -s @{}", now.as_secs()))?;
        Ok(vm)
    }

    /// Saves the host for copies: nobody is logged in, and all writes are on its disks.
    pub(crate) fn save_for_copies(&mut self, name: &str) -> Result<()> {
        self.ok("sync")?;
        self.disconnect();
        // sshd sees the closed connection, and the session of root ends.
        thread::sleep(Duration::from_secs(1));
        self.save(name)
    }

    fn machine(&mut self) -> &mut Option<Machine> {
        self.machine.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn timeout(&self, what: &str, limit: Duration, detail: String) -> Error {
        Error::Timeout {
            what: what.to_owned(),
            seconds: limit.as_secs(),
            detail,
            console: self.hardware.console_tail(),
        }
    }

    /// Switches the host on and waits until it has booted.
    ///
    /// Does nothing if the host is on. An old QEMU sometimes fails during a boot, so a failed boot is retried once; a disk
    /// that cannot boot fails the second time too.
    pub fn power_on(&mut self) -> Result<()> {
        match self.boot_once() {
            Err(error) if error.is_of_the_emulator() => {
                self.power_cut();
                self.boot_once()
            }
            booted => booted,
        }
    }

    fn boot_once(&mut self) -> Result<()> {
        if self.slot.is_none() {
            return Err(Error::Suspended);
        }
        if self.machine().is_none() {
            let machine = self.hardware.start(None)?;
            *self.machine() = Some(machine);
        }
        self.connect(None)?;
        self.settle()
    }

    /// Shuts the host down cleanly and returns its slot, for [`Lab::boot_in`](crate::Lab::boot_in) or [`Vm::resume`].
    pub fn suspend(&mut self) -> Result<Slot> {
        self.shutdown()?;
        self.slot.take().ok_or(Error::Suspended)
    }

    /// Switches a suspended host on, in the slot of another one.
    pub fn resume(&mut self, slot: Slot) -> Result<()> {
        self.slot = Some(slot);
        self.power_on()
    }

    /// Opens the shared connection; waits for a boot id other than `old`.
    fn connect(&mut self, old: Option<&str>) -> Result<()> {
        self.disconnect();
        let end = Instant::now() + BOOT_LIMIT;
        while Instant::now() < end {
            let hardware = self.hardware.clone();
            match self.machine() {
                Some(machine) => machine.check(&hardware)?,
                None => return Err(Error::Off),
            }
            if self.ssh.greets() && self.open_master()? {
                let booted = self.boot_id();
                if booted.is_ok_and(|id| old.is_none_or(|old| old != id)) {
                    return Ok(());
                }
            }
            self.disconnect();
            thread::sleep(Duration::from_millis(200));
        }
        Err(self.timeout("answer ssh", BOOT_LIMIT, String::new()))
    }

    fn open_master(&mut self) -> Result<bool> {
        let end = Instant::now() + LOGIN_LIMIT;
        let mut master = self.ssh.master()?;
        let control = self.ssh.directory.join("ssh.ctl");
        let mut up = false;
        while !up && Instant::now() < end && matches!(master.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(50));
            up = control.exists() && self.ssh.master_is_up();
        }
        self.master = Some(master);
        Ok(up)
    }

    fn disconnect(&mut self) {
        if let Some(mut master) = self.master.take() {
            let _ = master.kill();
            let _ = master.wait();
        }
    }

    /// Waits until systemd has finished booting.
    fn settle(&self) -> Result<()> {
        let line = "systemctl is-system-running --wait";
        let done = self.ssh.run("root", true, line, &[], STATE_LIMIT)?;
        let state = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        if done.status.is_some() && matches!(state.as_str(), "running" | "degraded") {
            return Ok(());
        }
        let line = "systemctl list-jobs --no-pager; systemctl --failed --no-pager";
        let jobs = self.ssh.run("root", true, line, &[], Duration::from_secs(30))?;
        let jobs = String::from_utf8_lossy(&jobs.stdout).into_owned();
        Err(self.timeout("finish booting", STATE_LIMIT, format!("state `{state}`\n{jobs}")))
    }

    /// The kernel's id of the current boot.
    pub fn boot_id(&self) -> Result<String> {
        let line = "cat /proc/sys/kernel/random/boot_id";
        let output = self.run_for(line, LOGIN_LIMIT)?;
        Ok(self.must(line, output)?.trim().to_owned())
    }

    /// Reboots the host from inside and waits until it has booted again.
    pub fn reboot(&mut self) -> Result<()> {
        let old = self.boot_id()?;
        // The connection may close before the command returns.
        let _ = self.run("systemctl reboot");
        self.wait_for_reboot(&old)
    }

    /// Waits for a reboot; `old` is the previous boot id.
    pub fn wait_for_reboot(&mut self, old: &str) -> Result<()> {
        match self.connect(Some(old)).and_then(|()| self.settle()) {
            Err(error) if error.is_of_the_emulator() => {
                self.power_cut();
                self.power_on()
            }
            booted => booted,
        }
    }

    /// Cuts the power by killing QEMU.
    ///
    /// Data that the host has not written is lost, and so are unflushed writes to newly allocated space, because QEMU writes
    /// its map of the disk at a flush. Data is kept once fsync or sync has returned. Unflushed writes to allocated space are
    /// kept too, because this machine's page cache outlives QEMU; a real disk may lose them.
    pub fn power_cut(&mut self) {
        if let Some(machine) = self.machine().take() {
            machine.kill();
        }
        self.disconnect();
    }

    /// Shuts the host down cleanly; cuts the power after five minutes.
    pub fn shutdown(&mut self) -> Result<()> {
        let _ = self.run("systemctl poweroff");
        self.disconnect();
        let ended = match self.machine() {
            Some(machine) => wait(&mut machine.child, SHUTDOWN_LIMIT).ok().flatten(),
            None => return Err(Error::Off),
        };
        self.power_cut();
        match ended {
            Some(_) => Ok(()),
            None => Err(self.timeout("power off", SHUTDOWN_LIMIT, String::new())),
        }
    }

    /// Whether the QEMU process is running.
    pub fn is_on(&mut self) -> bool {
        self.machine().as_mut().is_some_and(|machine| matches!(machine.child.try_wait(), Ok(None)))
    }

    /// Takes a snapshot of memory and disks.
    pub fn save(&mut self, name: &str) -> Result<()> {
        let machine = self.machine().as_mut().ok_or(Error::Off)?;
        machine.monitor.human(&format!("savevm {name}"), STATE_LIMIT)
    }

    /// Restores a snapshot. A host that is off is switched on.
    pub fn load(&mut self, name: &str) -> Result<()> {
        self.disconnect();
        match self.machine() {
            Some(machine) => machine.monitor.human(&format!("loadvm {name}"), STATE_LIMIT)?,
            None => {
                let machine = self.hardware.start(Some(name))?;
                *self.machine() = Some(machine);
            }
        }
        self.connect(None)
    }

    /// The host's console output.
    #[must_use]
    pub fn console(&self) -> String {
        self.hardware.console()
    }

    /// The port on 127.0.0.1 of the host's sshd.
    #[must_use]
    pub fn ssh_port(&self) -> u16 {
        self.ssh.port
    }

    /// The private key that logs in as root, `dev` and `op`.
    #[must_use]
    pub fn key(&self) -> &Path {
        &self.ssh.key
    }

    /// Copies the console output to a file, for a test's report.
    pub fn keep_console(&self, to: &Path) -> Result<()> {
        fs::write(to, self.console()).map_err(at(to))
    }

    pub(crate) fn directory(&self) -> &PathBuf {
        &self.hardware.directory
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.power_cut();
        let _ = fs::remove_dir_all(self.directory());
    }
}
