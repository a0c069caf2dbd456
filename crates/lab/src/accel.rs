//! Whether KVM works here. A `/dev/kvm` that opens proves nothing, so a kernel is really booted.

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
    /// By the processor.
    Kvm,
    /// By emulation.
    Tcg,
}

impl Accel {
    /// The QEMU arguments that ask for it.
    pub(crate) fn args(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            // Without SVM, or every boot loads KVM's module and lets it set up an emulated hypervisor that no test wants.
            Self::Tcg => ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "qemu64,-svm"],
        }
    }
}

const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// The faster one that works; asked once for each cache directory.
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

/// How long a kernel takes to its first program; `None` when it does not get there.
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
