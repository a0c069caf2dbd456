//! The image cache: a root disk, a kernel and an initrd for each release.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result, at};
use crate::mirror;
use crate::proc::succeed;
use crate::recipe::{self, ROOT_GIB};
use crate::release::Release;

const BUILD_LIMIT: Duration = Duration::from_secs(1200);
const STEP_LIMIT: Duration = Duration::from_secs(300);

/// A built image.
#[derive(Debug, Clone)]
pub struct Image {
    /// The root disk. It is read-only; hosts use overlays.
    pub root: PathBuf,
    /// The kernel.
    pub kernel: PathBuf,
    /// The initial RAM file system.
    pub initrd: PathBuf,
}

/// Holds the lock of a file in the cache until dropped.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(at(path))?;
    file.lock().map_err(at(path))?;
    Ok(file)
}

/// The private key of this cache's hosts; created by the first call.
pub(crate) fn key(cache: &Path) -> Result<PathBuf> {
    let key = cache.join("id_ed25519");
    let _lock = lock(&cache.join("id_ed25519.lock"))?;
    if !key.exists() {
        succeed(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "oomguard-lab", "-f"])
                .arg(&key),
            STEP_LIMIT,
        )?;
    }
    Ok(key)
}

/// The directory of a release's image, which may not exist yet.
pub(crate) fn directory(cache: &Path, release: Release) -> Result<PathBuf> {
    let public = key(cache)?.with_extension("pub");
    let public = fs::read_to_string(&public).map_err(at(&public))?;
    let name = recipe::image_name(release, public.trim());
    Ok(cache.join("images").join(name))
}

/// A release's image with a root disk of `gib`; built if it is missing.
pub(crate) fn get(cache: &Path, release: Release, gib: u32) -> Result<Image> {
    let directory = directory(cache, release)?;
    let images = cache.join("images");
    fs::create_dir_all(&images).map_err(at(&images))?;
    let image = Image {
        root: directory.join(format!("root-{gib}.qcow2")),
        kernel: directory.join("vmlinuz"),
        initrd: directory.join("initrd"),
    };
    if image.root.exists() {
        return Ok(image);
    }
    let _lock = lock(&directory.with_extension("lock"))?;
    if !directory.exists() {
        let work = directory.with_extension("tmp");
        if work.exists() {
            fs::remove_dir_all(&work).map_err(at(&work))?;
        }
        fs::create_dir_all(&work).map_err(at(&work))?;
        let built = build(cache, release, &work);
        if built.is_err() {
            let _ = fs::remove_dir_all(&work);
        }
        built?;
        fs::rename(&work, &directory).map_err(at(&directory))?;
    }
    if !image.root.exists() {
        resize(&directory, &image.root, gib)?;
    }
    Ok(image)
}

fn build(cache: &Path, release: Release, work: &Path) -> Result<()> {
    let script = work.join("customise.sh");
    fs::write(&script, recipe::CUSTOMISE).map_err(at(&script))?;
    let tree = work.join("tree");
    let hook = format!(
        "sh {} \"$1\" {} {}",
        quoted(&script),
        quoted(&key(cache)?.with_extension("pub")),
        release.suite()
    );
    // Not --quiet, which hides why a package failed.
    let mut debian = isolated("mmdebstrap");
    debian
        .arg("--variant=minbase")
        .arg(format!("--include={}", recipe::packages(release)))
        .arg(format!("--customize-hook={hook}"))
        .arg(release.suite())
        .arg(&tree)
        .args(mirror::source(release));
    succeed(&mut debian, BUILD_LIMIT)?;
    copy_boot_file(&tree, "vmlinuz-", &work.join("vmlinuz"))?;
    copy_boot_file(&tree, "initrd.img-", &work.join("initrd"))?;
    let raw = work.join("root.raw");
    let file = File::create(&raw).map_err(at(&raw))?;
    file.set_len(u64::from(ROOT_GIB) << 30).map_err(at(&raw))?;
    drop(file);
    succeed(
        Command::new("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-E", "lazy_itable_init=1", "-d"])
            .args([&tree, &raw]),
        STEP_LIMIT,
    )?;
    let root = work.join(format!("root-{ROOT_GIB}.qcow2"));
    convert(&raw, "raw", &root, "qcow2")?;
    fs::remove_file(&raw).map_err(at(&raw))?;
    fs::remove_dir_all(&tree).map_err(at(&tree))
}

/// A program that ends with this thread, together with its children and mounts.
///
/// mmdebstrap mounts this machine's /dev, /proc and /sys in its tree. If it were killed and left them there, the next build
/// would delete the unfinished tree with them.
fn isolated(program: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        // For an ordinary user mmdebstrap creates its own namespaces.
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "unshare", "--mount", "--pid", "--fork", "--kill-child"]);
    command.args(["--mount-proc", "--", program]);
    command
}

/// Creates a root disk of another size from the default one.
fn resize(directory: &Path, root: &Path, gib: u32) -> Result<()> {
    let raw = directory.join(format!("resize-{gib}.raw"));
    let first = directory.join(format!("root-{ROOT_GIB}.qcow2"));
    convert(&first, "qcow2", &raw, "raw")?;
    let size = u64::from(gib) << 30;
    let set_len = |length: u64| {
        File::options().write(true).open(&raw).and_then(|f| f.set_len(length)).map_err(at(&raw))
    };
    if gib > ROOT_GIB {
        set_len(size)?;
    }
    // resize2fs requires a checked file system; e2fsck exits with 1 if it changed something.
    let _ = succeed(Command::new("e2fsck").args(["-f", "-y"]).arg(&raw), STEP_LIMIT);
    succeed(Command::new("resize2fs").arg(&raw).arg(format!("{gib}G")), STEP_LIMIT)?;
    if gib < ROOT_GIB {
        set_len(size)?;
    }
    let part = root.with_extension("part");
    convert(&raw, "raw", &part, "qcow2")?;
    fs::remove_file(&raw).map_err(at(&raw))?;
    fs::rename(&part, root).map_err(at(root))
}

fn convert(from: &Path, from_format: &str, to: &Path, to_format: &str) -> Result<()> {
    succeed(
        Command::new("qemu-img").args(["convert", "-f", from_format, "-O", to_format]).args([from, to]),
        STEP_LIMIT,
    )?;
    Ok(())
}

fn copy_boot_file(tree: &Path, prefix: &str, to: &Path) -> Result<()> {
    let boot = tree.join("boot");
    for entry in fs::read_dir(&boot).map_err(at(&boot))? {
        let entry = entry.map_err(at(&boot))?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            fs::copy(entry.path(), to).map_err(at(to))?;
            return Ok(());
        }
    }
    Err(Error::Program {
        command: "mmdebstrap".to_owned(),
        what: format!("left no /boot/{prefix}*"),
        stderr: String::new(),
    })
}

fn quoted(path: &Path) -> String {
    crate::ssh::quote(&path.to_string_lossy())
}
