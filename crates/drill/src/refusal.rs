//! What speaks against a drill on a host. It is looked at before anything is started, and told all at once.

use oomguard_converge::Refusal;
use oomguard_converge::facts::{Cgroups, Facts};
use oomguard_host::Host;
use oomguard_spec::size::Bytes;

use crate::order::{MIN_LIMIT, Order, Scope, Work, max_limit};
use crate::stage::{SLICE, is_unit};

const CONTROLLERS: &str = "/sys/fs/cgroup/cgroup.controllers";
const PANIC: &str = "/proc/sys/vm/panic_on_oom";
/// `OOMPolicy=` of systemd.service(5).
const OOM_POLICY_SINCE: u32 = 243;

/// Everything that speaks against this drill on this host.
#[must_use]
pub fn refusals(host: &Host, facts: &Facts, order: &Order) -> Vec<Refusal> {
    let mut found = Vec::new();
    found.extend(container(facts));
    found.extend(systemd(facts));
    found.extend(controller(host, facts));
    found.extend(panics(host, order.scope));
    found.extend(another(host));
    if order.scope == Scope::Cgroup {
        found.extend(room(facts, order));
        found.extend(slice(host, order));
    }
    found
}

fn refuse(id: &'static str, reason: impl Into<String>, advice: &'static str) -> Option<Refusal> {
    Some(Refusal::new(id, reason, advice))
}

fn container(facts: &Facts) -> Option<Refusal> {
    let kind = facts.container.as_ref()?;
    let advice = "run the drill on the host itself";
    refuse(
        "container",
        format!("this is a container ({kind}): its memory and kernel log belong to the host"),
        advice,
    )
}

fn systemd(facts: &Facts) -> Option<Refusal> {
    let advice = "a drill needs systemd 243 or later";
    match facts.systemd {
        _ if !facts.agent.booted => refuse("no-systemd", "systemd does not run this host", advice),
        Some(version) if version < OOM_POLICY_SINCE => refuse(
            "old-systemd",
            format!("systemd {version} stops a whole unit when one of its processes is killed"),
            advice,
        ),
        _ => None,
    }
}

fn controller(host: &Host, facts: &Facts) -> Option<Refusal> {
    let advice = "boot with systemd.unified_cgroup_hierarchy=1 and without cgroup_disable=memory";
    if facts.cgroups != Cgroups::V2 {
        return refuse("no-cgroup-v2", "this host does not use cgroup v2 alone", advice);
    }
    let controllers = host.read(CONTROLLERS).unwrap_or_default();
    let has_memory = String::from_utf8_lossy(&controllers).split_whitespace().any(|name| name == "memory");
    if has_memory {
        return None;
    }
    refuse(
        "no-memory-controller",
        format!("{CONTROLLERS} does not list `memory`, so a limit is not possible"),
        advice,
    )
}

/// With 2 the kernel panics even when the memory of a cgroup runs out.
fn panics(host: &Host, scope: Scope) -> Option<Refusal> {
    let bytes = host.read(PANIC).unwrap_or_default();
    let panics = match bytes.trim_ascii() {
        b"2" => true,
        b"1" => scope == Scope::Host,
        _ => false,
    };
    let value = String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
    panics.then(|| {
        let reason =
            format!("vm.panic_on_oom is {value}: the kernel would panic instead of killing a process");
        Refusal::new("panic-on-oom", reason, "run `sysctl vm.panic_on_oom=0` before the drill")
    })
}

fn another(host: &Host) -> Option<Refusal> {
    let names = host.list_dir(&format!("/sys/fs/cgroup/{SLICE}")).unwrap_or_default();
    let unit = names.into_iter().find(|name| is_unit(name))?;
    refuse(
        "another-drill",
        format!("another drill is running: {unit}"),
        "wait for it, or `systemctl stop` it",
    )
}

fn room(facts: &Facts, order: &Order) -> Option<Refusal> {
    let Some(available) = facts.memory.mem_available else {
        return refuse("no-figure", "the kernel does not report available memory", "use Linux 3.14 or later");
    };
    let (limit, most) = (order.limit.0, max_limit(available));
    let advice = "try again when more memory is available";
    if most < MIN_LIMIT {
        let reason = format!(
            "{} of memory are available; a drill uses at most an eighth of that, and needs {}",
            Bytes(available),
            Bytes(MIN_LIMIT)
        );
        return refuse("no-room", reason, advice);
    }
    if limit > most {
        let reason = format!(
            "a limit of {} is more than an eighth of the {} of memory that are available",
            order.limit,
            Bytes(available)
        );
        return refuse("no-room", reason, "set a smaller --memory");
    }
    let reason = format!("a limit of {} is too small for keeper, bystander and load", order.limit);
    // A command may need as little as it likes.
    let too_small = limit < if matches!(order.work, Work::Scene(_)) { MIN_LIMIT } else { MIN_LIMIT / 2 };
    if too_small { refuse("too-small", reason, "set at least --memory 64MB") } else { None }
}

/// Where the slice above is at its own limit, the kernel kills in all of it.
fn slice(host: &Host, order: &Order) -> Option<Refusal> {
    let number = |name: &str| -> Option<u64> {
        let bytes = host.read(&format!("/sys/fs/cgroup/{SLICE}/{name}")).ok()?;
        String::from_utf8_lossy(&bytes).trim().parse().ok()
    };
    let limit = [number("memory.max"), number("memory.high")].into_iter().flatten().min()?;
    let used = number("memory.current").unwrap_or(u64::MAX);
    if used.saturating_add(order.limit.0.saturating_mul(2)) <= limit {
        return None;
    }
    let reason = format!(
        "{SLICE} has a limit of its own ({}), and the drill would come close to it: users' processes could be killed",
        Bytes(limit)
    );
    refuse(
        "slice-limit",
        reason,
        "try again when users' sessions have less memory, or set a smaller --memory",
    )
}
