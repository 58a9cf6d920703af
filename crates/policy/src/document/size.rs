//! How large a policy counts (R26).

use crate::open_points;

/// Characters without white space: what IAM's size quotas count (R26).
///
/// ```
/// assert_eq!(portcullis_policy::size_without_whitespace("{ \"a\":\n\t1 }"), 7);
/// ```
pub fn size_without_whitespace(text: &str) -> usize {
    text.chars().filter(|c| open_points::r26_counts(*c)).count()
}
