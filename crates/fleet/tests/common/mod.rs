//! Hosts of the second tier: an `ssh` that runs the line of shell in a folder of this machine, and a program for it.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oomguard_fleet::host_name::HostName;
use oomguard_fleet::inventory::Target;
use oomguard_fleet::job::{NamedPolicy, Task};
use oomguard_fleet::outcome::Outcome;
use oomguard_fleet::program::Programs;
use oomguard_fleet::rollout::{Rollout, Watcher};
use oomguard_fleet::run::{Member, Run, Runs, SCHEMA, StoredRun};
use oomguard_fleet::session::{Event, Limits, Means};
use oomguard_fleet::ssh::Ssh;
use oomguard_spec::policy::Policy;
use oomguard_spec::{Builtin, builtin};
use tempfile::TempDir;

/// What ssh does: the mode of the host says how it goes wrong. The folder of root's programs is one of the host's own.
const SSH: &str = r#"#!/bin/sh
all="$*"
g=; while [ "$1" != -- ]; do [ "$1" = -O ] && exit 0; [ "$1" = -G ] && g=1; shift; done
[ -n "$g" ] && { cat "${0%/*}/../hosts/$2/config" 2>/dev/null; exit 0; }
export HOSTDIR="${0%/*}/../hosts/$2"
printf '%s\n' "$all" >>"$HOSTDIR/ssh"
mode=$(cat "$HOSTDIR/mode")
case $mode in
refused) echo "ssh: connect to host $2 port 22: Connection refused" >&2; exit 255;;
changed) printf '@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\r\nHost key verification failed.\r\n' >&2; exit 255;;
unknown) echo "Host key verification failed." >&2; exit 255;;
denied) echo "root@$2: Permission denied (publickey)." >&2; exit 255;;
silent) exec sleep 60;;
noisy) echo "Welcome to $2"; echo; echo '{"line":"motd"}';;
esac
line=$(printf %s "$3" | sed "s#/usr/local/lib/oomguard#$HOSTDIR/lib#g")
PATH="$HOSTDIR/bin:$PATH" HOME="$HOSTDIR/home" sh -c "$line"
code=$?
[ "$mode" = lost ] && grep -q '"task":"apply"' "$HOSTDIR/jobs" && { echo "Connection to $2 closed by remote host." >&2; exit 255; }
exit $code
"#;

/// What comes to the host beside it as the agent's program.
pub const AGENT: &[u8] = b"the agent's program, \0 and \xff in it\n";

/// What runs on the host instead of oomguard: it has changes to make until it was applied.
const PROGRAM: &str = r#"#!/bin/sh
IFS= read -r job
printf '%s\n' "$*" >"$HOSTDIR/arguments"
printf '%s\n' "$job" >>"$HOSTDIR/jobs"
mode=$(cat "$HOSTDIR/mode")
task=${job#*\"task\":}; task=${task%%,*}
echo '{"line":"header","schema":"oomguard.fleet-line/2","version":"0","host":"x"}'
echo '{"line":"status","status":{"schema":"oomguard.status/1","host":"x","memory_bytes":1,"swap":[],"processes":[],"unread":[]}}'
finding='{"id":"no-swap","severity":"critical","subject":"swap","is":"none","should":"some","why":"x","fix":"makes it","advice":null}'
applied=false; [ -e "$HOSTDIR/applied" ] && [ "$mode" != sick ] && applied=true
report() {
  fine=$applied; if $applied; then found=; else found=$finding; fi
  echo '{"line":"report","report":{"schema":"oomguard.check/1","host":"x","policy":"ci","fine":'$fine',"findings":['"$found"'],"refusals":[],"unread":[],"dies_first":null}}'
}
plan='{"schema":"oomguard.plan/2","digest":"0","machine_id":null,"policy":@POLICY@,"changes":[],"rests_on":[],"refusals":[],"notes":[],"steps":[]}'
case $task in
'"check"') report;;
'"plan"')
  report; n=3; $applied && n=0; r=; u=null
  [ -e "$HOSTDIR/cut" ] && u='"20260101-1"'
  [ "$mode" = full ] && r='{"id":"disk-full","reason":"/ has no room for 16 GiB","advice":"make room"}'
  [ "$mode" = container ] && r='{"id":"container","reason":"it is a container","advice":"apply on its host"}'
  echo '{"line":"plan","plan":'"$plan"',"changes":'$n',"refusals":['"$r"'],"unfinished":'$u'}';;
'"apply"')
  [ "$mode" = slow ] && sleep 0.4
  echo '{"line":"step","number":1,"total":2,"step":"one"}'
  if [ "$mode" = lost ]; then : >"$HOSTDIR/cut"; exit 0; fi
  if [ "$mode" = breaks ]; then echo '{"line":"failed","message":"step 1 of 2 failed","refusals":[]}'; echo '{"line":"end"}'; exit 1; fi
  [ -e "$HOSTDIR/cut" ] && { rm "$HOSTDIR/cut"; echo '{"line":"recovered","id":"20260101-1"}'; }
  : >"$HOSTDIR/applied"
  echo '{"line":"done","ids":["20260101-1"]}';;
'{"setup":{"phase":"preflight"}}')
  echo '{"line":"setup","said":{"step":"rights","lines":["this is root"]}}'
  report; n=2; $applied && n=0
  echo '{"line":"plan","plan":'"$plan"',"changes":'$n',"refusals":[],"unfinished":null}';;
'{"setup":{"phase":"change"}}')
  echo '{"line":"setup","said":{"step":"install","lines":["put"]}}'
  echo '{"line":"step","number":1,"total":1,"step":"switch on /swapfile","part_of":"swap"}'
  : >"$HOSTDIR/applied"
  echo '{"line":"done","ids":["20260101-1"]}';;
'{"setup":{"phase":"verify"}}')
  printf '{"line":"setup","said":{"step":"status","lines":["  \\u001b[2Jswap"]}}\n'
  report;;
'{"rollback":{"to":"20260101-1"}}')
  if $applied; then rm "$HOSTDIR/applied"; echo '{"line":"done","ids":["20260101-1"]}'
  else echo '{"line":"failed","message":"the journal has no apply 20260101-1","refusals":[]}'; fi;;
'"status"') printf '{"line":"st'; exit 0;;
*) echo 'what?';;
esac
echo '{"line":"end"}'
"#;

/// Some hosts, by name, with the way in which each goes wrong.
pub struct Fleet {
    pub dir: TempDir,
    names: Vec<String>,
}

fn executable(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Fleet {
    pub fn new(hosts: &[(&str, &str)]) -> Self {
        let fleet = Self {
            dir: tempfile::tempdir().unwrap(),
            names: hosts.iter().map(|(name, _)| (*name).to_owned()).collect(),
        };
        executable(&fleet.dir.path().join("bin/ssh"), SSH);
        for (name, mode) in hosts {
            let host = fleet.host(name);
            fs::create_dir_all(host.join("home")).unwrap();
            fleet.set(name, mode);
            // Whoever runs the tests is root on these hosts, or an ordinary user with or without sudo.
            let id = match *mode {
                "no-sudo" | "user" | "sudo" => "#!/bin/sh\n[ \"$1\" = -un ] && echo dev || echo 1000\n",
                _ => "#!/bin/sh\necho 0\n",
            };
            executable(&host.join("bin/id"), id);
            let sudo = match *mode {
                "sudo" => "#!/bin/sh\n: >\"$HOSTDIR/sudo-used\"; shift; exec \"$@\"\n",
                _ => "#!/bin/sh\nexit 1\n",
            };
            executable(&host.join("bin/sudo"), sudo);
            let (program, text) = match *mode {
                "arch" => ("uname", "#!/bin/sh\necho riscv64\n"),
                "no-room" => {
                    ("cat", "#!/bin/sh\necho 'cat: write error: No space left on device' >&2; exit 1\n")
                }
                "damaged" => ("cat", "#!/bin/sh\necho half\n"),
                _ => continue,
            };
            executable(&host.join("bin").join(program), text);
        }
        fleet
    }

    pub fn host(&self, name: &str) -> PathBuf {
        self.dir.path().join("hosts").join(name)
    }

    pub fn set(&self, name: &str, mode: &str) {
        fs::write(self.host(name).join("mode"), mode).unwrap();
    }

    pub fn has(&self, name: &str, file: &str) -> bool {
        self.host(name).join(file).exists()
    }

    pub fn lines(&self, name: &str, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.host(name).join(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub fn means(&self, program: &str) -> Means {
        let variables = std::env::vars_os();
        let program_of_ssh = self.dir.path().join("bin/ssh");
        let mut programs = Programs::default();
        programs.add(std::env::consts::ARCH, program.as_bytes().to_vec(), Some(AGENT.to_vec()));
        Means {
            ssh: Ssh::new(program_of_ssh, None, self.dir.path(), variables).unwrap(),
            programs,
            limits: Limits { answer: Duration::from_secs(4), silence: Duration::from_secs(20) },
            root: false,
        }
    }

    pub fn rollout(&self, forks: usize, stop: &Arc<AtomicBool>) -> Rollout {
        Rollout::new(self.means(&program()), forks, Arc::clone(stop))
    }

    pub fn runs(&self) -> Runs {
        Runs::new(self.dir.path().join("runs"))
    }

    pub fn begin(&self, task: Task, max_failures: usize) -> StoredRun {
        let policy = NamedPolicy { name: "ci".to_owned(), policy: builtin::policy(Builtin::Ci) };
        let member = |name: &String| Member {
            target: Target::new(name.parse().unwrap(), None),
            policy: "ci".to_owned(),
        };
        let run = Run {
            schema: SCHEMA.to_owned(),
            id: String::new(),
            task,
            started: 0,
            waves: "1,100%".to_owned(),
            max_failures,
            root: false,
            hosts: self.names.iter().map(member).collect(),
            policies: BTreeMap::from([("ci".to_owned(), policy)]),
        };
        self.runs().begin(run, 1_768_000_000).unwrap()
    }
}

pub fn program() -> String {
    PROGRAM.replace("@POLICY@", &serde_json::to_string(&Policy::default()).unwrap())
}

/// Remembers what it is told, and says stop after some hosts.
#[derive(Default)]
pub struct Notes {
    pub lines: Vec<String>,
    pub stop_after: Option<(usize, Arc<AtomicBool>)>,
    pub done: usize,
}

impl Watcher for Notes {
    fn event(&mut self, host: &HostName, event: &Event) {
        self.lines.push(format!("{host} {event:?}"));
    }

    fn done(&mut self, outcome: &Outcome) {
        self.done += 1;
        self.lines.push(format!("{} {}", outcome.target.name, outcome.state.word()));
        if let Some((count, stop)) = &self.stop_after
            && self.done >= *count
        {
            stop.store(true, Ordering::Relaxed);
        }
    }

    fn wave(&mut self, number: usize, total: usize, hosts: usize) {
        self.lines.push(format!("wave {number}/{total} {hosts}"));
    }

    fn now(&self) -> u64 {
        1_768_000_100
    }
}
