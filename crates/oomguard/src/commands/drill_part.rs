//! `oomguard drill-part`: the processes of a drill. They inherit their score, as a load does.

use std::io::{self, Read, Write};
use std::time::Duration;

use clap::Subcommand;
use oomguard_drill::Ballast;
use oomguard_host::Host;
use oomguard_host::reexec::set_process_name;

use crate::failure::{Failure, code};

/// The pause between two mebibytes, so that many processes grow side by side.
const BREATH: Duration = Duration::from_millis(5);

/// A process of a drill; `oomguard drill` runs it
#[derive(Debug, Subcommand)]
pub enum DrillPart {
    /// Hold memory
    Bystander {
        /// Bytes to hold
        bytes: u64,
    },
    /// Start growers, and end when each has grown or was killed
    Load {
        /// Number of growers
        count: u32,
        /// Bytes of each
        bytes: u64,
    },
    /// Grow, report it, and wait for the end of input
    Grow {
        /// Bytes to grow to
        bytes: u64,
    },
}

impl DrillPart {
    pub fn run(&self) -> Result<u8, Failure> {
        run(self, &Host::live())
    }
}

fn run(part: &DrillPart, host: &Host) -> Result<u8, Failure> {
    match part {
        DrillPart::Bystander { bytes } => {
            set_process_name("drill-bystander").map_err(Failure::error)?;
            let held = grow(*bytes);
            loop {
                std::thread::sleep(Duration::from_secs(1000));
                std::hint::black_box(&held);
            }
        }
        DrillPart::Grow { bytes } => {
            set_process_name("drill-load").map_err(Failure::error)?;
            let held = grow(*bytes);
            let mut out = io::stdout().lock();
            out.write_all(b"x").and_then(|()| out.flush()).map_err(Failure::error)?;
            // Until the one that started it has gone.
            let _ = io::stdin().lock().read_to_end(&mut Vec::new());
            std::hint::black_box(&held);
        }
        DrillPart::Load { count, bytes } => {
            set_process_name("drill-starter").map_err(Failure::error)?;
            let args = ["drill-part".to_owned(), "grow".to_owned(), bytes.to_string()];
            let mut all = Vec::new();
            for _ in 0..*count {
                all.push(host.reexec(&args)?);
            }
            // Killed ones do not answer. None ends before all have grown, so that a slow machine needs the same memory.
            for one in &mut all {
                one.wait_ready();
            }
        }
    }
    Ok(code::SUCCESS)
}

fn grow(bytes: u64) -> Ballast {
    let mut ballast = Ballast::default();
    while ballast.grow(bytes) {
        std::thread::sleep(BREATH);
    }
    ballast
}
