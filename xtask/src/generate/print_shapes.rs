//! Prints structures and their reading and writing.

use std::fmt::Write as _;

use anyhow::{Context, Result};

use super::closure::Group;
use super::model::{Kind, Model, Shape};
use super::{names, print_service};

/// One file of structures.
pub fn print(service: &str, model: &Model, group: &Group) -> Result<String> {
    let mut bodies = String::new();
    for name in &group.structures {
        let shape = model.shape(name)?;
        print_one(&mut bodies, model, name, &shape).with_context(|| format!("shape {name}"))?;
    }
    // Without the doc lines, which name members.
    let words: String = bodies.lines().filter(|line| !line.starts_with("///")).collect();
    let mut out = print_service::header(service, group.title);
    for (token, import) in [
        ("BTreeMap<", "use std::collections::BTreeMap;\n"),
        ("fmt::", "use std::fmt;\n"),
        ("Timestamp", "\nuse portcullis_core::Timestamp;\n"),
    ] {
        if words.contains(token) {
            out.push_str(import);
        }
    }
    if !out.ends_with("Timestamp;\n") {
        out.push('\n');
    }
    writeln!(
        out,
        "use portcullis_wire::{{ReadError, Reader, Shape, Wire, Writer, put}};"
    )?;
    writeln!(out, "use portcullis_wire::schema::Structure;\n")?;
    writeln!(out, "use super::schema;\n")?;
    out.push_str(&bodies);
    Ok(out)
}

/// A member as it is printed.
struct Field<'m> {
    wire_name: &'m str,
    name: String,
    type_name: String,
    sensitive: bool,
}

fn print_one(out: &mut String, model: &Model, name: &str, shape: &Shape) -> Result<()> {
    let fields = shape
        .members
        .iter()
        .map(|(member, reference)| {
            let plain = rust_type(model, &reference.shape)?;
            let required = shape.required.contains(member);
            Ok(Field {
                wire_name: member,
                name: names::field(member),
                type_name: if required {
                    plain
                } else {
                    format!("Option<{plain}>")
                },
                sensitive: model.shape(&reference.shape)?.sensitive,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    print_struct(out, name, &fields)?;
    print_impls(out, name, &fields)
}

fn print_struct(out: &mut String, name: &str, fields: &[Field<'_>]) -> Result<()> {
    let type_name = names::type_name(name);
    let secret = fields.iter().any(|field| field.sensitive);
    let derives = if secret {
        "Clone, Default, PartialEq"
    } else {
        "Clone, Debug, Default, PartialEq"
    };
    writeln!(
        out,
        "/// `{name}`.\n#[derive({derives})]\npub struct {type_name} {{"
    )?;
    for field in fields {
        writeln!(
            out,
            "/// `{}`.\npub {}: {},",
            field.wire_name, field.name, field.type_name
        )?;
    }
    writeln!(out, "}}\n")?;
    if secret {
        print_debug(out, &type_name, fields)?;
    }
    Ok(())
}

/// A `Debug` that keeps what the model calls sensitive to itself.
fn print_debug(out: &mut String, type_name: &str, fields: &[Field<'_>]) -> Result<()> {
    writeln!(out, "impl fmt::Debug for {type_name} {{")?;
    writeln!(out, "fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {{")?;
    write!(out, "f.debug_struct({type_name:?})")?;
    for field in fields {
        let label = field.name.trim_start_matches("r#");
        if field.sensitive {
            write!(out, ".field({label:?}, &\"(sensitive)\")")?;
        } else {
            write!(out, ".field({label:?}, &self.{})", field.name)?;
        }
    }
    writeln!(out, ".finish() }} }}\n")?;
    Ok(())
}

fn print_impls(out: &mut String, name: &str, fields: &[Field<'_>]) -> Result<()> {
    let (type_name, constant) = (names::type_name(name), names::constant(name));
    writeln!(out, "impl Shape for {type_name} {{")?;
    writeln!(
        out,
        "fn schema() -> &'static Structure {{ &schema::{constant} }} }}\n"
    )?;
    writeln!(out, "impl Wire for {type_name} {{")?;
    writeln!(out, "fn read(reader: Reader<'_>) -> Result<Self, ReadError> {{")?;
    if fields.is_empty() {
        writeln!(
            out,
            "reader.structure(&schema::{constant}, &mut |_, _| Ok(()))?; Ok(Self {{}}) }}\n"
        )?;
    } else {
        writeln!(out, "let mut shape = Self::default();")?;
        writeln!(
            out,
            "reader.structure(&schema::{constant}, &mut |index, value| {{"
        )?;
        print_assignments(out, fields)?;
        writeln!(out, "Ok(()) }})?; Ok(shape) }}\n")?;
    }
    writeln!(out, "fn write(&self, writer: &mut dyn Writer) {{")?;
    writeln!(out, "writer.begin_structure(&schema::{constant});")?;
    for (index, field) in fields.iter().enumerate() {
        writeln!(out, "put(writer, {index}, &self.{});", field.name)?;
    }
    writeln!(out, "writer.end_structure(); }} }}\n")?;
    Ok(())
}

/// Which member goes where; a match with one arm would be an `if`.
fn print_assignments(out: &mut String, fields: &[Field<'_>]) -> Result<()> {
    if let [field] = fields {
        writeln!(
            out,
            "if index == 0 {{ shape.{} = Wire::read(value)?; }}",
            field.name
        )?;
        return Ok(());
    }
    writeln!(out, "match index {{")?;
    for (index, field) in fields.iter().enumerate() {
        writeln!(out, "{index} => shape.{} = Wire::read(value)?,", field.name)?;
    }
    writeln!(out, "_ => {{}} }}")?;
    Ok(())
}

fn rust_type(model: &Model, name: &str) -> Result<String> {
    let shape = model.shape(name)?;
    Ok(match shape.kind {
        Kind::Boolean => "bool".to_owned(),
        Kind::Integer => "i32".to_owned(),
        Kind::Long => "i64".to_owned(),
        Kind::Float | Kind::Double => "f64".to_owned(),
        Kind::String => "String".to_owned(),
        Kind::Timestamp => "Timestamp".to_owned(),
        Kind::Blob => "Vec<u8>".to_owned(),
        Kind::List => {
            let member = shape.member.context("a list has a member")?;
            format!("Vec<{}>", rust_type(model, &member.shape)?)
        }
        Kind::Map => {
            let value = shape.value.context("a map has values")?;
            format!("BTreeMap<String, {}>", rust_type(model, &value.shape)?)
        }
        Kind::Structure if shape.document => "serde_json::Value".to_owned(),
        Kind::Structure => format!("super::{}", names::type_name(name)),
    })
}
