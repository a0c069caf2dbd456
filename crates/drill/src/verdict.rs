//! What was tried, and whether it held: from what was seen alone.

use crate::order::Scope;
use crate::report::{Ending, Kill, Outcome, Report, Role, Tried};

/// Fills in what was tried, and whether all of it held.
pub(crate) fn judge(report: &mut Report) {
    let tried = vec![
        limit(report),
        keeper_lives(report),
        keeper_score(report),
        only_load(report),
        load_score(report),
        protected(report),
    ];
    report.tried = tried.into_iter().flatten().collect();
    report.proved = report.tried.iter().all(|tried| tried.good);
}

fn tried(good: bool, what: impl Into<String>) -> Option<Tried> {
    Some(Tried { good, what: what.into() })
}

fn of(report: &Report, role: Role) -> Vec<&Kill> {
    report.killed.iter().filter(|kill| kill.role == role).collect()
}

/// Where nothing was killed, nothing was tried.
fn limit(report: &Report) -> Option<Tried> {
    let ours = report.killed.iter().filter(|kill| kill.role != Role::Elsewhere).count();
    if report.unnamed_kills > 0 {
        let unnamed = report.unnamed_kills;
        return tried(
            false,
            format!("the kernel killed {unnamed} more than it reported, so the victims are unknown"),
        );
    }
    if ours > 0 {
        return tried(
            true,
            format!(
                "memory ran out, and the kernel killed {}",
                oomguard_text::counted(ours, "process", "processes")
            ),
        );
    }
    let why = match report.ending {
        Ending::TimeOver => "time ran out before memory did: increase --for, or decrease --memory",
        _ => "memory did not run out, so nothing was tested: decrease --memory, or use a larger load",
    };
    tried(false, why)
}

fn keeper_lives(report: &Report) -> Option<Tried> {
    let keeper = &report.protection.keeper;
    let name = format!("the keeper ({}, pid {})", keeper.name, keeper.pid);
    match report.ending {
        Ending::KeeperDied => tried(false, format!("{name} died, and its session with it")),
        Ending::ShellDied => {
            tried(false, format!("{name} lost the shell of its pane, and its session with it"))
        }
        Ending::LoadEnded | Ending::TimeOver => {
            tried(true, format!("{name} lives, with the shell of its pane"))
        }
    }
}

fn keeper_score(report: &Report) -> Option<Tried> {
    let score = report.protection.keeper.score;
    let agent = if report.protection.agent { "the agent runs" } else { "the agent does not run" };
    match report.protection.keeper_should {
        Some(should) if score == should => {
            tried(true, format!("the keeper ran at {score}, as the policy says ({agent})"))
        }
        Some(should) => {
            tried(false, format!("the keeper ran at {score}, and the policy says {should} ({agent})"))
        }
        // It lived because it is small; that is no proof of protection, and said so.
        None => tried(
            true,
            format!("the keeper ran at {score}: the policy does not protect such a keeper ({agent})"),
        ),
    }
}

fn only_load(report: &Report) -> Option<Tried> {
    let load = of(report, Role::Load);
    let mut others: Vec<&Kill> =
        [Role::Keeper, Role::Shell, Role::Bystander].iter().flat_map(|role| of(report, *role)).collect();
    if report.scope == Scope::Host {
        others.extend(of(report, Role::Elsewhere));
    }
    if others.is_empty() && load.is_empty() {
        return None;
    }
    if others.is_empty() {
        return tried(true, "only load was killed");
    }
    let names: Vec<String> = others
        .iter()
        .map(|kill| match kill.role {
            Role::Elsewhere => format!("{} (pid {})", kill.name, kill.pid),
            Role::Keeper => "the keeper".to_owned(),
            Role::Shell => "the shell of the pane".to_owned(),
            Role::Bystander | Role::Load => "the bystander".to_owned(),
        })
        .collect();
    tried(false, format!("{} killed, and should have outlived the load", and(&names)))
}

fn and(names: &[String]) -> String {
    match names {
        [one] => format!("{one} was"),
        [firsts @ .., last] => format!("{} and {last} were", firsts.join(", ")),
        [] => String::new(),
    }
}

fn load_score(report: &Report) -> Option<Tried> {
    let (score, should) = (report.protection.load?, report.protection.load_should);
    if score >= should {
        return tried(true, format!("the load ran at {score}: it inherited no protection"));
    }
    tried(
        false,
        format!("the load ran at {score}, protected like a keeper; the policy says {should} or higher"),
    )
}

fn protected(report: &Report) -> Option<Tried> {
    let all = report.protected.len();
    let lost: Vec<String> = report
        .protected
        .iter()
        .filter(|process| process.outcome != Outcome::Lives)
        .map(|process| {
            let how =
                if process.outcome == Outcome::Killed { "killed" } else { "gone, not by the OOM killer" };
            format!("{} (pid {}, {how})", process.name, process.pid)
        })
        .collect();
    if all == 0 {
        return None;
    }
    if lost.is_empty() {
        let all = oomguard_text::counted(all, "protected process", "protected processes");
        return tried(true, format!("{all} of the host: the same as before"));
    }
    tried(false, format!("{} of {all} protected processes of the host lost: {}", lost.len(), lost.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Process, Protected, Protection, SCHEMA, Swap};

    fn kill(role: Role) -> Kill {
        Kill { pid: 7, name: "x".into(), role, score: Some(0), rss_bytes: Some(1), cgroup: None }
    }

    fn good() -> Report {
        Report {
            schema: SCHEMA.to_owned(),
            host: "h".to_owned(),
            policy: "p".to_owned(),
            began: 0,
            seconds: 1.0,
            scene: None,
            command: Some("make".to_owned()),
            scope: Scope::Cgroup,
            limit_bytes: Some(1),
            proved: false,
            tried: Vec::new(),
            ending: Ending::LoadEnded,
            protection: Protection {
                agent: true,
                keeper: Process { pid: 5, name: "tmux: server".into(), score: -800 },
                keeper_should: Some(-800),
                keeper_given: None,
                load: Some(0),
                load_should: 0,
            },
            killed: vec![kill(Role::Load), kill(Role::Load)],
            unnamed_kills: 0,
            protected: vec![Protected {
                pid: 3,
                start_time: 1,
                name: "v".into(),
                unit: None,
                score: -900,
                outcome: Outcome::Lives,
            }],
            swap: Swap::default(),
            pressure: None,
            pressure_of_drill: None,
            peak_bytes: 1,
        }
    }

    /// The one thing that did not hold.
    #[track_caller]
    fn fails(change: impl FnOnce(&mut Report), says: &str) {
        let mut report = good();
        change(&mut report);
        judge(&mut report);
        assert!(!report.proved);
        let bad: Vec<&str> =
            report.tried.iter().filter(|tried| !tried.good).map(|tried| tried.what.as_str()).collect();
        assert!(
            matches!(bad.as_slice(), [one] if one.contains(says)),
            "{says:?} is not the only one of {bad:?}"
        );
    }

    #[test]
    fn all_held() {
        let mut report = good();
        report.killed.push(kill(Role::Elsewhere));
        judge(&mut report);
        assert!(report.proved, "{:?}", report.tried);
        assert_eq!(report.tried.len(), 6);
        assert_eq!(report.tried[0].what, "memory ran out, and the kernel killed 2 processes");
    }

    #[test]
    fn each_thing_that_does_not_hold_is_told() {
        fails(|r| r.killed.clear(), "memory did not run out");
        fails(
            |r| {
                r.killed.clear();
                r.ending = Ending::TimeOver;
            },
            "time ran out",
        );
        fails(|r| r.unnamed_kills = 1, "1 more than it reported");
        fails(|r| r.ending = Ending::KeeperDied, "the keeper (tmux: server, pid 5) died");
        fails(|r| r.ending = Ending::ShellDied, "lost the shell");
        fails(|r| r.protection.keeper.score = 0, "ran at 0, and the policy says -800 (the agent runs)");
        fails(|r| r.protection.load = Some(-1), "the load ran at -1, protected");
        fails(|r| r.killed.push(kill(Role::Bystander)), "the bystander was killed, and should");
        fails(
            |r| r.killed.extend([kill(Role::Keeper), kill(Role::Shell)]),
            "the keeper and the shell of the pane were killed",
        );
        fails(|r| r.protection.load = Some(-800), "the load ran at -800");
        fails(
            |r| r.protected[0].outcome = Outcome::Killed,
            "1 of 1 protected processes of the host lost: v (pid 3, killed)",
        );
        fails(|r| r.protected[0].outcome = Outcome::Gone, "gone, not by the OOM killer");
        fails(
            |r| {
                r.scope = Scope::Host;
                r.killed.push(kill(Role::Elsewhere));
            },
            "x (pid 7) was killed, and should",
        );
    }
}
