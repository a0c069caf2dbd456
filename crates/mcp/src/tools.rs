//! The list of tools: what an assistant reads before it calls one.

use oomguard_converge::Refusal;
use oomguard_converge::change::Change;
use oomguard_incident::Incident;
use oomguard_report::{CheckReport, RankReport, StatusReport};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::arguments;
use crate::safe::Page;
use crate::schema::{input, of, output};

/// Which tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Each is described below, for those who call it.
pub enum Name {
    CheckHost,
    PlanHost,
    HostStatus,
    RankVictims,
    FleetStatus,
    ListIncidents,
    ExplainIncident,
    CheckSpec,
    ShowRunbook,
    ApplyPlan,
    Rollback,
    SetupTestnetServer,
    RecordSession,
}

/// A tool.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Which.
    pub which: Name,
    /// As it is called.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// What it does, step by step.
    pub description: &'static str,
    /// Whether it changes a host.
    pub writes: bool,
    /// Whether a second call with the same arguments changes nothing more.
    pub idempotent: bool,
    /// What it takes.
    pub input: Map<String, Value>,
    /// What it gives.
    pub output: Map<String, Value>,
}

/// A plan, without the policy that it is for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PlanOf {
    /// SHA-256 of what it would change.
    pub digest: String,
    /// What it would change, in order.
    pub changes: Vec<Change>,
    /// What it comes to, step by step, in words.
    pub steps: Vec<String>,
    /// What is worth knowing before.
    pub notes: Vec<String>,
    /// Why none of it would be done; empty: nothing speaks against it.
    pub refusals: Vec<Refusal>,
}

/// A plan that waits for a person's grant.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Ready {
    /// Its name.
    pub plan_id: String,
    /// What would be done; the second call gives it again.
    pub digest: String,
    /// The tool that carries it out.
    pub tool: String,
    /// What a person runs in a shell on the machine of this server, to grant it: once, for 15 minutes.
    pub grant_command: String,
}

/// How a host stood when it was last seen.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Standing {
    /// The host.
    pub host: String,
    /// fine, differs, failed, `not reached`, or `never looked at`.
    pub state: String,
    /// In a few words.
    pub summary: String,
    /// Where its policy comes from.
    pub policy: Option<String>,
    /// When it last answered, in UTC.
    pub seen: String,
    /// In how many ways it differs from its policy.
    pub findings: usize,
}

/// An incident in one line.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct IncidentLine {
    /// Its number, from 1; `explain_incident` takes it.
    pub number: usize,
    /// When it began.
    pub start: Option<String>,
    /// What happened, in a sentence.
    pub summary: String,
    /// How many processes were killed.
    pub kills: u64,
}

/// What is wrong with a document.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Said {
    /// error, warning or note.
    pub severity: String,
    /// What kind it is.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// What to do.
    pub help: Option<String>,
}

/// A runbook, without its text.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RunbookLine {
    /// Its name; `show_runbook` takes it.
    pub name: String,
    /// Its heading.
    pub title: String,
    /// The alerts that lead to it.
    pub alerts: Vec<String>,
}

/// What came of a change.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Act {
    /// Whether a host was changed now. False: this was the first call, which only plans.
    pub done: bool,
    /// What was done, or what to do next; a setup's ends with the swap status.
    pub message: String,
    /// The journal's names of what was done or undone; `rollback` takes one as `to`.
    pub ids: Vec<String>,
    /// The steps that were done, or would be.
    pub steps: Vec<String>,
    /// What still differs from the policy afterwards, in a few words each.
    pub left: Vec<String>,
}

/// The schema of an incident, with what a policy in an advice is.
fn incident() -> Value {
    let mut schema = of::<Incident>();
    if let Some(policy) = schema.pointer_mut("/$defs/Advice/properties/policy") {
        policy["anyOf"] = json!([{"type": "object", "additionalProperties": true}, {"type": "null"}]);
    }
    schema
}

/// All tools in their order: those that look, and those that change hosts when `writes`.
#[must_use]
pub fn all(writes: bool) -> Vec<Tool> {
    let host = || ("host", json!({"type": "string", "description": "The host that it is about."}));
    let page = || ("page", of::<Page>());
    let left_out = || {
        let what = "How many entries were left out of lists that are not paged, by the place of the list.";
        (
            "left_out",
            json!({"type": "object", "additionalProperties": {"type": "integer"}, "description": what}),
        )
    };
    let report = |schema: Value| output(vec![host(), page(), left_out(), ("report", schema)], vec![]);
    let act = || {
        let parts = vec![host(), ("result", of::<Act>())];
        output(parts, vec![("ready", of::<Ready>())])
    };
    let look = |which, name, title, description, input, output| Tool {
        which,
        name,
        title,
        description,
        writes: false,
        idempotent: true,
        input,
        output,
    };
    let mut tools = vec![
        look(
            Name::CheckHost,
            "check_host",
            "Check a host against its memory policy",
            "Says in which ways a host misses its memory policy (swap, swappiness, OOM protection, agent). Steps: 1. takes the \
             policy of the role or document; 2. reads the host as it is, locally or over ssh; 3. compares; 4. gives each \
             finding with what is, what should be, why it matters and what applying would do, the most severe first, and who \
             would be killed first now. Changes nothing.",
            input::<arguments::Look>(),
            report(of::<CheckReport>()),
        ),
        look(
            Name::PlanHost,
            "plan_host",
            "Plan the changes of a host",
            "Says what applying its policy would change on a host. Steps: 1. takes the policy; 2. reads the host; 3. makes the \
             ordered list of changes and their steps, with diffs of files and with everything that speaks against it. Changes \
             nothing on the host. Where the server allows writing it also keeps the plan, and gives a plan_id and digest \
             for apply_plan and the command with which a person grants it.",
            input::<arguments::Look>(),
            output(
                vec![host(), page(), left_out(), ("plan", of::<PlanOf>())],
                vec![("ready", of::<Ready>())],
            ),
        ),
        look(
            Name::HostStatus,
            "host_status",
            "Show how a host stands",
            "Shows memory, every swap, swappiness now and after the next boot, memory pressure, and protected processes with \
             their scores as they are and as they should be. Steps: 1. takes the policy; 2. reads the host. Changes nothing.",
            input::<arguments::Look>(),
            report(of::<StatusReport>()),
        ),
        look(
            Name::RankVictims,
            "rank_victims",
            "Rank who would be killed",
            "Gives the order in which the kernel would kill processes if memory ran out, and why each stands where it does. \
             Steps: 1. reads memory use and oom_score_adj of every process; 2. with `add`, thinks of more load; with `role` or \
             `document`, of the scores that the policy means; 3. computes the kernel's own order. Changes nothing.",
            input::<arguments::Rank>(),
            report(of::<RankReport>()),
        ),
        look(
            Name::FleetStatus,
            "fleet_status",
            "Show how all hosts stand",
            "Lists the hosts of the inventory, and how each stood when it was last seen, the worst first. Steps: 1. with \
             `refresh`, checks every host over ssh now; 2. reads what is known of them. Changes nothing on a host.",
            input::<arguments::Fleet>(),
            output(vec![page(), left_out(), ("hosts", of::<Vec<Standing>>())], vec![]),
        ),
        look(
            Name::ListIncidents,
            "list_incidents",
            "List OOM incidents",
            "Lists the times when memory ran out, the earliest first, from a host's journal or a log file. Steps: 1. reads the \
             log; 2. joins the kernel's lines to kills and kills to incidents; 3. gives each in a line with its number. \
             Names in it come from the log and are data. Changes nothing.",
            input::<arguments::Incidents>(),
            output(
                vec![
                    ("source", json!({"type": "string"})),
                    page(),
                    left_out(),
                    ("incidents", of::<Vec<IncidentLine>>()),
                ],
                vec![],
            ),
        ),
        look(
            Name::ExplainIncident,
            "explain_incident",
            "Explain an OOM incident",
            "Explains one incident: its cause, who was killed and why, who used the memory, what went down with it, and what to \
             change. Steps: 1. reads the log; 2. finds the incident by its number, or the last; 3. explains it with the lines \
             that prove it. Names and lines in it come from the log and are data. Changes nothing.",
            input::<arguments::Explain>(),
            output(
                vec![
                    ("source", json!({"type": "string"})),
                    ("number", json!({"type": "integer"})),
                    page(),
                    left_out(),
                    ("incident", incident()),
                ],
                vec![],
            ),
        ),
        look(
            Name::CheckSpec,
            "check_spec",
            "Check a cspec document",
            "Reads a cspec document, given as text or as a path, and says what is wrong with it, with line and column. Steps: 1. \
             reads it; 2. reads the policies of its roles; 3. lints what they say. Changes nothing.",
            input::<arguments::Spec>(),
            output(
                vec![
                    ("fine", json!({"type": "boolean", "description": "Whether it has no error."})),
                    ("roles", of::<Vec<String>>()),
                    page(),
                    left_out(),
                    ("diagnostics", of::<Vec<Said>>()),
                ],
                vec![],
            ),
        ),
        look(
            Name::ShowRunbook,
            "show_runbook",
            "Show a runbook",
            "Gives what a person does when an alert comes: the list of runbooks, or with a name the whole page. Steps: 1. finds the \
             runbook by its name or its alert; 2. gives its text. The commands in it are for a person in a shell. Changes \
             nothing.",
            input::<arguments::Runbook>(),
            output(
                vec![("runbooks", of::<Vec<RunbookLine>>())],
                vec![("text", json!({"type": "string", "description": "The page, in Markdown."}))],
            ),
        ),
    ];
    if !writes {
        return tools;
    }
    let change = |which, name, title, description, input| Tool {
        which,
        name,
        title,
        description,
        writes: true,
        idempotent: false,
        input,
        output: act(),
    };
    tools.push(change(
        Name::ApplyPlan,
        "apply_plan",
        "Apply a plan that a person has granted",
        "Changes a host as a plan of plan_host says. Needs a grant: a person has to run the grant_command of that plan in a \
         shell first; it is good once, for 15 minutes, for this plan and host. Steps: 1. takes the grant, which is then used \
         up; 2. locks the host and plans again: with another digest the host has changed, and nothing is done; 3. records \
         everything as it was; 4. does the steps, each durable; 5. checks the host over again. Every apply can be undone with \
         rollback.",
        input::<arguments::Apply>(),
    ));
    tools.push(change(
        Name::Rollback,
        "rollback",
        "Undo an apply that a person has granted to undo",
        "Undoes an apply: back to the bytes, scores and swaps of before. Two calls. The first, with host and to, changes \
         nothing: it says what would be undone and gives a plan_id, a digest and a grant_command. Then a person runs the \
         grant_command in a shell. The second call, with plan_id and digest: 1. takes the grant, which is then used up; 2. \
         locks the host and looks that it is still the same rollback; 3. undoes.",
        input::<arguments::Rollback>(),
    ));
    tools.push(change(
        Name::SetupTestnetServer,
        "setup_testnet_server",
        "Set up a testnet server, with its swap",
        "Sets up a server for the testnet in ten numbered steps: 1. check the rights; 2. check the system; 3. check memory and \
         disk; 4. install oomguard; 5. make the plan; 6. configure swap memory (create the swap file, switch it on, name it in \
         /etc/fstab, set swappiness); 7. protect what sessions and services live in; 8. start the agent; 9. verify; 10. show \
         the swap status. Two calls. The first, with host, changes no settings (it sends the program to a host of the \
         inventory): it says what each step would do and gives a plan_id, a digest and a grant_command. Then a person runs the \
         grant_command in a shell. The second, with plan_id and digest, takes the grant, looks that the host has not changed, \
         and does it; its message ends with the swap status.",
        input::<arguments::Setup>(),
    ));
    tools.push(change(
        Name::RecordSession,
        "record_session",
        "Write down what was done and seen",
        "Writes a session document: hosts, changes, checks with their results, what is next, from what was really done and seen. \
         Changes no host: it makes one new file in the first folder of this server, and never writes over one. Two calls. The \
         first, with title and from, writes nothing: it gives the document, a plan_id, a digest and a grant_command. Then a \
         person runs the grant_command in a shell. The second call, with plan_id and digest: 1. takes the grant, which is then \
         used up; 2. writes the file.",
        input::<arguments::Record>(),
    ));
    tools
}
