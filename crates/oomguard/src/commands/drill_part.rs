//! What runs inside a drill: processes that take memory. They inherit their score, as a load does.

use std::io::{self, Read, Write};
use std::time::Duration;

use oomguard_drill::Ballast;
use oomguard_host::Host;
use oomguard_host::reexec::set_process_name;

use crate::args::DrillPart;
use crate::failure::{Failure, code};

/// A breath between two mebibytes, so that many grow side by side and whoever watches sees it.
const BREATH: Duration = Duration::from_millis(5);

pub fn run(part: &DrillPart, host: &Host) -> Result<u8, Failure> {
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
            // Those that were killed do not answer. Nobody ends before all have grown: the need is the same on a slow machine.
            for one in &mut all {
                one.wait_ready();
            }
        }
    }
    Ok(code::AS_IT_SHOULD_BE)
}

fn grow(bytes: u64) -> Ballast {
    let mut ballast = Ballast::default();
    while ballast.grow(bytes) {
        std::thread::sleep(BREATH);
    }
    ballast
}
