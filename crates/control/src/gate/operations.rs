//! The table of all operations: the gate finds rows here and knows no service by name.

use std::collections::HashMap;

use super::operation::Row;

/// All rows of all services.
#[derive(Debug, Default)]
pub struct Operations(HashMap<(&'static str, &'static str), Row>);

impl FromIterator<Row> for Operations {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Self {
        Self(
            rows.into_iter()
                .map(|row| ((row.meta.service.name, row.meta.name), row))
                .collect(),
        )
    }
}

impl Operations {
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
