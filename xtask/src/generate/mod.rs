//! `cargo xtask generate`: models and overlays in, the crate `portcullis-api` and the data of `portcullis-reference` out.

mod closure;
mod managed_policies;
mod model;
mod names;
mod output;
mod pattern;
mod print_schema;
mod print_service;
mod print_shapes;
mod reduce;
mod reference;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use closure::Selection;
use model::Model;
use output::Files;

/// What `models/served.json` says about one service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Served {
    /// Error code for a request that violates its schema.
    #[serde(default)]
    validation_code: String,
    /// Operations that get shapes and a marker type.
    #[serde(default)]
    operations: Vec<String>,
    /// Shapes wanted without an operation (frames of a websocket).
    #[serde(default)]
    shapes: Vec<String>,
}

/// Writes the model of a service anew from a whole one.
pub fn reduce_model(service: &str, source: &Path) -> Result<()> {
    reduce::run(root()?, service, source)
}

fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the workspace")
}

/// Writes the generated crate, or with `check` fails if what is there differs.
pub fn run(check: bool) -> Result<()> {
    let root = root()?;
    let files = generate(&root.join("models"))?.formatted(root)?;
    reference::run(root, check)?;
    let target = root.join("crates/api/src");
    if check {
        files.check(&target)
    } else {
        files.write(&target)
    }
}

/// Everything the generator prints, by path below `crates/api/src`.
fn generate(models: &Path) -> Result<Files> {
    let served: BTreeMap<String, Served> = read_json(&models.join("served.json"))?;
    let linear: BTreeMap<String, String> = read_json(&models.join("overlays/patterns.json"))?;
    let mut files = Files::default();
    let mut modules = Vec::new();
    for (name, served) in &served {
        let model = Model::load(models, name)?;
        let selection = Selection::new(&model, &served.operations, &served.shapes)
            .with_context(|| format!("selecting the shapes of {name}"))?;
        generate_service(&mut files, name, served, &model, &selection, &linear)
            .with_context(|| format!("printing {name}"))?;
        modules.push((names::module(name), !served.operations.is_empty()));
    }
    files.add(
        PathBuf::from("managed_policies.rs"),
        managed_policies::print(models)?,
    );
    modules.push(("managed_policies".to_owned(), false));
    modules.sort_unstable();
    files.add(PathBuf::from("lib.rs"), print_service::crate_root(&modules));
    Ok(files)
}

fn generate_service(
    files: &mut Files,
    name: &str,
    served: &Served,
    model: &Model,
    selection: &Selection,
    linear: &BTreeMap<String, String>,
) -> Result<()> {
    let folder = PathBuf::from(names::module(name));
    let has_operations = !served.operations.is_empty();
    if has_operations {
        files.add(
            folder.join("op.rs"),
            print_service::operations(name, model, selection)?,
        );
    }
    // EC2's model declares no errors.
    if !selection.errors.is_empty() {
        files.add(
            folder.join("error.rs"),
            print_service::errors(name, model, selection)?,
        );
    }
    files.add(
        folder.join("schema.rs"),
        print_schema::print(name, model, selection, linear)?,
    );
    for group in &selection.groups {
        let text = print_shapes::print(name, model, group)?;
        files.add(folder.join(format!("{}.rs", group.name)), text);
    }
    let root = print_service::module(
        name,
        model,
        selection,
        has_operations.then_some(&served.validation_code),
    )?;
    files.add(folder.join("mod.rs"), root);
    Ok(())
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not as expected", path.display()))
}
