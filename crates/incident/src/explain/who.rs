//! Largest processes, and why the kernel chose its victims.

use std::collections::{HashMap, HashSet};

use crate::assemble::OomReport;
use crate::model::{Consumer, Culprit, Incident, Kill};
use crate::record::Task;
use crate::shown;

/// How many consumers are named.
const MAX_CONSUMERS: usize = 10;

/// How many victims are explained.
const MAX_WHY: usize = 5;

/// What a task held, in pages: resident and swapped.
pub fn held(task: &Task) -> u64 {
    task.rss.unwrap_or(0).saturating_add(task.swap.unwrap_or(0))
}

fn killed_pids(kills: &[Kill]) -> HashSet<u32> {
    kills.iter().filter_map(|kill| kill.pid).collect()
}

/// The largest processes of the table.
pub fn consumers(main: &OomReport, kills: &[Kill]) -> Vec<Consumer> {
    let killed = killed_pids(kills);
    let mut tasks: Vec<&Task> = main.tasks.iter().filter(|task| held(task) > 0).collect();
    tasks.sort_by_key(|task| (std::cmp::Reverse(held(task)), task.pid));
    let kib = |pages: Option<u64>| pages?.checked_mul(main.page_kib?);
    let consumer = |task: &&Task| Consumer {
        pid: task.pid,
        comm: task.comm.as_deref().map(shown::name),
        rss_kib: kib(task.rss),
        swap_kib: kib(task.swap),
        oom_score_adj: task.adj,
        killed: killed.contains(&task.pid),
    };
    tasks.iter().take(MAX_CONSUMERS).map(consumer).collect()
}

/// The program that held the most.
pub fn culprit(main: &OomReport, kills: &[Kill]) -> Option<Culprit> {
    #[derive(Default)]
    struct Sum {
        processes: u64,
        rss: u64,
        swap: Option<u64>,
        killed: u64,
    }
    let killed = killed_pids(kills);
    let mut programs: HashMap<&[u8], Sum> = HashMap::new();
    let mut all = 0u64;
    for task in &main.tasks {
        all = all.saturating_add(held(task));
        let Some(comm) = &task.comm else { continue };
        let sum = programs.entry(comm).or_default();
        sum.processes += 1;
        sum.rss = sum.rss.saturating_add(task.rss.unwrap_or(0));
        if let Some(swap) = task.swap {
            sum.swap = Some(sum.swap.unwrap_or(0).saturating_add(swap));
        }
        sum.killed += u64::from(killed.contains(&task.pid));
    }
    let size = |sum: &Sum| sum.rss.saturating_add(sum.swap.unwrap_or(0));
    let (comm, sum) = programs.iter().max_by_key(|(comm, sum)| (size(sum), std::cmp::Reverse(**comm)))?;
    let held = size(sum);
    if held == 0 {
        return None;
    }
    let share = u128::from(held) * 100 / u128::from(all.max(1));
    let program = shown::name(comm);
    // The table does not show cgroups; a victim of that program does.
    let memcg =
        kills.iter().find(|kill| kill.comm.as_deref() == Some(&program)).and_then(|kill| kill.memcg.clone());
    let kib = |pages: u64| pages.checked_mul(main.page_kib?);
    Some(Culprit {
        processes: sum.processes,
        rss_kib: kib(sum.rss),
        swap_kib: sum.swap.and_then(kib),
        share_percent: u8::try_from(share).unwrap_or(100),
        memcg,
        killed: sum.killed,
        program,
    })
}

/// Why the kernel took these, a sentence each.
pub fn why(main: &OomReport, incident: &Incident) -> Vec<String> {
    let mut said = Vec::new();
    if main.invoked.as_ref().is_some_and(|invoked| invoked.order == Some(-1)) {
        said.push("the OOM killer was invoked manually (SysRq-f or /proc/sysrq-trigger)".to_owned());
    }
    if main.group {
        said.push("memory.oom.group is set: all processes of the cgroup are killed together".to_owned());
    }
    if main.nothing_to_kill {
        said.push("no killable process was left".to_owned());
    }
    if let Some(selected) = &main.selected
        && let Some(victim) = main.kills.first()
        && victim.killed.pid != selected.pid
    {
        let name = selected.comm.as_deref().map(shown::name).unwrap_or_default();
        said.push(format!(
            "the kernel selected {name} (pid {}) and killed one of its children, as kernels before 5.2 do",
            selected.pid
        ));
    }
    for kill in incident.kills.iter().filter(|kill| kill.by == "kernel").take(MAX_WHY) {
        said.extend(of_victim(main, kill));
    }
    said.extend(spared(main, incident));
    said
}

/// The size that the kernel gives a task, in pages: oom_badness() of mm/oom_kill.c since 4.17.
fn badness(main: &OomReport, task: &Task) -> Option<i128> {
    let page = main.page_kib?;
    let total = match main.usages.iter().find(|usage| usage.of == crate::record::Of::Memory) {
        Some(usage) => usage.limit? / page,
        None => main.ram_pages?.saturating_add(main.swap_total.unwrap_or(0) / page),
    };
    let tables = task.page_tables.unwrap_or(0) / (page * 1024);
    let own = i128::from(held(task)) + i128::from(tables);
    Some(own + i128::from(task.adj?) * i128::from(total) / 1000)
}

fn of_victim(main: &OomReport, kill: &Kill) -> Option<String> {
    let adj = kill.oom_score_adj?;
    let name = format!("{} (pid {})", kill.comm.as_deref().unwrap_or("?"), kill.pid?);
    let largest = main.tasks.iter().map(held).max();
    let own = main.task(kill.pid?).map(held);
    if adj > 0 {
        let part = adj / 10;
        return Some(format!(
            "{name} had oom_score_adj {adj}, which adds {part}% of total memory to its size"
        ));
    }
    if own.is_some() && own == largest {
        return Some(format!("{name} was the largest process"));
    }
    // Those before it in the kernel's eyes were gone, or are not in the table.
    let mine = badness(main, main.task(kill.pid?)?)?;
    let worse = main.tasks.iter().filter(|task| task.adj != Some(-1000));
    let before = worse.filter(|task| badness(main, task).is_some_and(|other| other > mine)).count();
    match before {
        0 => Some(format!("{name} had the highest score of all processes, at oom_score_adj {adj}")),
        _ if adj < 0 => Some(format!(
            "{name} was killed despite its protection ({adj}): the remaining processes were smaller or gone"
        )),
        _ => None,
    }
}

/// The program that held more than any victim and survived because it was protected.
fn spared(main: &OomReport, incident: &Incident) -> Option<String> {
    let culprit = incident.culprit.as_ref().filter(|culprit| culprit.killed == 0)?;
    let own: Vec<&Task> = main
        .tasks
        .iter()
        .filter(|task| task.comm.as_deref().map(shown::name).as_deref() == Some(culprit.program.as_str()))
        .collect();
    let lowest = own.iter().filter_map(|task| task.adj).min()?;
    let name = &culprit.program;
    if lowest < 0 {
        return Some(format!(
            "{name} held the most memory and survived: it had oom_score_adj {lowest}, which processes inherit from \
             their parent"
        ));
    }
    (own.len() > 1).then(|| {
        format!("{name} held the most memory and survived: each of its processes was smaller than the victim")
    })
}
