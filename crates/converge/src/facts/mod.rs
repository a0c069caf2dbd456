//! What a host looks like now, read once into one value. Reading changes nothing and runs no program.

pub mod agent;
mod kernel;
pub mod process;
pub mod process_reader;
pub(crate) mod process_rules;
pub mod processes;
pub mod swap;
pub mod sysctl;
pub mod units;
mod unread;

use oomguard_host::Host;
use oomguard_host::proc::meminfo::Meminfo;
use oomguard_host::proc::pressure::Pressure;
use oomguard_spec::policy::Policy;
use serde::Serialize;

pub use agent::AgentFacts;
pub use kernel::Cgroups;
pub use process::{KeeperKind, Process, Program};
pub use processes::Processes;
pub use swap::SwapFacts;
pub use sysctl::SwappinessFacts;
pub use units::UnitFacts;
pub use unread::Unread;

/// What a host looks like now, as far as a policy asks.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// /etc/machine-id: which installation this is.
    pub machine_id: Option<String>,
    /// `6.1.0-18-cloud-amd64`
    pub kernel: String,
    /// The first two numbers of the kernel's version.
    pub kernel_version: (u32, u32),
    /// The version of systemd that is installed.
    pub systemd: Option<u32>,
    /// The kind of container that this is, when it is one.
    pub container: Option<String>,
    /// Which cgroup hierarchies are mounted.
    pub cgroups: Cgroups,
    /// /proc/meminfo
    pub memory: Meminfo,
    /// /proc/pressure/memory, where the kernel has it.
    pub pressure: Option<Pressure>,
    /// Swap as it is now, and as it is at the next boot.
    pub swap: SwapFacts,
    /// vm.swappiness now, and at the next boot.
    pub swappiness: SwappinessFacts,
    /// What systemd is told about scores.
    pub units: UnitFacts,
    /// The agent: its program, whether it starts at boot, whether it runs.
    pub agent: AgentFacts,
    /// The processes that matter to a policy.
    pub processes: Processes,
    /// What this user could not read.
    pub unread: Vec<Unread>,
}

impl Facts {
    /// Reads a host, as far as `policy` asks about it.
    ///
    /// What an ordinary user may not read is listed in [`Facts::unread`].
    ///
    /// # Errors
    /// When not even /proc/meminfo can be read: then this is no Linux host, or /proc is not mounted.
    pub fn read(host: &Host, policy: &Policy) -> oomguard_host::Result<Self> {
        let mut unread = Vec::new();
        let memory = kernel::memory(host)?;
        let (kernel, kernel_version) = kernel::release(host, &mut unread);
        let systemd = kernel::systemd_version(host);
        let processes = processes::read(host, policy, &mut unread);
        Ok(Self {
            agent: agent::read(host, policy, &processes, &mut unread),
            machine_id: kernel::machine_id(host),
            kernel,
            kernel_version,
            systemd,
            container: kernel::container(host),
            cgroups: kernel::cgroups(host),
            memory,
            pressure: kernel::pressure(host, &mut unread),
            swap: swap::read(host, policy.swap.as_ref().map(|swap| swap.file.as_str()), &mut unread),
            swappiness: sysctl::read(host, &mut unread),
            units: units::read(host, policy, systemd, &mut unread),
            processes,
            unread,
        })
    }
}
