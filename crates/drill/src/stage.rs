//! The unit in which a drill takes place: scripts, the start, the limit, and the end of all of it.

use std::time::Duration;

use oomguard_host::files::Access;
use oomguard_host::{Host, HostError};

use crate::error::DrillError;
use crate::order::{Order, Scope, Sizes, Work};
use crate::people::Cast;

/// What the guard does in it, it does in users' sessions.
pub(crate) const SLICE: &str = "user.slice";
const PREFIX: &str = "oomguard-drill-";
/// If this program is killed, systemd ends the unit so long after the drill's own time.
const SPARE: Duration = Duration::from_secs(120);

/// Whether a unit is a drill's.
pub(crate) fn is_unit(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// A drill's unit and folder. Dropping it ends every process of the unit.
#[derive(Debug)]
pub(crate) struct Stage<'h> {
    host: &'h Host,
    name: String,
    has_tmux: bool,
}

impl<'h> Stage<'h> {
    /// Writes the scripts and starts the keeper and the bystander. `id` is a number that no other drill has.
    pub(crate) fn set(host: &'h Host, order: &Order, sizes: Sizes, id: u32) -> Result<Self, DrillError> {
        let has_tmux = match host.run("tmux", &["-V"]) {
            Ok(ran) => ran.success,
            Err(HostError::Start { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        let stage = Self { host, name: format!("{PREFIX}{id}"), has_tmux };
        let folder = stage.folder();
        host.create_dirs(&folder)?;
        let access = Access { mode: 0o644, owner: None };
        host.write_new(&stage.file("keeper.sh"), stage.keeper_script(order, sizes).as_bytes(), access)?;
        host.write_new(&stage.file("pane.sh"), stage.pane_script(order, sizes).as_bytes(), access)?;
        let arguments = stage.arguments(order);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        host.run_ok("systemd-run", &arguments)?;
        Ok(stage)
    }

    pub(crate) fn cgroup(&self) -> String {
        format!("/{SLICE}/{}", self.unit())
    }

    pub(crate) fn unit(&self) -> String {
        format!("{}.service", self.name)
    }

    pub(crate) fn has_tmux(&self) -> bool {
        self.has_tmux
    }

    fn folder(&self) -> String {
        format!("/run/{}", self.name)
    }

    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.folder())
    }

    /// A service and no scope: it inherits nothing from whoever runs the drill, OOMPolicy= is older there, and systemd ends it
    /// when this program cannot.
    fn arguments(&self, order: &Order) -> Vec<String> {
        let mut properties = vec![
            "Type=forking".to_owned(),
            // There is no main process: nothing ends with the first that dies.
            "GuessMainPID=no".to_owned(),
            "OOMPolicy=continue".to_owned(),
            format!("OOMScoreAdjust={}", order.keeper_score.unwrap_or(0)),
            format!("RuntimeMaxSec={}", (order.time + SPARE).as_secs()),
            "TimeoutStopSec=5".to_owned(),
            format!("RuntimeDirectory={}", self.name),
        ];
        if order.scope == Scope::Cgroup {
            properties.push(format!("MemoryMax={}", order.limit.0));
            properties.push("MemorySwapMax=0".to_owned());
        }
        if let Work::Command { user: Some(user), .. } = &order.work {
            properties.push(format!("User={user}"));
        }
        let head = ["--collect", "--description=oomguard drill"].map(str::to_owned);
        let place = [format!("--unit={}", self.unit()), format!("--slice={SLICE}")];
        let properties = properties.into_iter().flat_map(|property| ["-p".to_owned(), property]);
        let command = ["--".to_owned(), "/bin/sh".to_owned(), self.file("keeper.sh")];
        head.into_iter().chain(place).chain(properties).chain(command).collect()
    }

    fn keeper_script(&self, order: &Order, sizes: Sizes) -> String {
        let (folder, program) = (self.folder(), quoted(&order.program));
        let keeper = if self.has_tmux {
            format!(
                "exec tmux -f /dev/null -S {folder}/tmux new-session -d -s drill -x 100 -y 30 /bin/sh {folder}/pane.sh\n"
            )
        } else {
            // The shell waits for the one of the pane, so it stays another process.
            format!("/bin/sh -c '/bin/sh {folder}/pane.sh; exit' </dev/null >/dev/null 2>&1 &\n")
        };
        format!(
            "(echo 0 >/proc/self/oom_score_adj; exec /bin/sh -c 'echo $$ >{folder}/bystander; exec \"$@\"' sh \
             {program} drill-part bystander {}) </dev/null >/dev/null 2>&1 &\n{keeper}",
            sizes.bystander
        )
    }

    fn pane_script(&self, order: &Order, sizes: Sizes) -> String {
        let folder = self.folder();
        let load = match &order.work {
            Work::Scene(scene) => {
                format!("{} drill-part load {} {}", quoted(&order.program), scene.processes(), sizes.each)
            }
            Work::Command { line, folder, .. } => {
                format!("(cd {} && exec /bin/sh -c {})", quoted(folder), quoted(line))
            }
        };
        format!(
            "echo $PPID >{folder}/keeper\necho $$ >{folder}/shell\nuntil [ -e {folder}/go ]; do sleep 0.2; done\n\
             {load}\necho $? >{folder}/ended\nwhile :; do sleep 1000; done\n"
        )
    }

    /// Who is who; `None` while not all are there.
    pub(crate) fn cast(&self) -> Option<Cast> {
        let number = |name: &str| -> Option<i32> {
            let bytes = self.host.read(&self.file(name)).ok()?;
            // A number without its end may be the beginning of a longer one.
            std::str::from_utf8(bytes.strip_suffix(b"\n")?).ok()?.parse().ok()
        };
        Some(Cast { keeper: number("keeper")?, shell: number("shell")?, bystander: number("bystander")? })
    }

    /// Nothing is loaded before the kernel itself says that the limit is there.
    pub(crate) fn prove_limit(&self, order: &Order, has_swap: bool) -> Result<(), DrillError> {
        let read = |name: &str| {
            let bytes = self.host.read(&format!("/sys/fs/cgroup{}/{name}", self.cgroup()));
            bytes.ok().map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        let must = |name: &str, wanted: &str| match read(name) {
            Some(value) if value == wanted => Ok(()),
            value => {
                let is = value.unwrap_or_else(|| "missing".to_owned());
                Err(DrillError::NoLimit(format!("{name} of {} is {is}, not {wanted}", self.cgroup())))
            }
        };
        // With 1 the kernel would kill keeper and load together.
        must("memory.oom.group", "0")?;
        if order.scope == Scope::Host {
            return Ok(());
        }
        must("memory.max", &order.limit.0.to_string())?;
        // A kernel that does not count swap has no such file; then there must be none.
        if has_swap || read("memory.swap.max").is_some() { must("memory.swap.max", "0") } else { Ok(()) }
    }

    /// Lets the shell of the pane start the load.
    pub(crate) fn go(&self) -> Result<(), HostError> {
        self.host.write_new(&self.file("go"), b"", Access { mode: 0o644, owner: None })
    }

    /// Whether the load has ended.
    pub(crate) fn load_ended(&self) -> bool {
        matches!(self.host.lstat(&self.file("ended")), Ok(Some(_)))
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        // It ends all processes of the unit, and removes its folder. A unit that never came to be is no failure here.
        let _ = self.host.run("systemctl", &["stop", &self.unit()]);
        for name in ["keeper.sh", "pane.sh", "go"] {
            let _ = self.host.remove_file(&self.file(name));
        }
        let _ = self.host.remove_dir_if_empty(&self.folder());
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Scene;
    use oomguard_spec::size::Bytes;

    fn order(work: Work) -> Order {
        Order {
            work,
            scope: Scope::Cgroup,
            limit: Bytes(128 << 20),
            time: Duration::from_secs(300),
            keeper_score: None,
            program: "/opt/it's/oomguard".to_owned(),
        }
    }

    fn stage(host: &Host) -> Stage<'_> {
        Stage { host, name: "oomguard-drill-7".to_owned(), has_tmux: true }
    }

    #[test]
    fn a_word_stays_one_word() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::folder(dir.path());
        let line = "echo 'a b' $HOME; cargo build";
        let work = Work::Command { line: line.to_owned(), folder: "/a b".to_owned(), user: None };
        let script = stage(&host).pane_script(&order(work), Sizes { each: 1, bystander: 1 });
        assert!(
            script.contains(r"(cd '/a b' && exec /bin/sh -c 'echo '\''a b'\'' $HOME; cargo build')"),
            "{script}"
        );
        let sizes = Sizes { each: 5, bystander: 6 };
        let script = stage(&host).pane_script(&order(Work::Scene(Scene::Swarm)), sizes);
        assert!(script.contains(r"'/opt/it'\''s/oomguard' drill-part load 24 5"), "{script}");
    }

    #[test]
    fn only_the_hosts_memory_has_no_limit() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::folder(dir.path());
        let mut order = order(Work::Scene(Scene::Leak));
        let limited =
            |order: &Order| stage(&host).arguments(order).iter().any(|word| word == "MemoryMax=134217728");
        assert!(limited(&order));
        order.scope = Scope::Host;
        assert!(!limited(&order));
    }

    #[test]
    fn a_limit_that_is_not_in_force_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::folder(dir.path());
        let stage = stage(&host);
        let order = order(Work::Scene(Scene::Leak));
        let folder = dir.path().join("sys/fs/cgroup/user.slice/oomguard-drill-7.service");
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        let said = |has_swap: bool| stage.prove_limit(&order, has_swap).map_err(|error| error.to_string());
        write("memory.oom.group", "0\n");
        assert!(
            said(false)
                .unwrap_err()
                .contains("memory.max of /user.slice/oomguard-drill-7.service is missing")
        );
        write("memory.max", "max\n");
        assert!(said(false).unwrap_err().contains("is max, not 134217728"));
        write("memory.max", "134217728\n");
        assert_eq!(said(false), Ok(()), "no swap, and a kernel that does not count it");
        assert!(said(true).unwrap_err().contains("memory.swap.max"));
        write("memory.swap.max", "0\n");
        assert_eq!(said(true), Ok(()));
        write("memory.oom.group", "1\n");
        assert!(said(true).unwrap_err().contains("memory.oom.group"));
    }
}
