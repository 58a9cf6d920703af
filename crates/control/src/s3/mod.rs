//! S3: the small part of it that ECS's environment files and deliveries to buckets need. REST with XML, written by hand
//! because its bodies stream (`docs/adr/0008-s3.md`).
//!
//! A request comes in at `door`: what it is about (`target`) and which operation it means (`rows`, `route`), who signed it, by
//! what it says of its body (`body`); the operation's checks (`checks`) are decided by the gate with the bucket's policy;
//! then it runs. The bytes of objects are blobs; rows about them are in the world.

mod answer;
mod ask;
mod body;
mod buckets;
mod checks;
mod checksum;
mod cipher;
mod conditions;
mod copy;
mod delete;
mod describe;
mod door;
mod errors;
mod get;
mod list;
mod multipart;
mod public;
mod put;
mod route;
mod rows;
mod sealing;
mod settings;
mod tagging;
mod target;
mod uploads;
mod xml;

pub use body::RawBody;
pub use door::{is_for, serve};

use portcullis_wire::{Protocol, Service};

/// S3, as calls and records name it.
pub static SERVICE: Service = Service {
    name: "s3",
    signing_name: "s3",
    protocol: Protocol::RestXml,
    target_prefix: "",
    api_version: "2006-03-01",
    xml_namespace: "http://s3.amazonaws.com/doc/2006-03-01/",
    validation_code: "InvalidArgument",
    operations: &[],
    routes: &[],
    served: &[],
};

/// What can be said of an operation of S3 from outside.
#[derive(Debug, Clone, Copy)]
pub struct Served {
    /// `PutObject`
    pub name: &'static str,
    /// The IAM actions it may check.
    pub actions: &'static [&'static str],
    /// Whether it changes state.
    pub writes: bool,
}

/// The operations of S3 that are served, by name.
pub fn served() -> Vec<Served> {
    let of = |row: &rows::Row| Served {
        name: row.name,
        actions: row.actions,
        writes: row.writes,
    };
    let mut all: Vec<_> = rows::ROWS.iter().map(of).collect();
    all.sort_by_key(|served| served.name);
    all
}
