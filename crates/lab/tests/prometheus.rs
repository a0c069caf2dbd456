//! Prometheus scrapes an agent, and an alert fires after an OOM kill.
//!
//! Prometheus runs on this machine, with the rules of the repository, and reaches the host through ssh because lab hosts have
//! no network.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use host::{boot, ok, run};
use oomguard_lab::{HostSpec, Release, Vm};

/// The agent's port.
const AGENT: u16 = 19874;
/// Long, because emulated hosts answer slowly under memory pressure.
const WAIT: Duration = Duration::from_secs(300);

/// A program of this machine that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command) -> Running {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Running(child.unwrap_or_else(|e| panic!("cannot run {command:?}: {e}")))
}

/// A free port of this machine.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Forwards a port of this machine to the agent.
fn forward(vm: &Vm) -> (Running, u16) {
    let port = free_port();
    let mut ssh = Command::new("ssh");
    ssh.arg("-i").arg(vm.key()).args(["-p", &vm.ssh_port().to_string(), "-N"]);
    for option in ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ExitOnForwardFailure=yes"] {
        ssh.args(["-o", option]);
    }
    ssh.args(["-L", &format!("127.0.0.1:{port}:127.0.0.1:{AGENT}"), "root@127.0.0.1"]);
    (start(&mut ssh), port)
}

struct Prometheus {
    _running: Running,
    dir: PathBuf,
    port: u16,
}

impl Prometheus {
    /// Scrapes that port every second, with the repository's rules.
    fn start(target: u16) -> Self {
        let port = free_port();
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("prometheus-{port}"));
        std::fs::create_dir_all(&dir).unwrap();
        let rules =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../integrations/prometheus/oomguard.rules.yml");
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{}]\nscrape_configs:\n  \
             - job_name: oomguard\n    static_configs: [{{targets: [\"127.0.0.1:{target}\"]}}]\n",
            rules.canonicalize().unwrap().display()
        );
        std::fs::write(dir.join("prometheus.yml"), config).unwrap();
        let mut prometheus = Command::new("prometheus");
        prometheus.current_dir(&dir).args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        prometheus.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        Self { _running: start(&mut prometheus), dir, port }
    }

    /// The result of an expression, one series on each line; empty if Prometheus is not ready.
    fn query(&self, expression: &str) -> String {
        let server = format!("http://127.0.0.1:{}", self.port);
        let output = Command::new("promtool").args(["query", "instant", &server, expression]).output();
        String::from_utf8_lossy(&output.expect("promtool").stdout).trim().to_owned()
    }

    #[track_caller]
    fn wait_for(&self, expression: &str) -> String {
        let begun = Instant::now();
        loop {
            let found = self.query(expression);
            if !found.is_empty() {
                return found;
            }
            assert!(begun.elapsed() < WAIT, "{expression} stays empty; alerts:\n{}", self.query("ALERTS"));
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn alert_fires_after_an_oom_kill() {
    let vm = boot(&HostSpec::new(Release::Bookworm));
    run(&vm, "oomguard apply --role ci --yes").exits(0);
    ok(
        &vm,
        "systemctl is-active -q oomguard-agent || systemd-run -q --unit oomguard-agent -p OOMScoreAdjust=-900 \
         /usr/local/bin/oomguard agent --role ci",
    );
    let (_forward, port) = forward(&vm);
    let prometheus = Prometheus::start(port);
    prometheus.wait_for("up{job=\"oomguard\"} == 1");
    let (kills, firing) =
        ("oomguard_oom_kills_total > 0", "ALERTS{alertname=\"OomKill\",alertstate=\"firing\"}");
    assert_eq!((prometheus.query(kills), prometheus.query(firing)), (String::new(), String::new()));

    // With a limit, so that nothing else on the host is in danger.
    let hog = "systemd-run -q --wait --unit hog -p MemoryMax=100M -p MemorySwapMax=0 \
               python3 -c 'a=[bytearray(b\"x\"*(1<<20)) for _ in range(300)]'";
    let ended = vm.run(hog).unwrap();
    assert_ne!(ended.status, 0, "it was not killed");
    let counted = prometheus.wait_for(kills);
    assert!(counted.contains("constraint=\"memcg\""), "{counted}");
    prometheus.wait_for(firing);

    // The victim is in the event log, not in a label.
    let events: serde_json::Value =
        serde_json::from_str(&ok(&vm, "oomguard events --kind oom_kill --format json")).unwrap();
    let kill = &events["events"][0];
    assert_eq!((&kill["comm"], &kill["constraint"]), (&"python3".into(), &"memcg".into()), "{events}");
    assert_eq!(kill["cgroup"], "/system.slice/hog.service");
    // The counter of the parent slice includes the kill; it must still be one event after another sample.
    ok(&vm, "sleep 33");
    let events: serde_json::Value = serde_json::from_str(&ok(&vm, "oomguard events --format json")).unwrap();
    let kinds = events["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap());
    let kills: Vec<&str> = kinds.filter(|kind| kind.contains("oom") || kind.contains("kill")).collect();
    assert_eq!(kills, ["oom_kill"], "{events}");
    let named = prometheus.query("{__name__=~\"oomguard_.*\"}");
    assert!(!named.is_empty() && !named.contains("python3") && !named.contains("hog"), "{named}");
    let health = ok(
        &vm,
        "python3 -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:19874/healthz\").status)'",
    );
    assert_eq!(health.trim(), "200");
}
