//! Which security groups come to something else after a change: what is asked by those who hold tasks of these groups to
//! their rules. A change costs what depends on it, not what there is.

use std::sync::Arc;

use portcullis_core::Region;

use super::{NetworkInterface, SecurityGroup, Tables, key_of};

impl Tables {
    /// Keeps everything derived of interfaces in step.
    pub(super) fn index_interface_row(
        &mut self,
        before: Option<&NetworkInterface>,
        after: Option<&NetworkInterface>,
    ) {
        self.index_interface(before, after);
        if let Some(row) = before {
            for id in row.part_ids() {
                self.interface_parts.remove(&key_of(&row.region, id));
            }
        }
        if let Some(row) = after {
            let own = Arc::new(row.id.clone());
            for id in row.part_ids() {
                self.interface_parts
                    .insert(&key_of(&row.region, id), Arc::clone(&own));
            }
        }
        self.stir_by_interface(before, after);
    }

    /// Keeps the marks in step with a group's own rules.
    pub(super) fn index_group(&mut self, before: Option<&SecurityGroup>, after: Option<&SecurityGroup>) {
        match (before, after) {
            (_, Some(row)) if before.is_none_or(|before| before.rules != row.rules) => {
                let change = self.change;
                self.stirred_groups.touch(&key_of(&row.region, &row.id), change);
            }
            (Some(row), None) => self.stirred_groups.remove(&key_of(&row.region, &row.id)),
            _ => {}
        }
    }

    /// The interface that carries an attachment or a permission.
    pub fn interface_with_part(&self, region: &Region, id: &str) -> Option<&Arc<NetworkInterface>> {
        self.find(region, self.interface_parts.get(&key_of(region, id))?)
    }

    /// The groups whose rules speak of the members of an interface's groups come to other addresses.
    fn stir_by_interface(&mut self, before: Option<&NetworkInterface>, after: Option<&NetworkInterface>) {
        let Some(row) = after.or(before) else { return };
        let groups = |row: Option<&NetworkInterface>| row.map(|row| row.groups.clone()).unwrap_or_default();
        let addresses = |row: Option<&NetworkInterface>| row.map(|row| row.addresses.clone());
        let (old, new) = (groups(before), groups(after));
        let is_same_host = addresses(before) == addresses(after);
        let concerned = old.iter().chain(&new);
        let concerned = concerned.filter(|id| !is_same_host || old.contains(id) != new.contains(id));
        let mut stirred = Vec::new();
        for group in concerned {
            let speaking = self.children::<SecurityGroup>(&row.region, group);
            stirred.extend(speaking.into_iter().map(|speaking| speaking.id.clone()));
            // A group hangs on others only: of itself it is asked.
            let own = self.find::<SecurityGroup>(&row.region, group);
            stirred.extend(own.filter(|own| own.speaks_of(group)).map(|own| own.id.clone()));
        }
        for id in stirred {
            let change = self.change;
            self.stirred_groups.touch(&key_of(&row.region, &id), change);
        }
    }
}
