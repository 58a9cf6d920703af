//! Which shapes the served operations reach.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::model::{Kind, Model};

/// Structures that are printed into one file.
pub struct Group {
    /// File name without its ending.
    pub name: &'static str,
    /// What they are, for the file's first line.
    pub title: &'static str,
    /// Names of the structures, sorted.
    pub structures: BTreeSet<String>,
}

/// What is generated for one service.
pub struct Selection {
    /// Operations, sorted.
    pub operations: BTreeSet<String>,
    /// Every shape reached, structures and others.
    pub shapes: BTreeSet<String>,
    /// Error shapes the operations declare.
    pub errors: BTreeSet<String>,
    /// The structures, by file.
    pub groups: Vec<Group>,
}

impl Selection {
    /// Follows the operations and the shapes named to all they use.
    pub fn new(model: &Model, operations: &[String], extra: &[String]) -> Result<Self> {
        let (mut inputs, mut outputs) = (BTreeSet::new(), BTreeSet::new());
        let mut errors = BTreeSet::new();
        for name in operations {
            let operation = model.operation(name)?;
            inputs.extend(operation.input.map(|input| input.shape));
            outputs.extend(operation.output.map(|output| output.shape));
            errors.extend(operation.errors.into_iter().map(|error| error.shape));
        }
        let frames: BTreeSet<String> = extra.iter().cloned().collect();
        let mut shapes = BTreeSet::new();
        for root in inputs.iter().chain(&outputs).chain(&frames) {
            reach(model, root, &mut Vec::new(), &mut shapes)?;
        }
        let groups = group(model, &shapes, inputs, outputs, frames)?;
        Ok(Self {
            operations: operations.iter().cloned().collect(),
            shapes,
            errors,
            groups,
        })
    }
}

fn group(
    model: &Model,
    shapes: &BTreeSet<String>,
    inputs: BTreeSet<String>,
    outputs: BTreeSet<String>,
    frames: BTreeSet<String>,
) -> Result<Vec<Group>> {
    let mut rest = BTreeSet::new();
    for name in shapes {
        let shape = model.shape(name)?;
        let is_rest = !inputs.contains(name) && !outputs.contains(name) && !frames.contains(name);
        if is_rest && shape.kind == Kind::Structure && !shape.document {
            rest.insert(name.clone());
        }
    }
    let outputs = outputs.difference(&inputs).cloned().collect();
    let middle = rest.iter().nth(rest.len() / 2).cloned().unwrap_or_default();
    let (first, second) = if rest.len() > 100 {
        let second = rest.split_off(&middle);
        (rest, second)
    } else {
        (rest, BTreeSet::new())
    };
    let groups = [
        Group {
            name: "requests",
            title: "Inputs of operations",
            structures: inputs,
        },
        Group {
            name: "replies",
            title: "Outputs of operations",
            structures: outputs,
        },
        Group {
            name: "frames",
            title: "Websocket messages",
            structures: frames,
        },
        Group {
            name: "types",
            title: "Structures inside inputs and outputs",
            structures: first,
        },
        Group {
            name: "types2",
            title: "Structures inside inputs and outputs, second half",
            structures: second,
        },
    ];
    Ok(groups
        .into_iter()
        .filter(|group| !group.structures.is_empty())
        .collect())
}

/// Adds `name` and all it uses. `path` holds the structures that contain it without a list or map between.
fn reach(model: &Model, name: &str, path: &mut Vec<String>, into: &mut BTreeSet<String>) -> Result<()> {
    if path.iter().any(|outer| outer == name) {
        bail!("{name} contains itself without a list between; teach the generator to print a Box for it");
    }
    if !into.insert(name.to_owned()) {
        return Ok(());
    }
    let shape = model.shape(name)?;
    if shape.document {
        return Ok(());
    }
    path.push(name.to_owned());
    for (_, member) in &shape.members {
        reach(model, &member.shape, path, into)?;
    }
    path.pop();
    for inner in [shape.member, shape.key, shape.value].into_iter().flatten() {
        reach(model, &inner.shape, &mut Vec::new(), into)?;
    }
    Ok(())
}
