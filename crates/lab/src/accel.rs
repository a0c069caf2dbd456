//! Detects KVM by booting a kernel: an accessible `/dev/kvm` does not prove that KVM works.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Result, at};
use crate::image::Image;
use crate::proc::spawn_tied;

/// How guest instructions are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// Hardware virtualization.
    Kvm,
    /// Emulation.
    Tcg,
}

impl Accel {
    /// The QEMU arguments for it.
    pub(crate) fn args(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            // Without SVM; otherwise every boot loads KVM and sets up an emulated hypervisor.
            Self::Tcg => ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "qemu64,-svm"],
        }
    }
}

const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// Chooses the faster one that works. The result is cached.
pub(crate) fn choose(cache: &Path, image: &Image) -> Result<Accel> {
    if fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(Accel::Tcg);
    }
    let verdict = cache.join("accel");
    match fs::read_to_string(&verdict).as_deref().map(str::trim) {
        Ok("kvm") => return Ok(Accel::Kvm),
        Ok("tcg") => return Ok(Accel::Tcg),
        _ => {}
    }
    let kvm = probe(cache, image, Accel::Kvm)?;
    let accel = match kvm {
        Some(kvm) if probe(cache, image, Accel::Tcg)?.is_none_or(|tcg| kvm < tcg) => Accel::Kvm,
        _ => Accel::Tcg,
    };
    let word = if accel == Accel::Kvm { "kvm\n" } else { "tcg\n" };
    fs::write(&verdict, word).map_err(at(&verdict))?;
    Ok(accel)
}

/// The time until a kernel starts its first program; `None` if it never does.
fn probe(cache: &Path, image: &Image, accel: Accel) -> Result<Option<Duration>> {
    let console = cache.join(format!("probe-{}.log", std::process::id()));
    let mut command = Command::new("qemu-system-x86_64");
    command
        .args(["-M", "pc", "-m", "256", "-smp", "2", "-nodefaults", "-no-reboot"])
        .args(accel.args())
        .args(["-display", "none", "-append", "console=ttyS0", "-kernel"])
        .arg(&image.kernel)
        .arg("-initrd")
        .arg(&image.initrd)
        .arg("-serial")
        .arg(format!("file:{}", console.display()));
    let start = Instant::now();
    let mut child = spawn_tied(&command)?;
    let mut reached = None;
    while start.elapsed() < PROBE_LIMIT && reached.is_none() {
        if !matches!(child.try_wait(), Ok(None)) {
            break;
        }
        thread::sleep(Duration::from_millis(50));
        let text = fs::read(&console).unwrap_or_default();
        if String::from_utf8_lossy(&text).contains("as init process") {
            reached = Some(start.elapsed());
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    let _ = fs::remove_file(&console);
    Ok(reached)
}
