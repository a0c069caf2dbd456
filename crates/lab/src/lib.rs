//! Test hosts: builds Debian images, boots them in QEMU, cuts their power.
//!
//! ```no_run
//! use oomguard_lab::{Fs, HostSpec, Lab, Release};
//!
//! # fn main() -> oomguard_lab::Result<()> {
//! let lab = Lab::new("/var/cache/oomguard-lab")?;
//! let spec = HostSpec::new(Release::Bookworm).memory_mib(1024).disk(Fs::Xfs, 8, "/data");
//! let mut host = lab.boot(&spec)?;
//! host.write("/data/a", b"kept")?;
//! host.ok("sync")?;
//! host.power_cut();
//! host.power_on()?;
//! assert_eq!(host.read("/data/a")?, b"kept");
//! # Ok(())
//! # }
//! ```

mod accel;
mod ask;
mod booted;
mod disks;
mod error;
mod image;
mod lab;
mod mirror;
mod proc;
mod qemu;
mod qmp;
mod recipe;
mod release;
mod session;
mod slots;
mod spec;
mod ssh;
mod tools;
mod up;
mod vm;

pub use accel::Accel;
pub use ask::Output;
pub use error::{Error, Result};
pub use image::Image;
pub use lab::Lab;
pub use mirror::backports;
pub use release::Release;
pub use session::{Login, Session};
pub use slots::{MAX_HOSTS, Slot};
pub use spec::{Fs, HostSpec};
pub use tools::{Tool, missing_tools, qemu_is_old};
pub use up::Up;
pub use vm::Vm;
