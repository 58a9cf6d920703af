//! One folder per AWS service, one file per operation group. A service is its table of rows.

pub mod cloudtrail;
pub mod ecs;
pub mod iam;
pub mod sts;

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_core::Random;
use portcullis_store::{Store, Vault};

use crate::gate::operation::Row;

/// What operations that change nothing may use beside the picture.
#[derive(Debug, Clone)]
pub struct Environment {
    /// For credentials.
    pub vault: Arc<Vault>,
    /// For keys and ids.
    pub random: Arc<dyn Random>,
    /// For what the picture does not hold: events.
    pub store: Arc<dyn Store>,
}

/// All rows of all services.
#[derive(Debug)]
pub struct Operations(HashMap<(&'static str, &'static str), Row>);

impl Operations {
    /// The operations this server has.
    pub fn all() -> Self {
        let tables = [cloudtrail::table(), ecs::table(), iam::table(), sts::table()];
        let rows = tables.into_iter().flatten();
        Self(
            rows.map(|row| ((row.meta.service.name, row.meta.name), row))
                .collect(),
        )
    }

    /// The row of an operation.
    pub fn get(&self, service: &'static str, operation: &'static str) -> Option<&Row> {
        self.0.get(&(service, operation))
    }

    /// All rows, ordered by service and operation.
    pub fn rows(&self) -> Vec<&Row> {
        let mut rows: Vec<_> = self.0.values().collect();
        rows.sort_by_key(|row| (row.meta.service.name, row.meta.name));
        rows
    }
}
