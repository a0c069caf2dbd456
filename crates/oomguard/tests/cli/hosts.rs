//! Folders that stand for hosts: those of `converge`'s tests, with more memory and a name.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Once;

use oomguard_converge::apply::Session;
use oomguard_converge::rollback::Rollback;
use oomguard_spec::policy::Policy;
use oomguard_spec::{Builtin, builtin};

use crate::fixture::{Fixture, StopAfter};
use crate::run::{Ran, on, one_at_a_time};

pub struct Folder(pub Fixture);

impl Folder {
    /// A Debian 12 with 1 GiB of memory and no swap: systemd as it is installed, one user with a tmux server.
    pub fn fresh() -> Self {
        find_room();
        let fixture = {
            let _alone = one_at_a_time();
            Fixture::new()
        };
        for dir in ["/", "/etc"] {
            // Whatever the developer's umask is.
            std::fs::set_permissions(fixture.real(dir), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        fixture.write("/proc/sys/kernel/hostname", "web1\n");
        std::fs::create_dir(fixture.real("/var")).unwrap();
        let host = Self(fixture);
        host.memory(1 << 20);
        host
    }

    /// The same host with 64 MiB, after an apply of the default policy.
    pub fn good() -> Self {
        let host = Self::fresh();
        host.memory(64 << 10);
        host.apply(&builtin::policy(Builtin::Workstation));
        host
    }

    /// Applies a policy as root would; the folder has programs that act on it.
    pub fn apply(&self, policy: &Policy) -> String {
        let _alone = one_at_a_time();
        let session = Session::open(&self.0.host, policy, env!("CARGO_PKG_VERSION")).unwrap();
        let outcome = session.apply(&mut StopAfter(0)).unwrap();
        assert_eq!(outcome.left, []);
        self.0.show_scores();
        outcome.id.unwrap()
    }

    /// Undoes the last apply.
    pub fn roll_back(&self) {
        let _alone = one_at_a_time();
        Rollback::open(&self.0.host, None).unwrap().run(&mut StopAfter(0)).unwrap();
        self.0.show_scores();
    }

    pub fn memory(&self, kib: u64) {
        let free = kib * 9 / 10;
        let text = format!(
            "MemTotal: {kib} kB\nMemFree: {free} kB\nMemAvailable: {free} kB\nBuffers: 0 kB\nCached: 0 kB\n\
             SwapCached: 0 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"
        );
        self.0.write("/proc/meminfo", &text);
    }

    pub fn root(&self) -> PathBuf {
        self.0.root()
    }

    pub fn remove(&self, path: &str) {
        let real = self.0.real(path);
        if real.is_dir() { std::fs::remove_dir_all(real) } else { std::fs::remove_file(real) }.unwrap();
    }

    /// A path at which nobody can read a file, root neither.
    pub fn make_unreadable(&self, path: &str) {
        self.remove(path);
        std::fs::create_dir(self.0.real(path)).unwrap();
    }

    /// The command on this host, which it leaves as it is.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Ran {
        let before = self.0.tree();
        let ran = on(&self.root(), args);
        assert!(self.0.tree() == before, "{args:?} changed the host");
        ran
    }
}

/// The hosts' disk is the disk of their folder: some of it has to be free.
pub fn find_room() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let system = std::env::temp_dir();
        // In memory first: an apply makes each of its steps durable, and that takes its time on a disk.
        let places = [Path::new("/dev/shm"), system.as_path(), Path::new(env!("CARGO_TARGET_TMPDIR"))];
        let place = places.into_iter().find(|place| has_room(place));
        let place = place.expect("no temporary folder with 5 GiB and a fifth of its disk free");
        let _ = tempfile::env::override_temp_dir(place);
    });
}

fn has_room(place: &Path) -> bool {
    rustix::fs::statvfs(place).is_ok_and(|disk| {
        let runs_programs = !disk.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC);
        let free = disk.f_bavail * disk.f_frsize;
        runs_programs && free > 5 << 30 && free > disk.f_blocks * disk.f_frsize / 5
    })
}
