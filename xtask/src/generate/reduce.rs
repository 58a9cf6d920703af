//! `cargo xtask reduce-model SERVICE FILE`: keeps of a large model what we serve, so that the repository stays small.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::Served;
use super::closure::Selection;
use super::model::Model;

/// Writes `models/SERVICE.json` from a whole model: the names of all operations, the shapes of those in `served.json`, and
/// enumerations only where requests are held against them.
pub fn run(root: &Path, service: &str, source: &Path) -> Result<()> {
    let models = root.join("models");
    let mut served: std::collections::BTreeMap<String, Served> =
        super::read_json(&models.join("served.json"))?;
    let served = served
        .remove(service)
        .with_context(|| format!("served.json does not name {service}"))?;
    let mut value: Value = super::read_json(source)?;
    let model: Model = serde_json::from_value(value.clone()).context("the model is not as expected")?;
    let selection = Selection::new(&model, &served.operations, &[])?;
    let checked = checked_shapes(&model, &served.operations)?;
    keep_shapes(&mut value, &selection, &checked)?;
    bare_others(&mut value, &selection.operations)?;
    let mut text = value.to_string();
    text.push('\n');
    let target = models.join(format!("{service}.json"));
    fs::write(&target, text).with_context(|| format!("writing {}", target.display()))
}

/// The shapes that requests are held against.
fn checked_shapes(model: &Model, operations: &[String]) -> Result<BTreeSet<String>> {
    let mut inputs = Vec::new();
    for name in operations {
        inputs.extend(model.operation(name)?.input.map(|input| input.shape));
    }
    Ok(Selection::new(model, &[], &inputs)?.shapes)
}

fn keep_shapes(model: &mut Value, selection: &Selection, checked: &BTreeSet<String>) -> Result<()> {
    let shapes = members(model, "shapes")?;
    shapes.retain(|name, _| selection.shapes.contains(name) || selection.errors.contains(name));
    for (name, shape) in shapes.iter_mut() {
        if let Some(shape) = shape.as_object_mut().filter(|_| !checked.contains(name)) {
            shape.shift_remove("enum");
        }
    }
    Ok(())
}

/// Of operations we do not serve the name is enough, to answer that we do not.
fn bare_others(model: &mut Value, served: &BTreeSet<String>) -> Result<()> {
    for (name, operation) in members(model, "operations")?.iter_mut() {
        if let Some(operation) = operation.as_object_mut().filter(|_| !served.contains(name)) {
            operation.retain(|member, _| member == "name" || member == "http");
        }
    }
    Ok(())
}

fn members<'v>(model: &'v mut Value, name: &str) -> Result<&'v mut Map<String, Value>> {
    model
        .get_mut(name)
        .and_then(Value::as_object_mut)
        .with_context(|| format!("the model has no {name}"))
}
