//! An assistant changes a host, each time with a person's grant, and never without.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // Helpers of tests are tests, too.

mod host;

use host::{boot, etc, ok, run};
use oomguard_lab::{HostSpec, Release, Vm};
use serde_json::{Value, json};

/// One call of a tool, by a server that lives for it.
fn call(vm: &Vm, tool: &str, arguments: &Value) -> Value {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "lab", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {}});
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"_meta": meta, "name": tool, "arguments": arguments}});
    let script = format!(
        "coproc M {{ oomguard mcp --allow-write --folder /root; }}; echo '{request}' >&${{M[1]}}; IFS= read -r line <&${{M[0]}}; echo \"$line\""
    );
    ok(vm, &format!("cat > /root/call.sh <<'END_OF_SCRIPT'\n{script}\nEND_OF_SCRIPT"));
    let text = ok(vm, "bash /root/call.sh");
    let mut answer: Value =
        serde_json::from_str(text.lines().next().unwrap()).unwrap_or_else(|_| panic!("{text}"));
    answer["result"].take()
}

#[track_caller]
fn given(vm: &Vm, tool: &str, arguments: &Value) -> Value {
    let mut result = call(vm, tool, arguments);
    assert_ne!(result["isError"], true, "{result}");
    result["structuredContent"].take()
}

#[track_caller]
fn refused(vm: &Vm, tool: &str, arguments: &Value, why: &str) {
    let result = call(vm, tool, arguments);
    assert_eq!(result["isError"], true, "{result}");
    assert!(result.to_string().contains(why), "{why:?} is not said: {result}");
}

fn swaps(vm: &Vm) -> String {
    ok(vm, "swapon --show=NAME --noheadings")
}

#[test]
fn an_assistant_changes_only_what_was_granted() {
    let vm = boot(&HostSpec::new(Release::Bookworm));
    let before = etc(&vm);
    let plan = given(&vm, "plan_host", &json!({"role": "workstation"}));
    let ready = &plan["ready"];
    let granted = json!({"plan_id": ready["plan_id"], "digest": ready["digest"]});
    refused(&vm, "apply_plan", &granted, "oomguard grant");
    let id = ready["plan_id"].as_str().unwrap();
    run(&vm, &format!("oomguard grant {id} </dev/null")).exits(64);
    refused(&vm, "apply_plan", &granted, "oomguard grant");
    assert_eq!((etc(&vm), swaps(&vm).as_str()), (before.clone(), ""), "what was refused changed something");

    // A host that has changed since, and a grant that is then used up.
    run(&vm, &format!("oomguard grant {id} --yes")).exits(0).says("once, for 15 minutes");
    ok(&vm, "sysctl -qw vm.swappiness=61");
    refused(&vm, "apply_plan", &granted, "has changed since this plan was made");
    refused(&vm, "apply_plan", &granted, "has been used");
    ok(&vm, "sysctl -qw vm.swappiness=60");
    assert_eq!((etc(&vm), swaps(&vm).as_str()), (before.clone(), ""), "what was refused changed something");

    let plan = given(&vm, "plan_host", &json!({"role": "workstation"}));
    let granted = json!({"plan_id": plan["ready"]["plan_id"], "digest": plan["ready"]["digest"]});
    let id = plan["ready"]["plan_id"].as_str().unwrap();
    run(&vm, &format!("oomguard grant {id} --yes")).exits(0);
    let done = given(&vm, "apply_plan", &granted);
    assert_eq!((&done["result"]["done"], &done["result"]["left"]), (&json!(true), &json!([])), "{done}");
    assert_eq!(swaps(&vm).trim(), "/swapfile");
    run(&vm, "oomguard check").exits(0);
    refused(&vm, "apply_plan", &granted, "has been used");

    let record = given(&vm, "record_session", &json!({"title": "Swap for the lab"}));
    let granted = json!({"plan_id": record["ready"]["plan_id"], "digest": record["ready"]["digest"]});
    run(&vm, &format!("oomguard grant {} --yes", record["ready"]["plan_id"].as_str().unwrap())).exits(0);
    assert_eq!(given(&vm, "record_session", &granted)["result"]["done"], true);
    run(&vm, "oomguard spec check /root/*-swap-for-the-lab.cspec && grep -q /swapfile /root/*-swap-for-the-lab.cspec")
        .exits(0);

    let undo = given(&vm, "rollback", &json!({"to": done["result"]["ids"][0]}));
    assert_eq!(undo["result"]["done"], false);
    let granted = json!({"plan_id": undo["ready"]["plan_id"], "digest": undo["ready"]["digest"]});
    refused(&vm, "rollback", &granted, "oomguard grant");
    refused(&vm, "apply_plan", &granted, "is for rollback");
    let id = undo["ready"]["plan_id"].as_str().unwrap();
    run(&vm, &format!("oomguard grant {id} --yes")).exits(0);
    assert_eq!(given(&vm, "rollback", &granted)["result"]["done"], true);
    assert_eq!((etc(&vm), swaps(&vm).as_str()), (before, ""), "not as before");

    let setup = given(&vm, "setup_testnet_server", &json!({}));
    assert_eq!(setup["result"]["done"], false);
    assert!(setup["result"]["steps"].to_string().contains("Configure swap memory"), "{setup}");
    let audit = ok(&vm, "cat /var/lib/oomguard/mcp/audit.jsonl");
    assert!(audit.contains("\"outcome\":\"begun\"") && audit.contains("has been used"), "{audit}");
    assert_eq!(ok(&vm, "stat -c %a /var/lib/oomguard/mcp /var/lib/oomguard/mcp/audit.jsonl"), "700\n600\n");
}
