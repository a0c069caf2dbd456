use super::*;
use oomguard_converge::blob::Blob;
use oomguard_spec::{Builtin, builtin};

fn write(path: &str) -> Change {
    let (path, why) = (path.to_owned(), "x".to_owned());
    Change::FileWrite { path, before: None, after: Blob(Vec::new()), why }
}

fn create() -> Change {
    let path = "/swapfile".to_owned();
    Change::SwapCreate { path, size: 1 << 30, priority: None, zeros: false, nocow: false }
}

fn server() -> Server {
    Server {
        may_change: true,
        system: "debian".to_owned(),
        version: "12".to_owned(),
        kernel: "6.1".to_owned(),
        systemd_runs: true,
        memory: 1 << 30,
        free: 1 << 30,
        command: InPlace::This,
    }
}

fn plan(changes: Vec<Change>) -> Plan {
    Plan {
        schema: String::new(),
        digest: String::new(),
        machine_id: None,
        policy: builtin::policy(Builtin::Validator),
        rests_on: Vec::new(),
        steps: step::names(&changes),
        changes,
        refusals: Vec::new(),
        notes: Vec::new(),
    }
}

fn looked<'a>(server: &'a Server, plan: &'a Plan, refusals: &'a [Refusal]) -> Looked<'a> {
    Looked { server, plan, refusals, unfinished: None, version: "1.2.3" }
}

fn words(change: &Change) -> String {
    step::names(std::slice::from_ref(change)).concat()
}

fn under(said: &[Said], step: Step) -> String {
    said.iter().find(|said| said.step == step).map(|said| said.lines.join("\n")).unwrap_or_default()
}

#[test]
fn the_steps_are_those_of_the_script() {
    let script = include_str!("../../../tools/setup-testnet-server.sh");
    let main = script.split("on_this_server() {").nth(1).unwrap();
    let shown: Vec<String> = main
        .lines()
        .filter_map(|line| line.trim().strip_prefix("step "))
        .map(|rest| {
            let (number, title) = rest.split_once(' ').unwrap();
            format!("Step {number} - {}", title.trim_matches('\''))
        })
        .collect();
    let ours: Vec<String> = Step::ALL.iter().map(|step| Said::new(*step, Vec::new()).head()).collect();
    assert_eq!(ours, shown);
}

#[test]
fn each_change_belongs_to_one_step() {
    let score = |comm: &str| Change::Score {
        pid: 1,
        start_time: 0,
        comm: comm.to_owned(),
        from: 0,
        to: -900,
        why: "x".to_owned(),
    };
    let link =
        Change::LinkPut { path: layout::AGENT_WANTS.to_owned(), target: "x".to_owned(), why: "x".to_owned() };
    let sysctl =
        Change::Sysctl { key: "vm.swappiness".to_owned(), from: "60".to_owned(), to: "10".to_owned() };
    let program = layout::agent_program(&"0".repeat(64));
    let cases = [
        (create(), Step::Swap),
        (Change::SwapRetire { path: "/old".to_owned() }, Step::Swap),
        (sysctl, Step::Swap),
        (write(layout::FSTAB), Step::Swap),
        (write(layout::SYSCTL), Step::Swap),
        (write(layout::USER_MANAGER), Step::Protect),
        (write("/etc/systemd/system/swapper.service.d/50-oomguard.conf"), Step::Protect),
        (score("swapfile-agent"), Step::Protect),
        (Change::ReloadSystem, Step::Protect),
        (write(layout::AGENT_UNIT), Step::Agent),
        (write(layout::AGENT_POLICY), Step::Agent),
        (write("/etc/systemd/system/oomguard-agent.service.d/50-oomguard.conf"), Step::Agent),
        (Change::DirRemove { path: "/etc/oomguard".to_owned() }, Step::Agent),
        (link, Step::Agent),
        (Change::ProgramInstall { path: program.clone(), sha256: "0".repeat(64), length: 1 }, Step::Agent),
        (Change::ProgramRemove { path: program }, Step::Agent),
        (Change::AgentStart, Step::Agent),
    ];
    for (change, step) in &cases {
        assert_eq!(Step::of(change), *step, "{change:?}");
    }
    // As many as the journal counts: five for the swap file, two for a file.
    let changes = [create(), write(layout::AGENT_UNIT)];
    let parts = belongs_to(&changes);
    assert_eq!(parts.len(), step::names(&changes).len());
    assert_eq!((parts[..5].to_vec(), parts[5..].to_vec()), (vec![Step::Swap; 5], vec![Step::Agent; 2]));
}

#[test]
fn a_fresh_server_is_said_step_by_step() {
    let (server, plan) = (Server { command: InPlace::Nothing, ..server() }, plan(vec![create()]));
    let looked = looked(&server, &plan, &[]);
    let said = looked.steps(&words);
    let steps: Vec<Step> = said.iter().map(|said| said.step).collect();
    assert_eq!(steps, Step::ALL[..8]);
    assert_eq!(said[0].head(), "Step 1 - Check the rights");
    assert_eq!(under(&said, Step::System), "debian 12, Linux 6.1, systemd");
    assert!(
        under(&said, Step::Install).starts_with("would install oomguard 1.2.3 as /usr/local/bin/oomguard")
    );
    let plan_words =
        "1 change in steps 6 to 8, made by one apply in its own order, and the program of Step 4";
    assert_eq!(under(&said, Step::Plan), plan_words);
    assert!(under(&said, Step::Swap).contains("/swapfile"), "{said:?}");
    assert_eq!(under(&said, Step::Protect), "nothing to do");
    assert_eq!((looked.changes(), looked.must_change()), (2, true));
}

#[test]
fn one_that_is_set_up_has_nothing_to_change_unless_an_apply_was_cut() {
    let (server, plan) = (server(), plan(Vec::new()));
    let fine = looked(&server, &plan, &[]);
    let said = fine.steps(&words);
    assert!(under(&said, Step::Plan).starts_with("nothing to change"), "{said:?}");
    assert_eq!(under(&said, Step::Install).lines().next().unwrap(), "/usr/local/bin/oomguard is up to date");
    assert!(!fine.must_change());
    let update = Server { command: InPlace::Other, ..server.clone() };
    let update = looked(&update, &plan, &[]);
    assert_eq!((update.changes(), update.must_change()), (1, true));
    assert!(under(&update.steps(&words), Step::Plan).starts_with("nothing to change except the program"));
    let cut = Looked { unfinished: Some("20260101-1"), ..fine };
    assert!(cut.must_change());
    assert!(under(&cut.steps(&words), Step::Plan).contains("20260101-1 was interrupted"));
}

#[test]
fn what_is_refused_ends_the_steps_there() {
    let plan = plan(vec![create()]);
    let last = |looked: &Looked<'_>| looked.steps(&words).pop().unwrap();
    let ubuntu = Server { system: "ubuntu".to_owned(), ..server() };
    let refused = last(&looked(&ubuntu, &plan, &[]));
    assert_eq!(refused.step, Step::System);
    assert!(refused.lines.concat().contains("refused: unsupported distribution: "), "{refused:?}");
    let full = Server { free: 1, command: InPlace::Other, ..server() };
    assert_eq!(last(&looked(&full, &plan, &[])).step, Step::Room);
    let no_room = [Refusal {
        id: "no-room".to_owned(),
        reason: "/ has no room for 16 GiB".to_owned(),
        advice: "make room".to_owned(),
    }];
    let server = server();
    let looked = looked(&server, &plan, &no_room);
    assert_eq!(last(&looked).lines.join("|"), "refused: / has no room for 16 GiB|  -> make room");
    assert_eq!(last(&looked).step, Step::Plan);
    assert_eq!(looked.all_refusals(), no_room);
}
