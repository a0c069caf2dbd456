//! Every reader of procfs files and of swap headers: values or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oomguard_host::{cpus, os_release, passwd, proc, swap_header};

fuzz_target!(|bytes: &[u8]| {
    let _ = proc::meminfo::parse(bytes);
    let _ = passwd::users(bytes);
    let _ = cpus::count(bytes);
    let _ = os_release::parse(bytes);
    let _ = proc::swaps::parse(bytes);
    let _ = proc::pressure::parse(bytes);
    let _ = proc::status::parse_uid(bytes);
    let _ = proc::status::parse_memory(bytes);
    let _ = proc::statm::parse_resident(bytes);
    let _ = proc::vmstat::counters(bytes, ["pswpin", "allocstall_*"]);
    let _ = proc::meminfo::values(bytes, ["MemTotal", "Slab"]);
    let _ = proc::oom_score_adj::parse(bytes);
    let _ = proc::uptime::parse(bytes);
    let _ = proc::kernel_cmdline::parse(bytes);
    let _ = proc::version::kernel_release(bytes);
    if let Err(error) = proc::stat::parse(bytes) {
        assert!(error.raw.chars().count() <= 80);
    }
    if let Ok(membership) = proc::cgroup::parse(bytes)
        && let Some(path) = membership.systemd_path()
    {
        let _ = proc::cgroup::user_unit_of(path);
        assert!(proc::cgroup::unit_of(path).is_none_or(|unit| path.contains(unit)));
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(mounts) = proc::mountinfo::parse(bytes) {
        for mount in &mounts {
            let _ = proc::mountinfo::mount_of(&mounts, &mount.mount_point);
        }
        let _ = proc::mountinfo::mount_of(&mounts, &text);
    }
    let mut page = vec![0; 4096];
    page[4086..].copy_from_slice(b"SWAPSPACE2");
    let head = bytes.len().min(60);
    page[1024..1024 + head].copy_from_slice(&bytes[..head]);
    if let Ok(header) = swap_header::parse(&page) {
        assert!(header.usable() < header.size());
        let _ = header.uuid_text();
    }
});
