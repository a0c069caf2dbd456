//! Recommended changes. Where a policy can say it, as the difference to it.

use serde_json::{Map, Value, json};

use crate::model::{Advice, Cause, Incident, Kill};
use crate::shown::size;

/// What helps where no policy does: the cause, what to do, and why.
const NO_POLICY: [(Cause, &str, &str); 4] = [
    (
        Cause::Shmem,
        "find what fills tmpfs (`df -t tmpfs`) or shared memory (`ipcs -m`) and limit its size",
        "killing a process does not free it: files in a tmpfs outlive their writer",
    ),
    (
        Cause::SlabOrPageTables,
        "check `slabtop -s c` and PageTables in /proc/meminfo while it grows",
        "kernel memory filled the host; no process owns it, so killing frees nothing",
    ),
    (
        Cause::Fragmentation,
        "raise vm.min_free_kbytes, or find the driver that requests large contiguous blocks",
        "enough memory was free, but not as a contiguous block of the requested size",
    ),
    (
        Cause::LowZone,
        "check the zone that was full: `numactl -H`, the cpuset's mems, or a driver that needs low memory",
        "memory was free elsewhere on the host",
    ),
];

/// Works out what to change, the most useful first.
pub fn advice(incident: &Incident) -> Vec<Advice> {
    let mut found = Vec::new();
    let causes: Vec<Cause> = std::iter::once(incident.cause).chain(incident.also.iter().copied()).collect();
    let has = |cause: Cause| causes.contains(&cause);
    if has(Cause::NoSwap) {
        found.push(policy(
            "add swap (half of memory) and keep swappiness low",
            "without swap, the kernel kills as soon as memory is full; with swap, a peak costs time instead of sessions",
            json!({"swap": {"size": "0.5x", "file": "/swapfile", "priority": 10}, "swappiness": 10}),
        ));
    }
    if has(Cause::MemoryAndSwapFull) {
        found.extend(more_swap(incident));
    }
    if !has(Cause::Sysrq) {
        keepers(incident, &mut found);
    }
    if has(Cause::CgroupLimit) {
        let limit = incident.memory.limit_kib.map(|kib| format!(" of {}", size(kib))).unwrap_or_default();
        let name = incident.oom_memcg.as_deref().unwrap_or("the cgroup");
        found.push(plain(
            &format!("raise the limit{limit} of {name} (MemoryMax= of its unit, or the container limit), or reduce its load"),
            "the host had free memory; only this cgroup was full",
        ));
    }
    if has(Cause::Burst)
        && let Some(culprit) = &incident.culprit
    {
        found.push(plain(
            &format!(
                "run fewer {} processes at once, or run them in a unit with MemoryMax=",
                culprit.program
            ),
            &format!("{} ran at once; none was too large on its own", culprit.processes),
        ));
    }
    found.extend(NO_POLICY.iter().filter(|(cause, ..)| has(*cause)).map(|(_, what, why)| plain(what, why)));
    if has(Cause::Leak) || (incident.before.alike > 0 && has_large_process(incident)) {
        let name =
            incident.culprit.as_ref().map_or("the largest process", |culprit| culprit.program.as_str());
        found.push(plain(
            &format!("monitor {name} and restart it before memory is full until the leak is fixed"),
            "the same program filled memory before, or grew without bound",
        ));
    }
    found
}

fn has_large_process(incident: &Incident) -> bool {
    incident.culprit.as_ref().is_some_and(|culprit| culprit.processes <= 2 && culprit.share_percent >= 50)
}

fn more_swap(incident: &Incident) -> Option<Advice> {
    let total = incident.memory.swap_total_kib?;
    // Beyond the size of memory more swap only makes a host slow for longer.
    let why = format!("its {} of swap was full, too", size(total));
    match incident.memory.ram_kib {
        Some(ram) if total < ram => Some(policy(
            "make swap as large as memory",
            &why,
            json!({"swap": {"size": "1x", "file": "/swapfile", "priority": 10}}),
        )),
        _ => Some(plain("add memory to the host or reduce its load", &why)),
    }
}

/// Keepers among the victims are protected, and the load that inherited protection loses it.
fn keepers(incident: &Incident, found: &mut Vec<Advice>) {
    let named = |names: &[&str]| {
        incident.kills.iter().any(|kill| {
            kill.by == "kernel"
                && kill.pid != Some(1)
                && names.contains(&kill.comm.as_deref().unwrap_or_default())
        })
    };
    let manager = named(&["systemd"]);
    let multiplexer = named(&["tmux: server", "screen", "SCREEN", "zellij"]);
    let mut protection = Map::new();
    if manager {
        protection.insert("systemd_user".to_owned(), json!(-900));
    }
    if multiplexer || manager {
        protection.insert("tmux_sessions".to_owned(), json!(-800));
    }
    let services = services(incident);
    if !services.is_empty() {
        protection.insert("services".to_owned(), Value::Object(services));
    }
    let leaked = incident
        .top_consumers
        .iter()
        .any(|task| task.oom_score_adj.is_some_and(|adj| (-999..0).contains(&adj)))
        && incident.culprit.as_ref().is_some_and(|culprit| culprit.killed == 0);
    if protection.is_empty() && !leaked {
        return;
    }
    protection.insert("load".to_owned(), json!(0));
    let (what, why) = if manager {
        (
            "protect the user manager and tmux servers, but not the processes they start",
            "when a user manager is killed, all sessions of its user end",
        )
    } else if multiplexer {
        (
            "protect tmux servers, but not the processes they start",
            "when a tmux server is killed, all its panes end",
        )
    } else if protection.contains_key("services") {
        ("protect the services that were killed in place of the culprit", "they did not fill memory")
    } else {
        (
            "remove protection from the load",
            "the processes that filled memory were protected, so others were killed instead",
        )
    };
    found.push(policy(what, why, json!({ "oom_protection": protection })));
}

/// Services of the system that were victims and not the culprit.
fn services(incident: &Incident) -> Map<String, Value> {
    let culprit = incident.culprit.as_ref().map(|culprit| culprit.program.as_str());
    let unit = |kill: &Kill| {
        let path = kill.memcg.as_deref()?;
        let innocent = culprit.is_some() && kill.comm.as_deref() != culprit && kill.oom_memcg.is_none();
        let unit = path.strip_prefix("/system.slice/")?.split('/').next()?;
        // Only names that need no escape: the log may say anything.
        let plain = unit.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@:".contains(&byte));
        (innocent && plain && unit.ends_with(".service") && unit.len() <= 128).then(|| unit.to_owned())
    };
    incident
        .kills
        .iter()
        .filter(|kill| kill.by == "kernel")
        .filter_map(unit)
        .take(20)
        .map(|unit| (unit, json!(-500)))
        .collect()
}

fn plain(what: &str, why: &str) -> Advice {
    Advice { what: what.to_owned(), why: why.to_owned(), policy: None }
}

fn policy(what: &str, why: &str, memory_config: Value) -> Advice {
    let policy = json!({ "memory_config": memory_config });
    Advice { what: what.to_owned(), why: why.to_owned(), policy: Some(policy) }
}

/// All advice of an incident as one `memory_config`; `None` when no policy says any of it.
#[must_use]
pub fn policy_of(incident: &Incident) -> Option<Map<String, Value>> {
    let mut all = Map::new();
    for advice in &incident.advice {
        let config =
            advice.policy.as_ref().and_then(|policy| policy.get("memory_config")).and_then(Value::as_object);
        for (key, value) in config.into_iter().flatten() {
            all.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    (!all.is_empty()).then_some(all)
}
