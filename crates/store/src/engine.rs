//! What an engine is: ordered bytes that can be read as they were at one moment and changed all or nothing.

use std::fmt;
use std::sync::Arc;

use crate::StoreError;

/// A raw change: the new bytes of a raw key, or `None` to remove it.
pub(crate) type Write = (Arc<[u8]>, Option<Arc<[u8]>>);

/// Is shown a raw key and its bytes; says whether it wants to see more.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<bool, StoreError>;

/// Ordered bytes. The meaning of the bytes is told in [`record`](crate::record).
pub(crate) trait Engine: Send + Sync + fmt::Debug + 'static {
    /// A picture of what is final, which later writes do not change.
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError>;

    /// Makes all the changes in order, and none on an error. They are on the disk when this returns.
    fn write(&self, writes: &mut dyn Iterator<Item = &Write>) -> Result<(), StoreError>;

    /// Opens the files anew after a failed write, so that pictures show what really is on the disk.
    fn recover(&self) -> Result<(), StoreError>;

    /// Lets go of the files; everything fails with [`StoreError::Closed`] from then on.
    fn close(&self);
}

/// A picture of the engine's bytes.
pub(crate) trait Snapshot {
    /// The bytes of a raw key.
    fn get(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, StoreError>;

    /// Shows raw keys from `from` on, in order, until `visit` says false.
    fn scan(&self, from: &[u8], visit: Visit<'_>) -> Result<(), StoreError>;
}
