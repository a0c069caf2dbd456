//! One QEMU process.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::accel::Accel;
use crate::error::{Error, Result, at, tail};
use crate::image::Image;
use crate::proc::{shown, spawn_tied, succeed, wait};
use crate::qmp::Monitor;
use crate::spec::HostSpec;

/// From power on to the kernel's first program: 2 s on a quiet machine, emulated.
const KERNEL_LIMIT: Duration = Duration::from_secs(150);

/// The parts of a host that stay the same when it is switched off and on.
#[derive(Debug, Clone)]
pub(crate) struct Hardware {
    pub(crate) spec: HostSpec,
    pub(crate) image: Image,
    pub(crate) accel: Accel,
    pub(crate) directory: PathBuf,
    pub(crate) port: u16,
    pub(crate) machine_id: String,
}

impl Hardware {
    pub(crate) fn root_disk(&self) -> PathBuf {
        self.directory.join("root.qcow2")
    }

    pub(crate) fn console_path(&self) -> PathBuf {
        self.directory.join("console.log")
    }

    /// The console output since the host was first switched on.
    pub(crate) fn console(&self) -> String {
        let bytes = fs::read(self.console_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    /// Whether the console output after a byte offset contains a text.
    fn wrote(&self, from: u64, text: &str) -> bool {
        let bytes = fs::read(self.console_path()).unwrap_or_default();
        let new = usize::try_from(from).ok().and_then(|from| bytes.get(from..)).unwrap_or_default();
        String::from_utf8_lossy(new).contains(text)
    }

    pub(crate) fn console_tail(&self) -> String {
        tail(&self.console(), 40)
    }

    /// Creates the disks: an overlay of the image, and an empty file for each data disk.
    pub(crate) fn make_disks(&self) -> Result<()> {
        let limit = Duration::from_secs(60);
        let mut overlay = Command::new("qemu-img");
        overlay
            .args(["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"])
            .args([&self.image.root, &self.root_disk()]);
        succeed(&mut overlay, limit)?;
        for (index, disk) in self.spec.disks.iter().enumerate() {
            let mut create = Command::new("qemu-img");
            create
                .args(["create", "-q", "-f", "qcow2"])
                .arg(self.directory.join(format!("data{index}.qcow2")))
                .arg(format!("{}G", disk.gib));
            succeed(&mut create, limit)?;
        }
        Ok(())
    }

    fn command(&self, load: Option<&str>) -> Command {
        // Level 7, because the process list of an OOM report has level 6.
        let mut append = format!(
            "root=/dev/vda ro console=ttyS0 loglevel=7 net.ifnames=0 mitigations=off nokaslr \
             no_timer_check systemd.machine_id={}",
            self.machine_id
        );
        for arg in &self.spec.kernel_args {
            append.push(' ');
            append.push_str(arg);
        }
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-M", "pc", "-smp", "2", "-nodefaults", "-display", "none", "-m"])
            .arg(self.spec.memory_mib.to_string())
            .args(self.accel.args())
            .arg("-kernel")
            .arg(&self.image.kernel)
            .arg("-initrd")
            .arg(&self.image.initrd)
            .args(["-append", &append, "-netdev"])
            .arg(format!("user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{}-:22", self.port))
            .args(["-device", "virtio-net-pci,netdev=net,romfile="])
            .args(["-device", "virtio-rng-pci", "-chardev"])
            .arg(format!("file,id=console,append=on,path={}", escaped(&self.console_path())))
            .args(["-serial", "chardev:console"]);
        let data = (0..self.spec.disks.len()).map(|index| format!("data{index}.qcow2"));
        for name in std::iter::once("root.qcow2".to_owned()).chain(data) {
            command.arg("-drive").arg(format!(
                "if=virtio,format=qcow2,cache=writeback,discard=unmap,file={}",
                escaped(&self.directory.join(name))
            ));
        }
        if let Some(name) = load {
            command.args(["-loadvm", name]);
        }
        command
    }

    /// Switches the host on. QEMU is killed when this process ends.
    pub(crate) fn start(&self, load: Option<&str>) -> Result<Machine> {
        let mut command = self.command(load);
        command.args(["-qmp", "stdio"]);
        let console_from = fs::metadata(self.console_path()).map_or(0, |meta| meta.len());
        let mut child = spawn_tied(&command)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Monitor("no pipes".to_owned()));
        };
        match Monitor::new(stdin, stdout) {
            Ok(monitor) => {
                let first_program = if load.is_some() { None } else { Some(Instant::now() + KERNEL_LIMIT) };
                Ok(Machine { child, monitor, console_from, first_program })
            }
            Err(_) => Err(self.ended(&mut child)),
        }
    }

    /// Switches the host on. QEMU outlives this process.
    pub(crate) fn start_detached(&self) -> Result<Child> {
        let log = self.directory.join("qemu.log");
        let stderr = File::create(&log).map_err(at(&log))?;
        let mut command = self.command(None);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).process_group(0);
        command.spawn().map_err(|e| Error::Program {
            command: shown(&command),
            what: format!("does not start: {e}"),
            stderr: String::new(),
        })
    }

    /// The reason why a QEMU process ended.
    fn ended(&self, child: &mut Child) -> Error {
        let ended = wait(child, Duration::from_secs(5));
        let _ = child.kill();
        let mut stderr = String::new();
        if let Some(mut pipe) = child.stderr.take() {
            let _ = pipe.read_to_string(&mut stderr);
        }
        let ended = ended.ok().flatten();
        Error::QemuEnded {
            what: ended.map_or_else(|| "it does not answer".to_owned(), |status| status.to_string()),
            crashed: ended.is_some_and(|status| status.signal().is_some()),
            stderr: tail(&stderr, 20),
            console: self.console_tail(),
        }
    }
}

/// Commas in QEMU options are doubled.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// A host that is switched on.
pub(crate) struct Machine {
    pub(crate) child: Child,
    pub(crate) monitor: Monitor,
    /// The offset of its first line in the console output.
    console_from: u64,
    /// The deadline for the kernel's first program; `None` once it has started.
    first_program: Option<Instant>,
}

impl Machine {
    /// Returns an error if QEMU ended, or the kernel panicked or hung.
    pub(crate) fn check(&mut self, hardware: &Hardware) -> Result<()> {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return Err(hardware.ended(&mut self.child));
        }
        if hardware.wrote(self.console_from, "Kernel panic - not syncing") {
            return Err(Error::Panicked { console: hardware.console_tail() });
        }
        if let Some(by) = self.first_program {
            if hardware.wrote(self.console_from, "as init process") {
                self.first_program = None;
            } else if Instant::now() > by {
                let seconds = KERNEL_LIMIT.as_secs();
                return Err(Error::KernelHung { seconds, console: hardware.console_tail() });
            }
        }
        Ok(())
    }

    /// Cuts the power.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
