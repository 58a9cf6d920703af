//! Prints the schemas of a service's shapes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

use super::closure::Selection;
use super::model::{Kind, Model, Reference, Shape};
use super::{names, pattern, print_service};

/// The file `schema.rs`.
pub fn print(
    service: &str,
    model: &Model,
    selection: &Selection,
    linear: &BTreeMap<String, String>,
) -> Result<String> {
    let mut patterns = Patterns::default();
    let mut statics = String::new();
    let mut taken = BTreeMap::new();
    for name in &selection.shapes {
        let shape = model.shape(name)?;
        let constant = names::constant(name);
        if let Some(other) = taken.insert(constant.clone(), name) {
            bail!("{name} and {other} would both be called {constant}");
        }
        if shape.kind == Kind::Structure && !shape.document {
            print_structure(&mut statics, model, name, &shape)?;
        } else if let Some(expression) = named(model, &shape, &mut patterns)? {
            writeln!(statics, "static {constant}: Schema = {expression};\n")?;
        }
    }
    let mut out = print_service::header(service, "Schemas");
    for (text, number) in &patterns.0 {
        let regex = pattern::linear(text, linear)?;
        writeln!(
            statics,
            "static PATTERN_{number}: Pattern = Pattern::new({text:?}, {regex:?});\n"
        )?;
    }
    let used: Vec<&str> = IMPORTS
        .into_iter()
        .filter(|name| is_word_of(name, &statics))
        .collect();
    writeln!(out, "use portcullis_wire::schema::{{{}}};\n", used.join(", "))?;
    out.push_str(&statics);
    Ok(out)
}

/// What a schema file may need of `portcullis_wire::schema`.
const IMPORTS: [&str; 9] = [
    "List",
    "Location",
    "Map",
    "Member",
    "Pattern",
    "Range",
    "Schema",
    "Structure",
    "Text",
];

/// Whether the text uses this type (as a constructor or in a path), rather than a name that ends like it.
fn is_word_of(name: &str, text: &str) -> bool {
    [" {", "::", " ="].iter().any(|after| {
        [" ", "(", "\n"]
            .iter()
            .any(|before| text.contains(&format!("{before}{name}{after}")))
    })
}
/// Patterns with their numbers; a pattern used twice is compiled once.
#[derive(Default)]
struct Patterns(BTreeMap<String, usize>);

impl Patterns {
    fn constant(&mut self, text: &str) -> String {
        let next = self.0.len() + 1;
        let number = *self.0.entry(text.to_owned()).or_insert(next);
        format!("PATTERN_{number}")
    }
}

fn print_structure(out: &mut String, model: &Model, name: &str, shape: &Shape) -> Result<()> {
    let constant = names::constant(name);
    writeln!(
        out,
        "pub(super) static {constant}: Structure = Structure {{ name: {name:?}, members: &["
    )?;
    for (member, reference) in &shape.members {
        let schema = reference_to(model, &reference.shape)?;
        let place = location(model, name, shape, (member, reference))?;
        let kind = if shape.required.contains(member) {
            "required"
        } else {
            "optional"
        };
        writeln!(out, "Member::{kind}({member:?}, {schema}){place},")?;
    }
    writeln!(out, "] }};\n")?;
    Ok(())
}

/// Where a member stands if not in the body under its own name: a call to add to it.
fn location(
    model: &Model,
    name: &str,
    shape: &Shape,
    (member, reference): (&String, &Reference),
) -> Result<String> {
    let named = reference.location_name.as_ref().unwrap_or(member);
    if model.is_ec2() {
        return Ok(ec2_names(member, named, reference));
    }
    if shape.payload.as_ref() == Some(member) {
        return Ok(".at(Location::Payload)".to_owned());
    }
    let inner = model.shape(&reference.shape)?;
    let place = match reference.location.as_deref() {
        None if named == member => return Ok(String::new()),
        None => bail!("{name}.{member} has another name on the wire; teach Member about it"),
        Some("uri") if is_text(inner.kind) => format!("Label({named:?})"),
        Some("querystring") if is_text(inner.kind) || inner.kind == Kind::List => {
            format!("Query({named:?})")
        }
        Some("header") if is_text(inner.kind) && inner.kind != Kind::Timestamp => {
            format!("Header({:?})", named.to_ascii_lowercase())
        }
        Some("statusCode") => "Status".to_owned(),
        Some(other) => bail!("{name}.{member} stands in {other} in a form that has no codec yet"),
    };
    Ok(format!(".at(Location::{place})"))
}

/// EC2's query protocol has a name for requests and another one for answers.
fn ec2_names(member: &str, xml_name: &str, reference: &Reference) -> String {
    let form_name = match (&reference.query_name, &reference.location_name) {
        (Some(name), _) => name.clone(),
        (None, Some(name)) => names::type_name(name),
        (None, None) => member.to_owned(),
    };
    if form_name == member && xml_name == member {
        return String::new();
    }
    format!(".called({form_name:?}, {xml_name:?})")
}

/// Whether a value of this kind has a text that can stand outside a body.
fn is_text(kind: Kind) -> bool {
    !matches!(kind, Kind::Blob | Kind::List | Kind::Map | Kind::Structure)
}

/// An expression for a reference to the schema of a shape.
fn reference_to(model: &Model, name: &str) -> Result<String> {
    let shape = model.shape(name)?;
    let constant = names::constant(name);
    Ok(match common(&shape) {
        Some(common) => format!("&{common}"),
        None if shape.kind == Kind::Structure => format!("&Schema::Structure(&{constant})"),
        None => format!("&{constant}"),
    })
}

/// The shared schema of shapes without rules.
fn common(shape: &Shape) -> Option<&'static str> {
    let free = shape.min.is_none() && shape.max.is_none();
    Some(match shape.kind {
        Kind::Structure if shape.document => "Schema::Document",
        Kind::Boolean => "Schema::Boolean",
        Kind::Integer if free => "Schema::INTEGER",
        Kind::Long if free => "Schema::LONG",
        Kind::Float | Kind::Double if free => "Schema::DOUBLE",
        Kind::Timestamp => "Schema::Timestamp",
        Kind::Blob if free => "Schema::BLOB",
        Kind::String if free && shape.pattern.is_none() && shape.choices.is_empty() && !shape.sensitive => {
            "Schema::STRING"
        }
        _ => return None,
    })
}

/// An expression for a schema with rules, which gets a static of its own.
fn named(model: &Model, shape: &Shape, patterns: &mut Patterns) -> Result<Option<String>> {
    if common(shape).is_some() {
        return Ok(None);
    }
    let bounds = bounds(shape)?;
    Ok(Some(match shape.kind {
        Kind::Integer => format!("Schema::Integer({bounds})"),
        Kind::Long => format!("Schema::Long({bounds})"),
        Kind::Float | Kind::Double => format!("Schema::Double({bounds})"),
        Kind::String => text(shape, &bounds, patterns),
        Kind::List => {
            let member = shape.member.as_ref().context("a list has a member")?;
            let name = member.location_name.as_deref().unwrap_or("member");
            let schema = reference_to(model, &member.shape)?;
            let flattened = shape.flattened;
            format!(
                "Schema::List(List {{ member: {schema}, member_name: {name:?}, flattened: {flattened}, length: {bounds} }})"
            )
        }
        Kind::Map => map(model, shape, &bounds)?,
        Kind::Blob => format!("Schema::Blob({bounds})"),
        Kind::Boolean | Kind::Timestamp | Kind::Structure => bail!("a shape of this kind has no rules"),
    }))
}

fn text(shape: &Shape, bounds: &str, patterns: &mut Patterns) -> String {
    let pattern = match &shape.pattern {
        Some(text) => format!("Some(&{})", patterns.constant(text)),
        None => "None".to_owned(),
    };
    let (choices, sensitive) = (&shape.choices, shape.sensitive);
    format!(
        "Schema::String(Text {{ length: {bounds}, pattern: {pattern}, choices: &{choices:?}, sensitive: {sensitive} }})"
    )
}

fn map(model: &Model, shape: &Shape, bounds: &str) -> Result<String> {
    let key = shape.key.as_ref().context("a map has keys")?;
    let value = shape.value.as_ref().context("a map has values")?;
    Ok(format!(
        "Schema::Map(Map {{ key: {}, value: {}, key_name: {:?}, value_name: {:?}, flattened: {}, length: {bounds} }})",
        reference_to(model, &key.shape)?,
        reference_to(model, &value.shape)?,
        key.location_name.as_deref().unwrap_or("key"),
        value.location_name.as_deref().unwrap_or("value"),
        shape.flattened,
    ))
}

fn bounds(shape: &Shape) -> Result<String> {
    if shape.min.is_none() && shape.max.is_none() {
        return Ok("Range::ANY".to_owned());
    }
    Ok(format!(
        "Range {{ min: {}, max: {} }}",
        bound(shape.min)?,
        bound(shape.max)?
    ))
}

fn bound(bound: Option<f64>) -> Result<String> {
    match bound {
        None => Ok("None".to_owned()),
        Some(number) if number.fract() == 0.0 => Ok(format!("Some({number:.0})")),
        Some(number) => bail!("the bound {number} is no whole number"),
    }
}
