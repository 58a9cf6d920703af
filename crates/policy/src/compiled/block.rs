//! Up to a thousand statements compiled together: what one look at the request says about all of them.

use crate::Effect;
use crate::answers::SetAnswer;
use crate::compiled::actions::{Actions, ActionsBuilder, Needs, Selected};
use crate::compiled::classify::ResourcesBuilder;
use crate::compiled::prepared::Prepared;
use crate::compiled::residual::Residual;
use crate::compiled::resources::{Listing, Resources};
use crate::compiled::set::{Mask, Sets};
use crate::compiled::tables::{Tables, TablesBuilder};
use crate::document::{PrincipalElement, Statement};
use crate::matching::principal::{self, Naming};
use crate::matching::statement::NamesPrincipals;

/// The compiled statements.
#[derive(Debug, Clone)]
pub(super) struct Block<const W: usize> {
    sets: Sets<W>,
    actions: Actions,
    resources: Resources<W>,
    tables: Tables<W>,
    residual: Residual,
    /// Who the statements name, in policies that name principals; otherwise nothing.
    principals: Vec<Option<PrincipalElement>>,
}

/// In whose place a block answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) names_principals: NamesPrincipals,
    /// Whether the caller has a permissions boundary (R71).
    pub(super) has_boundary: bool,
}

impl<const W: usize> Block<W> {
    /// Compiles at most 64 times `W` statements.
    pub(super) fn compile(statements: &[&Statement]) -> Self {
        let mut sets = Sets::default();
        let mut tables = TablesBuilder::default();
        let mut resources = ResourcesBuilder::default();
        for (number, statement) in (0..).zip(statements) {
            tables.add(number, &statement.conditions);
            resources.add(number, statement.resource.as_ref());
        }
        let tabled = tables.finish(statements, &mut sets);
        let (resources, lengths) = resources.finish(statements.len(), &mut sets);
        let mut actions = ActionsBuilder::default();
        let mut residual = Residual::new();
        let needs = tabled.needed.iter().zip(lengths);
        for ((number, statement), (tables, lengths)) in (0..).zip(statements).zip(needs) {
            let tables = *tables;
            actions.add(number, statement, Needs { tables, lengths });
            let conditions = statement.conditions.iter().enumerate();
            let left = conditions.filter(|(place, _)| !tabled.took(number, *place));
            residual.add(left.map(|(_, condition)| condition));
        }
        let name_principals = statements.iter().any(|statement| statement.principal.is_some());
        let named = statements.iter().filter(|_| name_principals);
        Self {
            actions: actions.finish(&mut sets),
            resources,
            tables: tabled.tables,
            residual,
            principals: named.map(|statement| statement.principal.clone()).collect(),
            sets,
        }
    }

    /// What the statements say; Allows do not matter any more once a Deny applies (R115).
    pub(super) fn answer(&self, prepared: &Prepared<'_>, place: Place) -> SetAnswer {
        let (mut allow_room, mut deny_room) = (Mask::EMPTY, Mask::EMPTY);
        let selected = self.actions.select(prepared, &self.sets);
        let (allow, deny, needs) = match &selected {
            Selected::Nothing => return SetAnswer::SILENT,
            Selected::Row(row) => {
                let deny = (!row.deny.is_empty()).then(|| self.sets.mask(row.deny, &mut deny_room));
                (self.sets.mask(row.allow, &mut allow_room), deny, row.needs)
            }
            Selected::Masks { allow, deny } => (allow, Some(deny), Needs::ALL),
        };
        let mut listing = Listing::NEW;
        self.resources
            .look_up(prepared, needs.lengths, &self.sets, &mut listing);
        let mut look = Look {
            block: self,
            prepared,
            place,
            tables: needs.tables,
            listing: &mut listing,
        };
        let denies = deny.is_some_and(|deny| look.closest(Effect::Deny, deny) > Naming::None);
        SetAnswer {
            denies,
            allows: if denies {
                Naming::None
            } else {
                look.closest(Effect::Allow, allow)
            },
        }
    }

    /// How closely a statement names the caller (R72).
    fn naming(&self, statement: u16, effect: Effect, prepared: &Prepared<'_>, place: Place) -> Naming {
        if place.names_principals == NamesPrincipals::No {
            return Naming::Direct;
        }
        match self.principals.get(usize::from(statement)) {
            Some(Some(element)) => {
                principal::names(element, prepared.request.principal, effect, place.has_boundary)
            }
            _ => Naming::None,
        }
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        let principals = self
            .principals
            .iter()
            .flatten()
            .flat_map(|element| &element.entries);
        self.sets.memory()
            + self.actions.memory()
            + self.resources.memory()
            + self.tables.memory()
            + self.residual.memory()
            + self.principals.capacity() * size_of::<Option<PrincipalElement>>()
            + principals
                .map(|entry| size_of_val(entry) + entry.value.capacity())
                .sum::<usize>()
    }
}

/// One look of a block at a request.
struct Look<'l, const W: usize> {
    block: &'l Block<W>,
    prepared: &'l Prepared<'l>,
    place: Place,
    tables: u64,
    listing: &'l mut Listing<W>,
}

impl<const W: usize> Look<'_, W> {
    /// How closely the closest of these statements that applies names the caller; it stops at the first that cannot be closer.
    #[inline]
    fn closest(&mut self, effect: Effect, statements: &Mask<W>) -> Naming {
        let Self {
            block,
            prepared,
            place,
            ..
        } = *self;
        let mut live = block.resources.may_apply(self.listing);
        live.keep(statements);
        block
            .tables
            .narrow(self.tables, prepared.facts, &block.sets, &mut live);
        let mut closest = Naming::None;
        for statement in live.members() {
            let naming = block.naming(statement, effect, prepared, place);
            if naming > closest
                && block.residual.hold(statement, prepared.facts)
                && block
                    .resources
                    .lets_apply(statement, effect, prepared, &block.sets, self.listing)
            {
                closest = naming;
            }
            if closest == Naming::Direct || (closest > Naming::None && effect == Effect::Deny) {
                break;
            }
        }
        closest
    }
}
