//! The lab: a directory with images and the hosts booted from them.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::accel::{self, Accel};
use crate::error::{Error, Result, at};
use crate::image::{self, Image};
use crate::qemu::Hardware;
use crate::release::Release;
use crate::slots::{self, Slot};
use crate::spec::HostSpec;
use crate::ssh::Ssh;
use crate::vm::Vm;

/// The first port for hosts.
const FIRST_PORT: u16 = 22_200;
/// The number of ports of each slot.
const PORTS: u16 = 50;

/// A lab, in a cache directory.
#[derive(Debug, Clone)]
pub struct Lab {
    pub(crate) cache: PathBuf,
}

impl Lab {
    /// Opens a lab in a directory, creating it if needed.
    pub fn new(cache: impl Into<PathBuf>) -> Result<Self> {
        let cache = cache.into();
        let hosts = cache.join("hosts");
        fs::create_dir_all(&hosts).map_err(at(&hosts))?;
        let cache = cache.canonicalize().map_err(at(&cache))?;
        let lab = Self { cache };
        lab.sweep()?;
        Ok(lab)
    }

    /// Removes hosts left behind by processes that were killed.
    fn sweep(&self) -> Result<()> {
        let hosts = self.cache.join("hosts");
        for entry in fs::read_dir(&hosts).map_err(at(&hosts))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name.split('-').next().and_then(|pid| pid.parse::<u32>().ok());
            if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    /// The image of a release; built if it is not cached.
    pub fn image(&self, release: Release) -> Result<Image> {
        image::get(&self.cache, release, crate::recipe::ROOT_GIB)
    }

    /// Whether a release's image is in the cache.
    pub fn has_image(&self, release: Release) -> Result<bool> {
        Ok(image::directory(&self.cache, release)?.exists())
    }

    /// Whether hosts run with KVM or are emulated.
    pub fn accel(&self) -> Result<Accel> {
        accel::choose(&self.cache, &self.image(Release::Bookworm)?)
    }

    /// Boots a new host; waits while the maximum number of hosts is running.
    ///
    /// A host without its own disks and kernel arguments is a copy of a booted host (see [`crate::booted`]), because a boot
    /// takes longer than many tests. All copies have the same machine id and boot id. Reboots are real.
    pub fn boot(&self, spec: &HostSpec) -> Result<Vm> {
        if spec.is_plain() {
            return self.copy_of_booted(spec);
        }
        let mut hosts = self.boot_all(std::slice::from_ref(spec))?;
        hosts.pop().ok_or(Error::Off)
    }

    /// Boots several new hosts in parallel; waits until there are enough free slots.
    ///
    /// A test that needs several hosts must use one call; otherwise two such tests could deadlock.
    pub fn boot_all(&self, specs: &[HostSpec]) -> Result<Vec<Vm>> {
        if specs.len() > usize::from(slots::MAX_HOSTS) {
            return Err(Error::TooMany(specs.len()));
        }
        let built: Vec<Image> = specs
            .iter()
            .map(|spec| image::get(&self.cache, spec.release, spec.root_gib))
            .collect::<Result<_>>()?;
        let accel = self.accel()?;
        let slots = slots::take(&self.cache, specs.len())?;
        thread::scope(|scope| {
            let boots: Vec<_> = specs
                .iter()
                .zip(built)
                .zip(slots)
                .map(|((spec, image), slot)| scope.spawn(move || self.one(spec, image, accel, slot)))
                .collect();
            boots.into_iter().map(|boot| boot.join().unwrap_or(Err(Error::Off))).collect()
        })
    }

    /// Boots a new host in the slot of a suspended one ([`Vm::suspend`]), so that more hosts than slots can take turns.
    pub fn boot_in(&self, place: Slot, spec: &HostSpec) -> Result<Vm> {
        let image = image::get(&self.cache, spec.release, spec.root_gib)?;
        self.one(spec, image, self.accel()?, place)
    }

    fn one(&self, spec: &HostSpec, image: Image, accel: Accel, slot: Slot) -> Result<Vm> {
        let (hardware, ssh) = self.hardware(spec, image, accel, &slot, &new_name())?;
        Vm::first_boot(hardware, ssh, slot)
    }

    /// A new host's directory, port and machine id.
    pub(crate) fn hardware(
        &self,
        spec: &HostSpec,
        image: Image,
        accel: Accel,
        slot: &Slot,
        name: &str,
    ) -> Result<(Hardware, Ssh)> {
        let directory = self.cache.join("hosts").join(name);
        fs::create_dir_all(&directory).map_err(at(&directory))?;
        let uuid = Path::new("/proc/sys/kernel/random/uuid");
        let machine_id = fs::read_to_string(uuid).map_err(at(uuid))?;
        let ssh =
            Ssh { directory: directory.clone(), key: image::key(&self.cache)?, port: free_port(slot.number) };
        let hardware = Hardware {
            spec: spec.clone(),
            image,
            accel,
            directory,
            port: ssh.port,
            machine_id: machine_id.trim().replace('-', ""),
        };
        Ok((hardware, ssh))
    }
}

/// A name for a new host of this process. After the process has ended, [`Lab::new`] removes the host.
pub(crate) fn new_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A free port of a slot. Each host of this process gets a different one, because a suspended host returns to its port.
fn free_port(slot: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = FIRST_PORT + slot * PORTS;
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    // The port of a host that just ended may be busy for a moment.
    for _ in 0..50 {
        for port in (0..PORTS).map(|at| first + next.wrapping_add(at) % PORTS) {
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return port;
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
    first
}
