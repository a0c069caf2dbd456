//! The recorder's file: every record comes back, whatever happened to the file.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use oomguard_agent::recorder::format::{FILE, PAGE, SLOTS, decode, encode, file_head};
use oomguard_agent::recorder::record::{CGROUPS, Cgroup, NAME, OF_EACH, Process, Record};
use oomguard_agent::recorder::{Opened, Recorder, RecorderError, WINDOW, rate, read};
use oomguard_host::Host;
use oomguard_host::clock::Moment;
use proptest::prelude::*;
use tempfile::TempDir;

const BOOT: &str = "5d0f7a2c-0000-4000-8000-000000000001";
const OTHER_BOOT: &str = "5d0f7a2c-0000-4000-8000-000000000002";
const ID: [u8; 16] = [7; 16];

fn record(processes: usize) -> Record {
    let process = |pid: usize| Process {
        pid: pid as i32,
        start_time: 1 << 40,
        name: format!("process-{pid}"),
        unit: format!("user-{pid}.service"),
        score: -900,
        rss: (1 << 36) + pid as u64,
        swap: 1 << 36,
        growth: -(1 << 30),
    };
    Record { processes: (0..processes).map(process).collect(), ..Record::default() }
}

fn page_of(number: u64, record: &Record) -> [u8; PAGE] {
    let mut page = [0; PAGE];
    let moment = Moment { since_boot_us: number, real_us: number + 1_000_000 };
    encode(number, &ID, moment, &mut record.clone(), &mut page);
    page
}

/// A small host: /proc with two processes and their memory.
struct Folder {
    dir: TempDir,
    host: Host,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let host = Host::folder(dir.path());
        let folder = Self { dir, host };
        folder.memory(900_000);
        folder.write(
            "/proc/vmstat",
            "pswpin 5\npswpout 6\nallocstall_dma 1\nallocstall_normal 2\noom_kill 3\n",
        );
        let waited = "some avg10=1.50 avg60=0.50 avg300=0.00 total=7\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=3\n";
        for name in ["memory", "cpu", "io"] {
            folder.write(&format!("/proc/pressure/{name}"), waited);
        }
        folder.process(10, "small", 1000);
        folder.process(11, "large", 50_000);
        folder.process(2, "kthreadd", 0);
        folder.cgroup("system.slice", 30 << 20);
        folder.cgroup("system.slice/big.service", 20 << 20);
        fs::create_dir_all(folder.real("/state")).unwrap();
        folder
    }

    fn real(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.real(path).parent().unwrap()).unwrap();
        fs::write(self.real(path), text).unwrap();
    }

    fn memory(&self, available_kib: u64) {
        self.write(
            "/proc/meminfo",
            &format!("MemTotal: 1000000 kB\nMemFree: 1 kB\nMemAvailable: {available_kib} kB\nSwapTotal: 4000 kB\nSwapFree: 3000 kB\n"),
        );
    }

    fn process(&self, pid: i32, name: &str, pages: u64) {
        self.write(&format!("/proc/{pid}/statm"), &format!("{pages} {pages} 0 0 0 0 0\n"));
        let status =
            if pages == 0 { "Name:\tx\n".to_owned() } else { "VmRSS:\t 1 kB\nVmSwap:\t 8 kB\n".to_owned() };
        self.write(&format!("/proc/{pid}/status"), &status);
        let numbers = "S 1 1 1 0 -1 4194560 100 0 0 0 1 1 0 0 20 0 1 0 77 10000000 500 0 0\n";
        self.write(&format!("/proc/{pid}/stat"), &format!("{pid} ({name}) {numbers}"));
        self.write(&format!("/proc/{pid}/cgroup"), &format!("0::/system.slice/{name}.service\n"));
        self.write(&format!("/proc/{pid}/oom_score_adj"), "-900\n");
    }

    /// The process that was started last, as the kernel has it.
    fn newest(&self, pid: i32) {
        self.write("/proc/loadavg", &format!("0.00 0.01 0.05 1/99 {pid}\n"));
    }

    fn cgroup(&self, path: &str, bytes: u64) {
        self.write("/sys/fs/cgroup/cgroup.controllers", "memory\n");
        self.write(&format!("/sys/fs/cgroup/{path}/memory.current"), &format!("{bytes}\n"));
        self.write(&format!("/sys/fs/cgroup/{path}/memory.swap.current"), "4096\n");
    }

    fn open(&self, boot: &str) -> (Recorder, Opened) {
        Recorder::open(&self.host, "/state/recorder", boot).unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.real("/state/recorder")).unwrap()
    }
}

#[test]
fn the_file_has_room_for_the_window_when_all_of_it_is_under_pressure() {
    const { assert!(FILE <= 16_000_000) };
    assert!(rate::PRESSED * u32::try_from(SLOTS).unwrap() > WINDOW);
}

#[test]
fn what_is_seen_is_what_is_read() {
    let folder = Folder::new();
    let (mut recorder, opened) = folder.open(BOOT);
    assert_eq!(opened, Opened::New);
    recorder.sample(&folder.host).unwrap();
    folder.process(10, "small", 1_000_000);
    folder.memory(50_000);
    std::thread::sleep(std::time::Duration::from_millis(20));
    let taken = recorder.sample(&folder.host).unwrap();
    assert_eq!((taken.number, taken.cut, taken.seen, taken.rate.is_pressed()), (2, 0, 3, true));
    assert_eq!(recorder.next_interval(), rate::PRESSED);

    let bytes = folder.bytes();
    assert_eq!(bytes.len() as u64, FILE);
    assert_eq!(fs::metadata(folder.real("/state/recorder")).unwrap().permissions().mode() & 0o7777, 0o600);
    let recording = read(&bytes);
    assert_eq!((recording.torn, recording.damaged.clone(), recording.boots.len()), (0, None, 1));
    assert_eq!(recording.boots[0].id, BOOT);
    let last = recording.last().unwrap();
    let record = &last.record;
    assert_eq!((record.memory.total, record.memory.available), (1_024_000_000, 51_200_000));
    assert_eq!(
        (record.counters.swap_in, record.counters.stalls, record.counters.major_faults),
        (Some(5), Some(3), None)
    );
    assert_eq!(record.pressure.unwrap().io.full.unwrap().total_us, 3);
    assert_eq!(record.process_count, 3);
    let names: Vec<&str> = record.processes.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(names, ["small", "large"], "the largest first, and no thread of the kernel");
    let small = &record.processes[0];
    assert_eq!(
        (small.pid, small.start_time, small.score, small.unit.as_str()),
        (10, 77, -900, "small.service")
    );
    assert_eq!((small.rss, small.swap), (1_000_000 * folder.host.page_size(), 8192));
    assert!(small.growth > 1 << 30, "{}", small.growth);
    assert_eq!(record.processes[1].growth, 0);
    let cgroups: Vec<(&str, u64, Option<u64>)> =
        record.cgroups.iter().map(|group| (group.path.as_str(), group.memory, group.swap)).collect();
    assert_eq!(
        cgroups,
        [("/system.slice", 30 << 20, Some(4096)), ("/system.slice/big.service", 20 << 20, Some(4096))]
    );
}

#[test]
fn two_boots_are_told_apart_and_numbers_go_on() {
    let folder = Folder::new();
    for boot in [BOOT, OTHER_BOOT] {
        let (mut recorder, _) = folder.open(boot);
        for _ in 0..3 {
            recorder.sample(&folder.host).unwrap();
        }
    }
    let recording = read(&folder.bytes());
    let boots: Vec<(&str, Vec<u64>)> = recording
        .boots
        .iter()
        .map(|boot| (boot.id.as_str(), boot.records.iter().map(|record| record.number).collect()))
        .collect();
    assert_eq!(boots, [(BOOT, vec![1, 2, 3]), (OTHER_BOOT, vec![4, 5, 6])]);
    assert_eq!(folder.open(BOOT).1, Opened::Continued { last: 6 });
}

#[test]
fn the_ring_goes_round_and_keeps_the_latest() {
    let folder = Folder::new();
    let all = SLOTS + 10;
    {
        let (mut recorder, _) = folder.open(BOOT);
        for _ in 0..all {
            recorder.sample(&folder.host).unwrap();
        }
    }
    assert_eq!(folder.bytes().len() as u64, FILE);
    let recording = read(&folder.bytes());
    let numbers: Vec<u64> = recording.boots[0].records.iter().map(|record| record.number).collect();
    assert_eq!(numbers, (11..=all).collect::<Vec<_>>());
    assert_eq!(folder.open(BOOT).1, Opened::Continued { last: all });
}

/// A page that was written as far as a byte, over an older one: the old record, the new one or none; never another.
#[test]
fn a_page_torn_at_any_byte_is_no_wrong_record() {
    let old = page_of(5, &record(25));
    let new = page_of(5 + SLOTS, &record(12));
    let (old_page, new_page) = (decode(&old).unwrap(), decode(&new).unwrap());
    let mut none = 0;
    for at in 0..=PAGE {
        let torn = [&new[..at], &old[at..]].concat();
        match decode(&torn) {
            None => none += 1,
            Some(page) => assert!(page == old_page || page == new_page, "torn at {at}"),
        }
        // The other way round: the end of the page was written first.
        let torn = [&old[..at], &new[at..]].concat();
        assert!(decode(&torn).is_none_or(|page| page == old_page || page == new_page), "torn at {at}");
    }
    assert!(none > 500, "only {none} offsets tear");
}

#[test]
fn a_torn_page_is_counted_and_the_others_are_read() {
    let folder = Folder::new();
    {
        let (mut recorder, _) = folder.open(BOOT);
        for _ in 0..5 {
            recorder.sample(&folder.host).unwrap();
        }
    }
    let mut bytes = folder.bytes();
    bytes[3 * PAGE + 60] ^= 1;
    let recording = read(&bytes);
    assert_eq!(recording.torn, 1);
    let numbers: Vec<u64> = recording.boots[0].records.iter().map(|record| record.number).collect();
    assert_eq!(numbers, [1, 2, 4, 5]);
    // The next start goes on after the last whole record.
    fs::write(folder.real("/state/recorder"), &bytes).unwrap();
    assert_eq!(folder.open(BOOT).1, Opened::Continued { last: 5 });
}

#[test]
fn what_does_not_fit_is_left_out_from_the_end_and_counted() {
    let mut full = record(2 * OF_EACH);
    for process in &mut full.processes {
        process.unit = "u".repeat(NAME);
    }
    full.cgroups = vec![Cgroup { path: "c".repeat(NAME), memory: 1 << 40, swap: Some(1 << 40) }; CGROUPS];
    let kept = decode(&page_of(1, &full)).unwrap().record;
    assert!(kept.cut > 0 && kept.cgroups.len() >= 3);
    assert!(kept.processes.len() > OF_EACH, "{} processes", kept.processes.len());
    assert_eq!(kept.processes, full.processes[..kept.processes.len()]);
    let left = kept.processes.len() + kept.cgroups.len() + usize::from(kept.cut);
    assert_eq!(left, 2 * OF_EACH + CGROUPS);
    // Names of an ordinary length all fit.
    let mut usual = record(2 * OF_EACH);
    usual.cgroups =
        vec![
            Cgroup { path: "/system.slice/postgresql.service".to_owned(), memory: 1 << 40, swap: None };
            CGROUPS
        ];
    assert_eq!(decode(&page_of(1, &usual)).unwrap().record.cut, 0);
}

#[test]
fn another_file_is_set_aside_and_kept() {
    let folder = Folder::new();
    let mut other_version = vec![0; FILE as usize];
    other_version[..PAGE].copy_from_slice(&file_head());
    other_version[3] = 9;
    let short = file_head().to_vec();
    for (bytes, says) in [
        (other_version, "version 9, not 1"),
        (short, "has 4096 bytes"),
        (b"notes of somebody".to_vec(), "does not begin"),
        (Vec::new(), "does not begin"),
    ] {
        let path = folder.real("/state/recorder");
        fs::write(&path, &bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let Opened::SetAside { to, why } = folder.open(BOOT).1 else { panic!("{says}: it was written to") };
        assert_eq!(to, "/state/recorder.old");
        assert!(why.contains(says), "{why}");
        assert!(fs::read(folder.real(&to)).unwrap() == bytes, "{says}: it was changed");
        assert_eq!(folder.open(BOOT).1, Opened::Continued { last: 0 });
    }
}

#[test]
fn links_and_files_of_others_are_refused_and_not_touched() {
    let folder = Folder::new();
    let path = folder.real("/state/recorder");
    let target = folder.real("/state/target");
    fs::write(&target, "precious").unwrap();
    let refused = || match Recorder::open(&folder.host, "/state/recorder", BOOT) {
        Err(RecorderError::Foreign { why, .. }) => why,
        other => panic!("{other:?}"),
    };
    symlink(&target, &path).unwrap();
    assert_eq!(refused(), "not a regular file");
    fs::remove_file(&path).unwrap();
    fs::hard_link(&target, &path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(refused(), "has more than one link");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "x").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(refused(), "accessible to users other than root");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(refused(), "not a regular file");
    assert_eq!(fs::read_to_string(target).unwrap(), "precious");
}

#[test]
fn two_recorders_do_not_write_to_one_file() {
    let folder = Folder::new();
    let first = folder.open(BOOT);
    let error = Recorder::open(&folder.host, "/state/recorder", BOOT).unwrap_err();
    assert!(error.to_string().contains("another process writes to it"), "{error}");
    drop(first);
    folder.open(BOOT);
}

#[test]
fn a_boot_id_is_what_the_kernel_writes() {
    let folder = Folder::new();
    for wrong in ["", "5d0f7a2c", "zz0f7a2c-0000-4000-8000-000000000001", &format!("{BOOT}0")] {
        assert!(Recorder::open(&folder.host, "/state/recorder", wrong).is_err(), "{wrong}");
    }
    Recorder::open(&folder.host, "/state/recorder", &format!("{BOOT}\n")).unwrap();
}

/// Listing /proc costs more than all else of a calm record.
#[test]
fn a_calm_record_lists_processes_anew_when_one_has_started() {
    let folder = Folder::new();
    folder.newest(11);
    let (mut recorder, _) = folder.open(BOOT);
    let mut seen = || recorder.sample(&folder.host).unwrap().seen;
    assert_eq!(seen(), 3);
    folder.process(12, "new", 100);
    assert_eq!(seen(), 3, "nobody has started, says the kernel");
    folder.newest(12);
    assert_eq!(seen(), 4);
    folder.process(13, "wrapped", 100);
    assert!((0..24).any(|_| seen() == 5), "the list is read now and then all the same");
}

#[test]
fn what_the_kernel_starts_for_itself_is_nobody() {
    let folder = Folder::new();
    folder.newest(11);
    let (mut recorder, _) = folder.open(BOOT);
    let mut seen = || recorder.sample(&folder.host).unwrap().seen;
    assert_eq!(seen(), 3);
    folder.process(13, "kworker/0:1", 0);
    folder.newest(13);
    assert_eq!(seen(), 3, "12 has ended, and 13 is a thread of the kernel: the list is not read");
    folder.process(14, "new", 100);
    folder.newest(14);
    assert_eq!(seen(), 5);
    folder.process(15, "kworker/0:2", 0);
    folder.newest(40);
    assert_eq!(seen(), 6, "so many are not looked at one by one");
}

#[test]
fn a_host_that_runs_short_between_two_calm_records_is_noticed() {
    let folder = Folder::new();
    let (mut recorder, _) = folder.open(BOOT);
    recorder.sample(&folder.host).unwrap();
    assert!(!recorder.glance());
    folder.memory(10_000);
    assert!(recorder.glance());
    assert_eq!(recorder.next_interval(), rate::PRESSED);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..3 * PAGE)) {
        let recording = read(&bytes);
        prop_assert!(recording.len() + recording.torn <= bytes.len() / PAGE + 1);
    }

    /// A page that has its checksum right and anything in it.
    #[test]
    fn any_record_with_a_right_checksum_is_read(body in proptest::collection::vec(any::<u8>(), 0..PAGE - 50)) {
        let mut page = page_of(1, &Record::default()).to_vec();
        page[48..50].copy_from_slice(&(body.len() as u16).to_le_bytes());
        page[50..50 + body.len()].copy_from_slice(&body);
        let crc = crc32fast::hash(&page[8..50 + body.len()]);
        page[4..8].copy_from_slice(&crc.to_le_bytes());
        let recording = read(&[&file_head()[..], &page].concat());
        prop_assert_eq!(recording.len() + recording.torn, 1);
    }

    #[test]
    fn a_record_comes_back(number in 1u64.., at in any::<u64>(), processes in 0usize..30, available in any::<u64>()) {
        let mut record = record(processes);
        record.memory.available = available;
        let mut page = [0; PAGE];
        let moment = Moment { since_boot_us: at, real_us: at };
        encode(number, &ID, moment, &mut record, &mut page);
        let back = decode(&page).unwrap();
        prop_assert_eq!((back.number, back.boot, back.moment), (number, ID, moment));
        prop_assert_eq!(back.record, record);
    }
}
