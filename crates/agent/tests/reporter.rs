//! Events reach journald, the log, the hook and the webhook, and the sender never waits.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oomguard_agent::event::{Entry, Event};
use oomguard_agent::event_log;
use oomguard_agent::exposition::{Format, print};
use oomguard_agent::metrics::Metrics;
use oomguard_agent::notify::NotifyTargets;
use oomguard_agent::reporter::{QUEUE, Reporter};
use oomguard_host::Host;
use prometheus_client::registry::Registry;
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(20);

struct Scene {
    dir: TempDir,
    host: Host,
    metrics: Metrics,
    registry: Registry,
    lines: Arc<Mutex<Vec<u8>>>,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::folder(dir.path()).with_programs("/usr/bin:/bin");
        let (metrics, registry) = Metrics::new("1.2.3");
        Self { dir, host, metrics, registry, lines: Arc::default() }
    }

    fn program(&self, name: &str, script: &str) -> String {
        let bin = self.dir.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join(name), format!("#!/bin/sh\ncd {}\n{script}\n", self.dir.path().display()))
            .unwrap();
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        format!("/bin/{name}")
    }

    fn start(&self, targets: NotifyTargets) -> Reporter {
        Reporter::start(self.host.clone(), self.metrics.clone(), self.lines.clone(), targets).unwrap()
    }

    fn lines(&self) -> String {
        String::from_utf8(self.lines.lock().unwrap().clone()).unwrap()
    }

    fn counts(&self, series: &str) -> u64 {
        let text = print(&self.registry, Format::Text);
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    }
}

fn unlogged(count: u64) -> Event {
    Event::UnloggedKills { count }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < WAIT, "waited for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn an_event_is_logged_stored_and_counted() {
    let scene = Scene::new();
    let mut reporter = scene.start(NotifyTargets::default());
    reporter.handle_all([unlogged(3), Event::AgentStopped]);
    reporter.finish();
    let lines = scene.lines();
    assert!(lines.starts_with("<2>event=unlogged_kills message="), "{lines}");
    assert!(lines.ends_with("<6>event=agent_stopped message=\"agent stopped\"\n"), "{lines}");
    let log = event_log::read(&scene.host).unwrap();
    let kinds: Vec<_> = log.events.iter().map(|entry| entry.event.kind()).collect();
    assert_eq!(kinds, ["unlogged_kills", "agent_stopped"]);
    assert!(log.events[0].time_ms().unwrap() / 60_000 >= scene.host.now() / 60 - 1);
    assert_eq!(scene.counts("oomguard_oom_kills_total{constraint=\"unknown\"}"), 3);
    assert_eq!(scene.counts("oomguard_events_total{kind=\"agent_stopped\"}"), 1);
}

#[test]
fn a_hook_gets_each_event_as_json() {
    let scene = Scene::new();
    let hook =
        scene.program("tell", "read -r json; echo \"$json\" >>told; cat /proc/self/oom_score_adj >score");
    let mut reporter = scene.start(NotifyTargets { hook: Some(hook), webhook: None, score: 250 });
    reporter.handle(unlogged(1));
    reporter.handle(unlogged(2));
    reporter.finish();
    let mut told: Vec<Entry> = read(&scene.dir.path().join("told"))
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // Two calls run side by side.
    told.sort_by_key(|entry| entry.message.clone());
    assert_eq!(told.iter().map(|entry| entry.event.clone()).collect::<Vec<_>>(), [unlogged(1), unlogged(2)]);
    assert_eq!(read(&scene.dir.path().join("score")).trim(), "250", "a hook is load");
    assert_eq!(scene.counts("oomguard_notifications_total{target=\"hook\",result=\"ok\"}"), 2);
}

#[test]
fn a_hanging_hook_blocks_nothing_and_dropped_calls_are_counted() {
    let scene = Scene::new();
    let hook = scene.program("hang", "echo $$ >>started; exec sleep 600");
    let mut reporter = scene.start(NotifyTargets { hook: Some(hook), webhook: None, score: 0 });
    let begun = Instant::now();
    for count in 0..100 {
        reporter.handle(unlogged(count));
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(1), "the sender waited for {took:?}");
    let dropped = "oomguard_notifications_total{target=\"hook\",result=\"dropped\"}";
    // Four run and 64 wait; whatever the agent's own queue held, all of the rest is counted.
    until("the calls that do not fit", || scene.counts(dropped) == 100 - 4 - 64);
    until("the log", || event_log::read(&scene.host).unwrap().events.len() == 100);
    let started = read(&scene.dir.path().join("started"));
    assert_eq!(started.lines().count(), 4, "at most four at once");
    reporter.finish();
    let lives = |pid: &str| {
        let stat = read(Path::new(&format!("/proc/{pid}/stat")));
        !stat.is_empty() && !stat.contains(") Z ")
    };
    until("the hooks' end", || !started.lines().any(lives));
}

#[test]
fn a_hanging_hook_is_killed_after_the_timeout() {
    let scene = Scene::new();
    let hook = scene.program("hang", "exec sleep 600");
    let mut reporter = scene.start(NotifyTargets { hook: Some(hook), webhook: None, score: 0 });
    reporter.handle(unlogged(1));
    until("the end of its time", || {
        scene.counts("oomguard_notifications_total{target=\"hook\",result=\"failed\"}") == 1
    });
    reporter.finish();
    assert!(scene.lines().contains("<4>hook failed: killed after 10 s"), "{}", scene.lines());
}

#[test]
fn failed_calls_are_logged_and_counted() {
    let scene = Scene::new();
    let hook = scene.program("fail", "exit 3");
    let mut reporter = scene.start(NotifyTargets { hook: Some(hook), webhook: None, score: 0 });
    reporter.handle(unlogged(1));
    reporter.set_targets(NotifyTargets { hook: Some("/bin/missing".to_owned()), webhook: None, score: 0 });
    let failed = "oomguard_notifications_total{target=\"hook\",result=\"failed\"}";
    until("the first to fail", || scene.counts(failed) == 1);
    reporter.handle(unlogged(2));
    until("the second to fail", || scene.counts(failed) == 2);
    reporter.set_targets(NotifyTargets::default());
    reporter.handle(unlogged(3));
    reporter.finish();
    assert_eq!(scene.counts(failed), 2, "no target any more");
    let lines = scene.lines();
    assert!(lines.contains("<4>hook failed: cannot run /bin/missing: not installed"));
}

#[test]
fn a_log_write_error_is_logged_once() {
    let scene = Scene::new();
    std::fs::write(scene.dir.path().join("var"), "no folder").unwrap();
    let mut reporter = scene.start(NotifyTargets::default());
    reporter.handle_all([unlogged(1), unlogged(2)]);
    reporter.finish();
    assert_eq!(scene.lines().matches("<3>events are not in the event log").count(), 1, "{}", scene.lines());
    assert_eq!(scene.counts("oomguard_event_log_errors_total"), 2);
}

/// Standard error that nobody reads.
struct Stuck(Arc<Mutex<()>>);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _held = self.0.lock();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stuck_journald_blocks_nothing_and_lost_events_are_reported() {
    let scene = Scene::new();
    let stuck = Arc::new(Mutex::new(()));
    let held = stuck.lock().unwrap();
    let lines = Arc::new(Mutex::new(Stuck(Arc::clone(&stuck))));
    let mut reporter =
        Reporter::start(scene.host.clone(), scene.metrics.clone(), lines, NotifyTargets::default()).unwrap();
    let begun = Instant::now();
    for count in 0..QUEUE as u64 + 50 {
        reporter.handle(unlogged(count));
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
    let dropped = scene.counts("oomguard_events_dropped_total");
    assert!((49..=50).contains(&dropped), "one may have been taken out already: {dropped}");
    drop(held);
    until("the queue", || event_log::read(&scene.host).unwrap().events.len() > QUEUE / 2);
    reporter.handle(Event::AgentStopped);
    reporter.finish();
    let log = event_log::read(&scene.host).unwrap();
    // Told in one event, or in two when the first event left the queue while it was being filled.
    let lost: u64 = log
        .events
        .iter()
        .filter_map(|entry| match entry.event {
            Event::LostEvents { count, .. } => count,
            _ => None,
        })
        .sum();
    assert_eq!(lost, dropped);
    assert_eq!(scene.counts("oomguard_events_dropped_total"), dropped, "not counted twice");
    assert_eq!(log.events.last().map(|entry| entry.event.clone()), Some(Event::AgentStopped));
}

/// Whether a curl runs, and no process has that text in its arguments.
fn curl_runs_without(secret: &str) -> bool {
    let (mut curls, mut shown) = (0, 0);
    for entry in std::fs::read_dir("/proc").unwrap() {
        let line = std::fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        curls += usize::from(line.contains("curl"));
        shown += usize::from(line.contains(secret));
    }
    curls > 0 && shown == 0
}

#[test]
fn a_webhook_gets_a_post_with_the_event() {
    let scene = Scene::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/alerts?key=secret", server.local_addr().unwrap());
    let mut reporter = scene.start(NotifyTargets { hook: None, webhook: Some(url), score: 0 });
    let kill = Event::CgroupOom { cgroup: "/a \"quoted\\\" \u{e4}".into(), kills: 1 };
    reporter.handle(kill.clone());
    let (mut stream, _) = server.accept().unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    let mut request = Vec::new();
    let body = loop {
        let mut part = [0; 4096];
        let len = stream.read(&mut part).unwrap();
        assert!(len > 0, "{}", String::from_utf8_lossy(&request));
        request.extend_from_slice(&part[..len]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && body.ends_with('}')
        {
            break body.to_owned();
        }
    };
    assert!(curl_runs_without("key=secret"), "the address is in the arguments of curl");
    stream.write_all(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").unwrap();
    until("its end", || scene.counts("oomguard_notifications_total{target=\"webhook\",result=\"ok\"}") == 1);
    reporter.finish();
    let head = String::from_utf8_lossy(&request).to_lowercase();
    assert!(head.starts_with("post /alerts?key=secret http/1.1"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(serde_json::from_str::<Entry>(&body).unwrap().event, kill);
}

#[test]
fn an_http_error_of_a_webhook_is_a_failure() {
    let scene = Scene::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", server.local_addr().unwrap());
    let mut reporter = scene.start(NotifyTargets { hook: None, webhook: Some(url), score: 0 });
    reporter.handle(unlogged(1));
    let (mut stream, _) = server.accept().unwrap();
    let _ = stream.read(&mut [0; 65536]);
    stream.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    until("its end", || {
        scene.counts("oomguard_notifications_total{target=\"webhook\",result=\"failed\"}") == 1
    });
    reporter.finish();
    assert!(scene.lines().contains("<4>webhook failed: exit status: 22"), "{}", scene.lines());
}
