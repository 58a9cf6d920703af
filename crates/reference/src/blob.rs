//! The generated data, read where it lies: nothing is parsed, built or relocated at the start, and a page of it that nobody asks
//! for is never loaded. `xtask/src/generate/reference` writes both files and has the other half of this layout.

use crate::fold::Slot;

static TABLES: [u8; include_bytes!("../data/reference.bin").len()] = *include_bytes!("../data/reference.bin");

/// All texts, one after the other; the first line says what made them. A static, so that there is one of it however many crates
/// read it.
static TEXTS: &str = include_str!("../data/reference.txt");

/// Bytes before the table of sections, where the file says what made it.
const NOTE: usize = 128;

/// The bytes of one section; the table holds where each one ends, counted from the file's start.
const fn section(number: usize) -> &'static [u8] {
    let Some((_, from)) = TABLES.split_at_checked(end(number)) else {
        return &[];
    };
    match from.split_at_checked(end(number + 1) - end(number)) {
        Some((bytes, _)) => bytes,
        None => &[],
    }
}

const fn end(number: usize) -> usize {
    match TABLES.split_at_checked(NOTE + number * 4) {
        Some((_, from)) => match from.first_chunk::<4>() {
            Some(bytes) => u32::from_le_bytes(*bytes) as usize,
            None => 0,
        },
        None => 0,
    }
}

/// A section as records of `N` bytes.
const fn records<const N: usize>(number: usize) -> &'static [[u8; N]] {
    section(number).as_chunks::<N>().0
}

const NUMBERS: &[[u8; 4]] = records(0);
/// prefix, title, first action, first resource type, first key, flags; one record more closes the last service's ranges.
pub const SERVICES: &[[u8; 16]] = records(1);
pub const SERVICE_SLOTS: &[Slot] = records(2);
/// name, service, bits, keys, applying keys, resources, dependents.
pub const ACTIONS: &[[u8; 16]] = records(3);
pub const ACTION_SLOTS: &[Slot] = records(4);
/// name, ARN format, service, keys.
pub const RESOURCE_TYPES: &[[u8; 12]] = records(5);
/// name, type, flags, group, bytes before the placeholder, bytes after it.
pub const KEYS: &[[u8; 9]] = records(6);
pub const KEY_SLOTS: &[Slot] = records(7);
pub const HEAD_SLOTS: &[Slot] = records(8);
/// key, type.
pub const SERVICE_KEYS: &[[u8; 4]] = records(9);
/// Lists of ids, each with its length before it.
pub const KEY_LISTS: &[[u8; 2]] = records(10);
pub const APPLYING_LISTS: &[[u8; 2]] = records(11);
pub const RESOURCE_LISTS: &[[u8; 2]] = records(12);
pub const ACTION_LISTS: &[[u8; 2]] = records(13);
/// prefix, service, whether an identity provider's.
pub const KEY_PREFIXES: &[[u8; 8]] = records(14);
/// name, uses.
pub const PRINCIPALS: &[[u8; 6]] = records(15);
/// name, principal.
pub const LINKED_ROLES: &[[u8; 8]] = records(16);
/// id, DNS suffix, dual-stack suffix, Region of global services, pattern, first Region, flags.
pub const PARTITIONS: &[[u8; 24]] = records(17);
/// name, whether ECS is there.
pub const REGIONS: &[[u8; 6]] = records(18);
/// operation, service, actions.
pub const OPERATIONS: &[[u8; 8]] = records(19);

/// Keys with a smaller id may be present whatever the action.
pub const EVERYWHERE: u16 = number(0) as u16;
/// How far behind a name its small form lies.
const FOLDED: u32 = number(1);
/// How many services there are.
pub const SERVICE_COUNT: usize = SERVICES.len().saturating_sub(1);

const fn number(at: usize) -> u32 {
    match NUMBERS.split_at_checked(at) {
        Some((_, [bytes, ..])) => u32::from_le_bytes(*bytes),
        _ => 0,
    }
}

/// A place in the texts: 22 bits of offset, 10 of length.
#[derive(Clone, Copy)]
pub struct Text(u32);

impl Text {
    pub fn get(self) -> &'static str {
        text_at(self.0 & 0x3f_ffff, self.0 >> 22)
    }

    /// The same in small letters; only action names have such a form.
    pub fn folded(self) -> &'static str {
        text_at((self.0 & 0x3f_ffff) + FOLDED, self.0 >> 22)
    }
}

fn text_at(offset: u32, length: u32) -> &'static str {
    let start = offset as usize;
    TEXTS.get(start..start + length as usize).unwrap_or_default()
}

/// Reads the fields of a record one after the other.
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// From the byte `skip` on.
    pub fn new<const N: usize>(record: &'a [u8; N], skip: usize) -> Self {
        Self(record.get(skip..).unwrap_or_default())
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.0.split_first_chunk::<N>() else {
            return [0; N];
        };
        self.0 = rest;
        *field
    }

    pub fn u8(&mut self) -> u8 {
        let [byte] = self.take();
        byte
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    pub fn text(&mut self) -> Text {
        Text(u32::from_le_bytes(self.take()))
    }
}

/// The list that begins at `start`: its length, then as many entries of `width` numbers.
pub fn list(lists: &'static [[u8; 2]], start: u16, width: usize) -> &'static [[u8; 2]] {
    let Some((length, entries)) = lists.get(usize::from(start)..).and_then(<[_]>::split_first) else {
        return &[];
    };
    entries
        .get(..usize::from(u16::from_le_bytes(*length)) * width)
        .unwrap_or_default()
}
