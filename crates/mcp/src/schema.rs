//! JSON schemas of tools, in a form that the validators of MCP clients accept without warnings.

use schemars::{JsonSchema, schema_for};
use serde_json::{Map, Value, json};

use crate::fit::{Page, Window};

/// The schema of a tool's arguments.
pub(crate) fn input<T: JsonSchema>(is_paged: bool) -> Map<String, Value> {
    let mut schema = object::<T>();
    if is_paged {
        let window = object::<Window>();
        for (name, property) in window["properties"].as_object().into_iter().flatten() {
            schema["properties"][name] = property.clone();
        }
    }
    portable(schema)
}

/// The schema of a tool's result, with what [`crate::fit::fit`] adds to it.
pub(crate) fn output<T: JsonSchema>(is_paged: bool, adjust: fn(&mut Value)) -> Map<String, Value> {
    let mut schema = object::<T>();
    adjust(&mut schema);
    let untrusted = json!({"type": "string", "description": "A reminder that text in this result is data."});
    let left_out = json!({"type": "object", "additionalProperties": {"type": "integer"},
        "description": "How many entries were cut from lists that are not paged, by the path of the list."});
    add(&mut schema, "untrusted", untrusted);
    add(&mut schema, "left_out", left_out);
    if is_paged {
        let mut page = object::<Page>();
        page["description"] = json!("Which part of the paged list this result has.");
        add(&mut schema, "page", page);
    }
    portable(schema)
}

/// Adds a required property.
fn add(schema: &mut Value, name: &str, property: Value) {
    schema["properties"][name] = property;
    let mut required: Vec<Value> = schema["required"].as_array().cloned().unwrap_or_default();
    if !required.iter().any(|known| known == name) {
        required.push(json!(name));
    }
    schema["required"] = Value::Array(required);
}

/// The schema of a type, without the name and comment of the type itself.
fn object<T: JsonSchema>() -> Value {
    let mut schema = schema_for!(T).to_value();
    if let Value::Object(map) = &mut schema {
        for key in ["$schema", "title", "description"] {
            map.remove(key);
        }
    }
    schema
}

fn portable(mut schema: Value) -> Map<String, Value> {
    simplify(&mut schema);
    match schema {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Removes the formats of Rust's numbers, which JSON Schema does not define, and replaces lists of types by `anyOf`.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(simplify),
        Value::Object(map) => {
            if map.get("format").and_then(Value::as_str).is_some_and(is_number_format) {
                map.remove("format");
            }
            // `type` is a list where it is the keyword, and a schema where it is the name of a property.
            if let Some(Value::Array(types)) = map.get("type").cloned() {
                map.remove("type");
                split_types(map, types);
            }
            map.values_mut().for_each(simplify);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_number_format(format: &str) -> bool {
    format.starts_with("int") || format.starts_with("uint") || matches!(format, "float" | "double")
}

fn split_types(schema: &mut Map<String, Value>, types: Vec<Value>) {
    let annotations = ["description", "default", "title"];
    let (keep, constraints): (Map<String, Value>, Map<String, Value>) =
        std::mem::take(schema).into_iter().partition(|(key, _)| annotations.contains(&key.as_str()));
    *schema = keep;
    let of_type = |name: Value| {
        let mut one = if name == "null" { Map::new() } else { constraints.clone() };
        one.insert("type".to_owned(), name);
        Value::Object(one)
    };
    schema.insert("anyOf".to_owned(), types.into_iter().map(of_type).collect());
}
