//! What a group's directory says of the group: its name, its retention, and which of its streams were removed.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::group::{GroupState, Removed};
use crate::journal::sync_directory;
use crate::segment::failed;
use crate::{GroupId, LogsError, OpenError, StreamId};

/// Its name inside the group's directory. Without it there is no group: it is written first and removed first.
pub(crate) const NAME: &str = "group.json";

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupFile {
    pub(crate) id: GroupId,
    pub(crate) retention_days: Option<u32>,
    pub(crate) removed: Removed,
}

impl GroupFile {
    pub(crate) fn of(id: &GroupId, state: &GroupState) -> Self {
        Self {
            id: id.clone(),
            retention_days: state.retention_days,
            removed: Arc::clone(&state.removed),
        }
    }

    /// Writes it whole, so that it lasts.
    pub(crate) fn save(&self, directory: &Path) -> Result<(), LogsError> {
        let removed: Map<String, Value> = self
            .removed
            .iter()
            .map(|(stream, last)| (stream.as_str().to_owned(), json!(last)))
            .collect();
        let text = json!({
            "format": 1,
            "group": self.id.as_str(),
            "retentionDays": self.retention_days,
            "removedStreams": removed,
        });
        let path = directory.join("group.new");
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(text.to_string().as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&path, directory.join(NAME))
        });
        written.map_err(|error| failed(&path, &error))?;
        sync_directory(directory)
    }

    /// Reads it; `None` when the directory has none.
    pub(crate) fn load(directory: &Path) -> Result<Option<Self>, OpenError> {
        let path = directory.join(NAME);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(OpenError::Io {
                    action: "read",
                    path,
                    source,
                });
            }
        };
        let read = read(&text);
        read.map(Some).ok_or_else(|| OpenError::Damaged {
            path,
            detail: "it cannot be understood".to_owned(),
        })
    }
}

fn read(text: &[u8]) -> Option<GroupFile> {
    let file: Value = serde_json::from_slice(text).ok()?;
    file.get("format")
        .and_then(Value::as_u64)
        .filter(|format| *format == 1)?;
    let removed: Option<HashMap<StreamId, u64>> = file
        .get("removedStreams")?
        .as_object()?
        .iter()
        .map(|(stream, last)| Some((StreamId::new(stream), last.as_u64()?)))
        .collect();
    let retention_days = match file.get("retentionDays")? {
        Value::Null => None,
        days => Some(u32::try_from(days.as_u64()?).ok()?),
    };
    Some(GroupFile {
        id: GroupId::of_text(file.get("group")?.as_str()?),
        retention_days,
        removed: Arc::new(removed?),
    })
}
