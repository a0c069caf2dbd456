//! A cache of booted hosts, from which others are copied.

use std::fs;
use std::path::{Path, PathBuf};

use crate::accel::Accel;
use crate::error::{Error, Result, at};
use crate::image::{self, Image};
use crate::lab::{Lab, new_name};
use crate::slots;
use crate::spec::HostSpec;
use crate::vm::Vm;

/// The name under which a host's memory is saved on its root disk.
const SAVED: &str = "booted";

/// A booted host on disk.
struct Booted {
    disk: PathBuf,
    /// It is on the kernel command line, so all copies have the same one.
    machine_id: String,
}

impl Lab {
    /// Copies a booted host. Boots one first if the cache has none.
    pub(crate) fn copy_of_booted(&self, spec: &HostSpec) -> Result<Vm> {
        let image = image::get(&self.cache, spec.release, spec.root_gib)?;
        let accel = self.accel()?;
        let booted = self.booted(spec, &image, accel)?;
        let slot = slots::take(&self.cache, 1)?.pop().ok_or(Error::Off)?;
        let (mut hardware, ssh) = self.hardware(spec, image, accel, &slot, &new_name())?;
        hardware.machine_id = booted.machine_id;
        let disk = hardware.root_disk();
        fs::copy(&booted.disk, &disk).map_err(at(&disk))?;
        Vm::from_saved(hardware, ssh, slot, SAVED)
    }

    fn booted(&self, spec: &HostSpec, image: &Image, accel: Accel) -> Result<Booted> {
        let all = self.cache.join("booted");
        fs::create_dir_all(&all).map_err(at(&all))?;
        let directory = all.join(name(spec, image, accel));
        let _lock = image::lock(&directory.with_extension("lock"))?;
        let booted = |machine_id: String| Booted { disk: directory.join("root.qcow2"), machine_id };
        let id_file = directory.join("machine-id");
        if directory.exists() {
            return Ok(booted(fs::read_to_string(&id_file).map_err(at(&id_file))?));
        }
        let work = directory.with_extension("tmp");
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&work).map_err(at(&work))?;
        let slot = slots::take(&self.cache, 1)?.pop().ok_or(Error::Off)?;
        let (hardware, ssh) = self.hardware(spec, image.clone(), accel, &slot, &new_name())?;
        let machine_id = hardware.machine_id.clone();
        let (from, to) = (hardware.root_disk(), work.join("root.qcow2"));
        let mut vm = Vm::first_boot(hardware, ssh, slot)?;
        vm.save_for_copies(SAVED)?;
        vm.power_cut();
        fs::copy(&from, &to).map_err(at(&to))?;
        let id_in_work = work.join("machine-id");
        fs::write(&id_in_work, &machine_id).map_err(at(&id_in_work))?;
        fs::rename(&work, &directory).map_err(at(&directory))?;
        Ok(booted(machine_id))
    }
}

/// Everything that saved memory depends on, including the processor and QEMU (by the age of its file).
fn name(spec: &HostSpec, image: &Image, accel: Accel) -> String {
    let of = image.root.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let qemu = ["/usr/bin/qemu-system-x86_64", "/usr/local/bin/qemu-system-x86_64"];
    let changed = qemu.iter().find_map(|path| fs::metadata(path).ok()?.modified().ok());
    let age = changed.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let age = age.map_or(0, |age| age.as_secs());
    let processor = accel.args()[3].replace(',', "");
    format!("{of}-{}m-{}g-{accel:?}-{processor}-{age}", spec.memory_mib, spec.root_gib).to_lowercase()
}
