//! `oomguard generate schema`, and that the JSON which is printed is as it says.

use serde_json::Value;

use crate::hosts::Folder;
use crate::run::{repository, run};

fn schema(name: &str) -> Value {
    let schema = run(["generate", "schema", name]).exits(0).quietly().json();
    assert!(schema["$schema"].as_str().unwrap().contains("json-schema.org"), "{name}");
    schema
}

/// Fails unless `value` is as `schema` says: types, required keys, no other keys where none are allowed, and
/// alternatives. That is what the schemas of this program use.
fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if schema == &Value::Bool(true) {
        return Ok(());
    }
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).ok_or(format!("{at}: no {name}"))?;
        return check(root, target, value, at);
    }
    if let Some(constant) = schema.get("const") {
        return if constant == value { Ok(()) } else { Err(format!("{at}: {value} is not {constant}")) };
    }
    if let Some(allowed) = schema["enum"].as_array() {
        return if allowed.contains(value) { Ok(()) } else { Err(format!("{at}: {value}")) };
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(ways) = schema[key].as_array() {
            let tried: Vec<_> = ways.iter().map(|way| check(root, way, value, at)).collect();
            if !tried.iter().any(Result::is_ok) {
                return Err(format!("{at}: none of {tried:?}"));
            }
        }
    }
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    let fits = types.contains(&type_of(value)) || (types.contains(&"number") && value.is_number());
    if !types.is_empty() && !fits {
        return Err(format!("{at}: {value} is no {types:?}"));
    }
    object(root, schema, value, at)?;
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(items) = schema.get("items") {
            check(root, items, item, &format!("{at}/{number}"))?;
        }
    }
    Ok(())
}

fn object(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Some(fields) = value.as_object() else { return Ok(()) };
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(required) {
            return Err(format!("{at}: no {required}"));
        }
    }
    for (name, field) in fields {
        let at = format!("{at}/{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(known), _) => check(root, known, field, &at)?,
            (None, Some(Value::Bool(false))) => return Err(format!("{at}: not in the schema")),
            (None, Some(other)) => check(root, other, field, &at)?,
            (None, None) => {}
        }
    }
    Ok(())
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[track_caller]
pub fn conforms(name: &str, value: &Value) {
    let schema = schema(name);
    check(&schema, &schema, value, name).unwrap();
    // The checker notices what is missing.
    for key in schema["required"].as_array().unwrap() {
        let mut less = value.clone();
        less.as_object_mut().unwrap().remove(key.as_str().unwrap());
        assert!(check(&schema, &schema, &less, name).is_err(), "{key} of {name} is not missed");
    }
}

#[test]
fn the_names() {
    let names = run(["generate", "schema"]).exits(0).quietly().out;
    let names: Vec<&str> = names.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(
        names,
        [
            "check",
            "plan",
            "apply",
            "rollback",
            "history",
            "status",
            "rank",
            "recorder",
            "policy",
            "events",
            "event",
            "incident",
            "runbooks",
            "fleet",
            "fleet-runs",
            "spec-check",
            "spec-diff",
            "advise",
            "drill"
        ]
    );
    for name in names {
        assert!(schema(name)["required"].is_array(), "{name}");
    }
}

#[test]
fn what_is_printed_is_as_the_schema_says() {
    let (fresh, good) = (Folder::fresh(), Folder::good());
    let refused = Folder::fresh();
    refused.0.write("/run/systemd/container", "lxc\n");
    refused.remove("/proc/pressure");
    for host in [&fresh, &good, &refused] {
        for name in ["check", "status", "plan", "rank"] {
            conforms(name, &host.run(&[name, "--format", "json"]).json());
        }
        conforms("policy", &host.run(&["plan", "--format", "json"]).json()["policy"]);
        conforms("policy", &host.run(&["plan", "--role", "validator", "--format", "json"]).json()["policy"]);
    }
    conforms("policy", &run(["spec", "show", "--builtin", "ci", "--format", "json"]).json());
    conforms(
        "policy",
        &run(["spec", "show", "specs/deployment.cspec", "--role", "ci", "--format", "json"]).json(),
    );
    conforms("runbooks", &run(["runbook", "--format", "json"]).json());
    let one = run(["runbook", "OomKill", "--format", "json"]).json();
    conforms("runbooks", &one);
    assert_eq!(one["runbooks"].as_array().unwrap().len(), 1, "{one}");
    let events = crate::events::killed().run(&["events", "--format", "json"]).json();
    conforms("events", &events);
    for event in events["events"].as_array().unwrap() {
        conforms("event", event);
    }
    for log in std::fs::read_dir(repository().join("crates/incident/tests/data")).unwrap() {
        let log = log.unwrap().path();
        conforms("incident", &run(["incident", "--format", "json", log.to_str().unwrap()]).json());
    }
    let list = good.run(&["history", "list", "--format", "json"]).json();
    let id = list[0]["record"]["id"].as_str().unwrap();
    conforms("history", &list[0]);
    conforms("history", &good.run(&["history", "show", id, "--format", "json"]).json());
}
