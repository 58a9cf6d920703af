//! Partitions and their Regions.

use crate::blob::{self, Fields};

/// A partition of AWS, such as `aws-cn`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Partition(u16);

/// Every partition.
pub fn partitions() -> impl ExactSizeIterator<Item = Partition> + Clone {
    (0..blob::PARTITIONS.len() as u16).map(Partition)
}

/// The partition with this id.
pub fn partition(id: &str) -> Option<Partition> {
    partitions().find(|partition| partition.id() == id)
}

impl Partition {
    fn fields(self, skip: usize) -> Fields<'static> {
        let record = blob::PARTITIONS.get(usize::from(self.0)).unwrap_or(&[0; 24]);
        Fields::new(record, skip)
    }

    /// `aws-cn`.
    pub fn id(self) -> &'static str {
        self.fields(0).text().get()
    }

    /// `amazonaws.com.cn`.
    pub fn dns_suffix(self) -> &'static str {
        self.fields(4).text().get()
    }

    /// `api.amazonwebservices.com.cn`.
    pub fn dual_stack_dns_suffix(self) -> &'static str {
        self.fields(8).text().get()
    }

    /// The Region in which global services such as IAM sign and report: `cn-northwest-1`.
    pub fn implicit_global_region(self) -> &'static str {
        self.fields(12).text().get()
    }

    /// A regular expression that the partition's Regions match, future ones too.
    pub fn region_pattern(self) -> &'static str {
        self.fields(16).text().get()
    }

    /// The known Regions, `aws-global` and its like among them; with each, whether ECS is there.
    pub fn regions(self) -> impl ExactSizeIterator<Item = (&'static str, bool)> + Clone {
        let first = usize::from(self.fields(20).u16());
        let count = usize::from(self.fields(22).u16());
        let regions = blob::REGIONS.get(first..first + count).unwrap_or_default();
        regions.iter().map(|record| {
            let mut fields = Fields::new(record, 0);
            (fields.text().get(), fields.u16() != 0)
        })
    }
}

impl std::fmt::Debug for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}
