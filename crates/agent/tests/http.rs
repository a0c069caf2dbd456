//! What a client gets, and that none can hang the server.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oomguard_agent::http::{Beat, MAX_CONNECTIONS, Page, Server, serve};
use oomguard_agent::metrics::Metrics;
use oomguard_agent::{exposition, textfile};
use oomguard_host::Host;
use tempfile::TempDir;

struct Scene {
    _dir: TempDir,
    page: Arc<Page>,
    server: Server,
}

fn scene(limit_ms: u64) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::folder(dir.path());
    let write = |path: &str, text: &str| {
        let file = dir.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    write(
        "proc/meminfo",
        "MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 500 kB\nBuffers: 0 kB\nCached: 0 kB\nSwapCached: 0 kB\n\
         SwapTotal: 100 kB\nSwapFree: 60 kB\n",
    );
    write("proc/vmstat", "pswpin 2\npswpout 3\noom_kill 5\n");
    write(
        "proc/pressure/memory",
        "some avg10=0.00 avg60=1.50 avg300=0.00 total=2500000\nfull avg10=0.00 avg60=0.50 avg300=0.00 total=1500000\n",
    );
    write("proc/sys/vm/swappiness", "10\n");
    let (metrics, registry) = Metrics::new("1.2.3");
    let beat = Beat::new(&host, limit_ms);
    let page = Arc::new(Page { host, metrics, registry, beat });
    let server = serve(SocketAddr::from(([127, 0, 0, 1], 0)), Arc::clone(&page)).unwrap();
    Scene { _dir: dir, page, server }
}

impl Scene {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn ask(&self, request: &str) -> (String, String) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.to_lowercase(), body.to_owned())
    }

    fn get(&self, path: &str, accept: &str) -> (String, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n"))
    }
}

#[test]
fn the_machine_is_read_for_each_scrape_in_both_formats() {
    let scene = scene(1000);
    let (head, text) = scene.get("/metrics", "text/plain");
    assert!(head.starts_with("http/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    for line in [
        "oomguard_build_info{version=\"1.2.3\"} 1",
        "oomguard_memory_size_bytes 1024000",
        "oomguard_memory_available_bytes 512000",
        "oomguard_swap_size_bytes 102400",
        "oomguard_swap_used_bytes 40960",
        "oomguard_swappiness 10",
        "oomguard_memory_pressure_waiting_seconds_total 2.5",
        "oomguard_memory_pressure_stalled_seconds_total 1.5",
        "oomguard_memory_pressure_full_avg60_ratio 0.005",
        "oomguard_kernel_oom_kills_total 5",
        "oomguard_oom_kills_total{constraint=\"memcg\"} 0",
        "# TYPE oomguard_swap_in_bytes_total counter",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    let page = rustix_page_size();
    assert!(text.contains(&format!("oomguard_swap_in_bytes_total {}\n", 2 * page)), "{text}");
    assert!(!text.contains("# EOF") && !text.contains("# UNIT"));

    std::fs::write(scene.page.host.real("/proc/vmstat"), "pswpin 2\npswpout 3\noom_kill 6\n").unwrap();
    let (head, open) = scene.get("/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(open.contains("# TYPE oomguard_kernel_oom_kills counter\n") && open.ends_with("# EOF\n"));
    assert!(open.contains("\noomguard_kernel_oom_kills_total 6\n"), "{open}");
}

fn rustix_page_size() -> u64 {
    Host::live().page_size()
}

#[test]
fn a_number_that_cannot_be_read_is_counted_and_the_others_are_there() {
    let scene = scene(1000);
    scene.get("/metrics", "");
    std::fs::write(scene.page.host.real("/proc/meminfo"), "MemTotal: nonsense\n").unwrap();
    std::fs::remove_file(scene.page.host.real("/proc/pressure/memory")).unwrap();
    let (_, text) = scene.get("/metrics", "");
    assert!(text.contains("oomguard_machine_read_errors_total 1\n"), "{text}");
    assert!(text.contains("oomguard_kernel_oom_kills_total 5\n"));
}

#[test]
fn health_is_that_of_the_loop() {
    let scene = scene(300);
    let (head, body) = scene.get("/healthz", "");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(body, "ok\n");
    std::thread::sleep(Duration::from_millis(350));
    let (head, body) = scene.get("/healthz", "");
    assert!(head.starts_with("http/1.1 503"), "{head}");
    assert!(body.contains("has not run for"), "{body}");
    scene.page.beat.beat(scene.page.host.tick());
    assert!(scene.get("/healthz", "").0.starts_with("http/1.1 200"));
}

#[test]
fn other_paths_and_methods() {
    let scene = scene(1000);
    assert!(scene.get("/", "").1.contains("/metrics"));
    assert!(scene.get("/metrics/../etc/passwd", "").0.starts_with("http/1.1 404"));
    let (head, _) = scene.ask("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    assert!(head.starts_with("http/1.1 405") && head.contains("allow: get, head"), "{head}");
    let (head, body) = scene.ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(head.starts_with("http/1.1 200") && body.is_empty(), "{head}");
    assert!(head.contains("connection: close"), "one request a connection: {head}");
    assert!(scene.ask("nonsense\r\n\r\n").0.starts_with("http/1.1 400"));
    let long = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(20_000));
    let mut stream = scene.connect();
    let _ = stream.write_all(long.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn clients_that_say_nothing_are_cut_off_and_others_are_answered_meanwhile() {
    let scene = scene(60_000);
    let mut silent: Vec<TcpStream> = (0..MAX_CONNECTIONS - 1).map(|_| scene.connect()).collect();
    silent[0].write_all(b"GET /metrics HT").unwrap();
    let begun = Instant::now();
    assert!(scene.get("/healthz", "").0.starts_with("http/1.1 200"));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    for stream in &mut silent {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    let took = begun.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_secs(12)).contains(&took), "{took:?}");
    assert!(scene.get("/healthz", "").0.starts_with("http/1.1 200"));
}

#[test]
fn too_many_clients_are_turned_away_and_places_become_free_again() {
    let scene = scene(60_000);
    let silent: Vec<TcpStream> = (0..MAX_CONNECTIONS).map(|_| scene.connect()).collect();
    let mut one_more = scene.connect();
    let _ = one_more.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut answer = Vec::new();
    let _ = one_more.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    drop(silent);
    let begun = Instant::now();
    loop {
        let mut stream = scene.connect();
        let mut answer = String::new();
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        let _ = stream.read_to_string(&mut answer);
        if answer.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_port_in_use_is_an_error_and_a_dropped_server_frees_it() {
    let scene = scene(1000);
    let address = scene.server.address();
    let page = Arc::clone(&scene.page);
    assert!(serve(address, Arc::clone(&page)).is_err());
    drop(scene);
    serve(address, page).unwrap();
}

#[test]
fn the_same_text_for_node_exporters_folder() {
    let scene = scene(1000);
    std::fs::create_dir(scene.page.host.real("/textfile")).unwrap();
    let text = scene.page.print(exposition::Format::Text);
    textfile::write(&scene.page.host, "/textfile/", &text).unwrap();
    assert_eq!(scene.page.host.read("/textfile/oomguard.prom").unwrap(), text.as_bytes());
    assert_eq!(scene.page.host.list_dir("/textfile").unwrap(), ["oomguard.prom"]);
    assert!(textfile::write(&scene.page.host, "/none", &text).is_err());
}
