#![allow(dead_code, reason = "each test file uses a part of it")]
//! A lab host with oomguard, and helpers that the tests share.

use std::path::PathBuf;
use std::time::Duration;

use oomguard_lab::{HostSpec, Lab, Login, Session, Vm};

pub const LINE: Duration = Duration::from_secs(300);

/// A booted host with oomguard and the agent's program in /usr/local/bin.
pub fn boot(spec: &HostSpec) -> Vm {
    let binary = std::env::var_os("OOMGUARD_BIN").map(PathBuf::from);
    let binary = binary.expect("OOMGUARD_BIN must name the static command; `cargo xtask test` sets it");
    let cache = std::env::var_os("OOMGUARD_LAB_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/oomguard-lab"),
        PathBuf::from,
    );
    let vm = Lab::new(cache).unwrap().boot(spec).unwrap();
    vm.push(&binary, "/usr/local/bin/oomguard", 0o755).unwrap();
    vm.push(&binary.with_file_name("oomguard-agent"), "/usr/local/bin/oomguard-agent", 0o755).unwrap();
    vm
}

/// The output (both streams) and exit code of a command.
pub struct Said {
    pub code: i32,
    pub text: String,
}

impl Said {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.text);
        self
    }

    #[track_caller]
    pub fn says(self, part: &str) -> Self {
        assert!(self.text.contains(part), "{part:?} is not said: {}", self.text);
        self
    }
}

/// Runs a command as root.
pub fn run(vm: &Vm, command: &str) -> Said {
    let output = vm.run(command).unwrap();
    Said { code: output.status, text: output.stdout + &output.stderr }
}

/// What `check` finds, a line each, with everything that it says about it and no table around it.
pub fn found(vm: &Vm, policy: &str) -> Said {
    let json = ok_or_differs(vm, &format!("oomguard check {policy} --format json 2>/dev/null"));
    let report: serde_json::Value = serde_json::from_str(&json).expect("a report");
    let text = |finding: &serde_json::Value| {
        let parts = ["severity", "id", "subject", "is", "should", "why", "fix", "advice"];
        parts.map(|part| finding[part].as_str().unwrap_or("-").to_owned()).join(" | ")
    };
    let lines: Vec<String> = report["findings"].as_array().expect("findings").iter().map(text).collect();
    Said { code: if report["fine"] == true { 0 } else { 2 }, text: lines.join("\n") }
}

pub fn ok(vm: &Vm, command: &str) -> String {
    run(vm, command).exits(0).text
}

/// Every file, folder and link of /etc with its owner, mode and bytes, except for files that the system rewrites.
pub fn etc(vm: &Vm) -> String {
    ok(
        vm,
        "cd /etc && find . -not -name '.pwd.lock' -printf '%p %y %m %U %G %l\\n' | sort && \
         find . -type f -exec sha256sum {} + | sort -k2",
    )
}

/// Files that an interrupted change could leave behind.
pub fn strays(vm: &Vm) -> String {
    ok(
        vm,
        "find / -xdev \\( -name '*.oomguard-new' -o -name 'swapfile.[0-9]*' \\) -print; for d in /data*; do \
            [ -d $d ] && find $d -name '*.oomguard-new' -print; done; true",
    )
}

/// The score of the only process that `pgrep` finds.
pub fn score(vm: &Vm, pgrep: &str) -> i32 {
    let text = ok(vm, &format!("cat /proc/$(pgrep -o {pgrep})/oom_score_adj"));
    text.trim().parse().unwrap_or_else(|_| panic!("{pgrep}: {text:?}"))
}

/// A session of `dev` with a user manager, a tmux server and a shell in its pane.
pub fn session_with_tmux(vm: &Vm) -> Login {
    let login = vm.login("dev").unwrap();
    vm.run_as("dev", "tmux new-session -d -s work").unwrap();
    ok(
        vm,
        "until pgrep -u dev -P $(pgrep -o -u dev -f '^tmux: server|^tmux new') >/dev/null; do sleep 0.2; done",
    );
    login
}

/// The scores of the user manager, the tmux server and the shell in its pane.
pub fn session_scores(vm: &Vm) -> [i32; 3] {
    let tmux = ok(vm, "pgrep -o -u dev -x 'tmux: server'").trim().to_owned();
    let number = |text: String| text.trim().parse().expect("a score");
    [
        score(vm, "-u dev -x systemd"),
        number(ok(vm, &format!("cat /proc/{tmux}/oom_score_adj"))),
        number(ok(vm, &format!("cat /proc/$(pgrep -o -P {tmux})/oom_score_adj"))),
    ]
}

/// An apply (or rollback) that waits after every step.
pub struct Walk {
    session: Session,
    pub total: usize,
}

impl Walk {
    /// Starts it and runs its first step.
    pub fn start(vm: &Vm, command: &str) -> Self {
        let mut walk =
            Self { session: vm.spawn(&format!("oomguard {command} --yes --step")).unwrap(), total: 0 };
        walk.total = walk.wait_for(1);
        walk
    }

    /// Runs up to the given step.
    pub fn to(&mut self, step: usize) {
        for next in 2..=step {
            self.session.send_line("").unwrap();
            self.wait_for(next);
        }
    }

    /// Runs all remaining steps.
    #[expect(clippy::wrong_self_convention, reason = "it walks to the end, and is then over")]
    pub fn to_end(mut self, from: usize) {
        for next in from + 1..=self.total {
            self.session.send_line("").unwrap();
            self.wait_for(next);
        }
        self.session.send_line("").unwrap();
        assert_eq!(self.session.wait(LINE), Some(0));
    }

    fn wait_for(&mut self, step: usize) -> usize {
        let mark = format!("step {step} of ");
        let mut said = String::new();
        loop {
            let line = self.session.read_line(LINE).unwrap_or_else(|e| panic!("{e}; it said:\n{said}"));
            if let Some(rest) = line.strip_prefix(&mark) {
                return rest.split(' ').next().and_then(|n| n.parse().ok()).expect("a number of steps");
            }
            said.push_str(&line);
            said.push('\n');
        }
    }

    /// kill -9, as the kernel or an operator would.
    pub fn kill(mut self, vm: &Vm) {
        ok(vm, "pkill -KILL -x oomguard");
        self.session.kill();
    }
}

/// The number of steps of a command on this host.
pub fn steps(vm: &Vm, policy: &str) -> usize {
    let json = ok_or_differs(vm, &format!("oomguard plan {policy} --format json 2>/dev/null"));
    let plan: serde_json::Value = serde_json::from_str(&json).expect("a plan");
    plan["steps"].as_array().expect("steps").len()
}

fn ok_or_differs(vm: &Vm, command: &str) -> String {
    let said = run(vm, command);
    assert!(said.code == 0 || said.code == 2, "{}", said.text);
    said.text
}
