//! The keys at rest: the master key in a private file, the data keys wrapped by it beside the data.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use portcullis_core::{Random, hex};
use serde_json::{Value, json};

use crate::OpenError;
use crate::private::{read_private, write_whole};
use crate::vault::{Key, Vault, VaultError, random_key};

/// The number of the first data key.
const FIRST: u32 = 1;
const WRAP: &str = "data key";
const SEAL_RECORD: &[u8] = b"seal/1";
const DERIVE_RECORD: &[u8] = b"derive";

/// Opens the key ring, or makes it, and the master key if there is none, in a directory that is not `finished`.
pub(crate) fn open(
    ring: &Path,
    master_key: &Path,
    finished: bool,
    random: Arc<dyn Random>,
) -> Result<Vault, OpenError> {
    let key = match read_master_key(master_key)? {
        Some(key) => key,
        None if finished => {
            return Err(OpenError::Missing {
                path: master_key.to_owned(),
            });
        }
        None => make_master_key(master_key, &*random)?,
    };
    // Nothing but the wrapping of the few data keys ever uses the master key.
    let wrapping = Vault::new(BTreeMap::from([(0, key.clone())]), 0, key, Arc::clone(&random));
    match read_private(ring)? {
        Some(text) => read_ring(ring, &text, master_key, &wrapping, random),
        None if finished => Err(OpenError::Missing {
            path: ring.to_owned(),
        }),
        None => make_ring(ring, &wrapping, random),
    }
}

fn read_master_key(path: &Path) -> Result<Option<Key>, OpenError> {
    let Some(bytes) = read_private(path)? else {
        return Ok(None);
    };
    let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| OpenError::Damaged {
        path: path.to_owned(),
        detail: format!("a master key has 32 bytes, not {}", bytes.len()),
    })?;
    Ok(Some(Key::new(key)))
}

fn make_master_key(path: &Path, random: &dyn Random) -> Result<Key, OpenError> {
    let key = random_key(random);
    write_whole(path, &*key)?;
    Ok(key)
}

fn make_ring(path: &Path, wrapping: &Vault, random: Arc<dyn Random>) -> Result<Vault, OpenError> {
    let (seal_key, derive_key) = (random_key(&*random), random_key(&*random));
    let wrap = |record: &[u8], key: &Key| {
        wrapping
            .seal(WRAP, record, key.as_slice())
            .map(|sealed| hex(&sealed))
    };
    let io = |error: VaultError| OpenError::Damaged {
        path: path.to_owned(),
        detail: error.to_string(),
    };
    let ring = json!({
        "version": 1,
        "active": FIRST,
        "seal": [{ "number": FIRST, "wrapped": wrap(SEAL_RECORD, &seal_key).map_err(io)? }],
        "derive": { "wrapped": wrap(DERIVE_RECORD, &derive_key).map_err(io)? },
    });
    write_whole(path, format!("{ring:#}\n").as_bytes())?;
    Ok(Vault::new(
        BTreeMap::from([(FIRST, seal_key)]),
        FIRST,
        derive_key,
        random,
    ))
}

fn read_ring(
    path: &Path,
    text: &[u8],
    master_key: &Path,
    wrapping: &Vault,
    random: Arc<dyn Random>,
) -> Result<Vault, OpenError> {
    let damaged = || OpenError::Damaged {
        path: path.to_owned(),
        detail: "it cannot be understood".to_owned(),
    };
    let unwrap = |record: &[u8], wrapped: Option<&Value>| {
        let wrapped = wrapped
            .and_then(Value::as_str)
            .and_then(from_hex)
            .ok_or_else(damaged)?;
        let key = wrapping.open(WRAP, record, &wrapped);
        let key = key.map_err(|_| OpenError::WrongMasterKey {
            path: master_key.to_owned(),
        })?;
        key.as_slice().try_into().map(Key::new).map_err(|_| damaged())
    };
    let ring: Value = serde_json::from_slice(text).map_err(|_| damaged())?;
    if ring.get("version").and_then(Value::as_u64) != Some(1) {
        return Err(damaged());
    }
    let number = |value: Option<&Value>| {
        value
            .and_then(Value::as_u64)
            .and_then(|number| u32::try_from(number).ok())
    };
    let active = number(ring.get("active")).ok_or_else(damaged)?;
    let mut seal_keys = BTreeMap::new();
    for entry in ring.get("seal").and_then(Value::as_array).ok_or_else(damaged)? {
        let number = number(entry.get("number")).ok_or_else(damaged)?;
        seal_keys.insert(
            number,
            unwrap(format!("seal/{number}").as_bytes(), entry.get("wrapped"))?,
        );
    }
    if !seal_keys.contains_key(&active) {
        return Err(damaged());
    }
    let derive_key = unwrap(
        DERIVE_RECORD,
        ring.get("derive").and_then(|derive| derive.get("wrapped")),
    )?;
    Ok(Vault::new(seal_keys, active, derive_key, random))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some((digit(high)? << 4) | digit(low)?),
            _ => None,
        })
        .collect()
}
