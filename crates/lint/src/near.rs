//! "Did you mean": the known name that is written most like an unknown one.

/// Longer names are not compared: nobody misspells them, and the time grows with the square.
const MAX_LENGTH: usize = 80;

/// The nearest of the known names without case, if it is near enough to be what was meant: about one slip in four characters.
/// Of equally near ones that of the same length, then the first in the alphabet: the answer must not depend on the order they come in.
pub(crate) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let name = fold(name);
    if name.len() > MAX_LENGTH {
        return None;
    }
    let allowed = (name.len() / 4).clamp(1, 4);
    let mut best: Option<(usize, usize, &str)> = None;
    for candidate in known {
        let limit = best.map_or(allowed, |(distance, ..)| distance);
        let longer_or_shorter = candidate.len().abs_diff(name.len());
        if longer_or_shorter > limit {
            continue;
        }
        let rank = (distance(&name, &fold(candidate)), longer_or_shorter, candidate);
        if rank.0 <= limit && best.is_none_or(|least| rank < least) {
            best = Some(rank);
        }
    }
    best.map(|(.., candidate)| candidate)
}

/// How a sentence ends that names what does not exist: with what was probably meant.
pub(crate) fn hint(meant: Option<&str>) -> String {
    meant.map_or_else(|| ".".to_owned(), |meant| format!("; did you mean `{meant}`?"))
}

pub(crate) fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.get(..start.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(start))
}

fn fold(name: &str) -> Vec<char> {
    name.chars().map(|c| c.to_ascii_lowercase()).collect()
}

/// How many characters must be put in, left out, changed or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (row, ca) in a.iter().enumerate() {
        let mut current = Vec::with_capacity(b.len() + 1);
        current.push(row + 1);
        let mut left = row + 1;
        let mut last_b = None;
        for (column, cb) in b.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let changed = at(&above, column) + usize::from(ca != cb);
            let mut best = changed.min(at(&above, column + 1) + 1).min(left + 1);
            if column > 0 && last_a == Some(cb) && last_b == Some(ca) {
                best = best.min(at(&before, column - 1) + 1);
            }
            current.push(best);
            left = best;
            last_b = Some(cb);
        }
        last_a = Some(ca);
        before = above;
        above = current;
    }
    above.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_without_case() {
        let names = ["DescribeClusters", "DescribeTasks", "DeleteCluster"];
        let find = |name| nearest(name, names.into_iter());
        assert_eq!(find("describecluster"), Some("DescribeClusters"));
        assert_eq!(find("DescribeTakss"), Some("DescribeTasks"));
        assert_eq!(find("Run"), None);
        assert_eq!(nearest("Effetc", ["Effect", "Sid"].into_iter()), Some("Effect"));
        assert_eq!(nearest("ec", ["ecs", "ec2", "s3"].into_iter()), Some("ec2"));
        assert_eq!(nearest("esc", ["es", "ecs"].into_iter()), Some("ecs"));
    }

    #[test]
    fn slips_are_counted() {
        let count = |a: &str, b: &str| distance(&fold(a), &fold(b));
        assert_eq!(count("", "abc"), 3);
        assert_eq!(count("abc", "abc"), 0);
        assert_eq!(count("abcd", "acbd"), 1);
        assert_eq!(count("kitten", "sitting"), 3);
    }
}
