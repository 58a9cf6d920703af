//! Which images a lifecycle policy lets expire: a pure function of rules and images.
//!
//! All rules look at all images. An image belongs to the first rule that selects it by its tags; only that one may let it
//! expire, but all others count it.

use portcullis_core::Timestamp;

use super::rules::{Count, Rule};

const DAY_SECONDS: i64 = 86_400;

/// An image as rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::services::ecr) struct Candidate<'a> {
    /// Its digest: of images that came at once the smaller one counts as younger.
    pub digest: &'a str,
    /// Its tags.
    pub tags: &'a [String],
    /// When it came.
    pub pushed: Timestamp,
    /// Whether an index lists it: it stays as long as that.
    pub is_listed: bool,
}

/// The indices of the images that expire, oldest first, each with the priority of its rule.
pub(in crate::services::ecr) fn expiring(
    rules: &[Rule],
    images: &[Candidate<'_>],
    now: Timestamp,
) -> Vec<(usize, u32)> {
    let mut youngest_first: Vec<usize> = (0..images.len()).collect();
    let age = |index: &usize| images.get(*index).map(|image| (image.pushed, image.digest));
    youngest_first.sort_by(|one, other| match (age(one), age(other)) {
        (Some((one, of_one)), Some((other, of_other))) => other.cmp(&one).then(of_one.cmp(of_other)),
        _ => std::cmp::Ordering::Equal,
    });
    let mut owned = vec![false; images.len()];
    let mut expired = Vec::new();
    for rule in rules {
        let mut seen = 0;
        for index in &youngest_first {
            let (Some(image), Some(owned)) = (images.get(*index), owned.get_mut(*index)) else {
                continue;
            };
            if !rule.selection.selects(image.tags) {
                continue;
            }
            seen += 1;
            let is_over = match rule.count {
                Count::MoreThan(most) => seen > most,
                Count::PushedDaysAgo(days) => now.seconds_since(image.pushed) > i64::from(days) * DAY_SECONDS,
            };
            let is_mine = !std::mem::replace(owned, true);
            if is_over && is_mine && !image.is_listed {
                expired.push((*index, rule.priority));
            }
        }
    }
    let place: Vec<usize> = places(&youngest_first);
    expired.sort_by_key(|(index, _)| std::cmp::Reverse(place.get(*index).copied()));
    expired
}

/// Where each image stands in an order.
fn places(order: &[usize]) -> Vec<usize> {
    let mut places = vec![0; order.len()];
    for (place, index) in order.iter().enumerate() {
        if let Some(slot) = places.get_mut(*index) {
            *slot = place;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

    use super::super::rules::Selection;
    use super::*;

    #[derive(Debug, Clone)]
    struct Known {
        digest: String,
        tags: Vec<String>,
        pushed: i64,
        is_listed: bool,
    }

    fn candidate(image: &Known) -> Candidate<'_> {
        Candidate {
            digest: &image.digest,
            tags: &image.tags,
            pushed: Timestamp::from_seconds(image.pushed),
            is_listed: image.is_listed,
        }
    }

    /// As AWS's pages say it, one image and one rule after the other.
    fn slowly(rules: &[Rule], images: &[Known], now: i64) -> Vec<(String, u32)> {
        let mut expired = Vec::new();
        for image in images {
            let selecting = rules.iter().find(|rule| rule.selection.selects(&image.tags));
            let Some(rule) = selecting else { continue };
            let is_younger = |other: &&Known| {
                rule.selection.selects(&other.tags)
                    && (other.pushed > image.pushed
                        || (other.pushed == image.pushed && other.digest < image.digest))
            };
            let is_over = match rule.count {
                Count::MoreThan(most) => images.iter().filter(is_younger).count() >= most,
                Count::PushedDaysAgo(days) => now - image.pushed > i64::from(days) * 86_400,
            };
            if is_over && !image.is_listed {
                expired.push((image.digest.clone(), rule.priority));
            }
        }
        expired.sort_unstable();
        expired
    }

    fn tag() -> impl Strategy<Value = String> {
        prop_oneof![Just("prod"), Just("prod-1"), Just("beta"), Just("v1"), Just("v2")]
            .prop_map(str::to_owned)
    }

    fn selection() -> impl Strategy<Value = Selection> {
        let prefixes = prop::collection::vec(prop_oneof![Just("p"), Just("prod"), Just("v")], 1..3);
        let patterns = prop::collection::vec(prop_oneof![Just("*-1"), Just("v*"), Just("*")], 1..3);
        let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
        prop_oneof![
            Just(Selection::Any),
            Just(Selection::Untagged),
            prefixes.prop_map(move |list| Selection::Prefixes(owned(list))),
            patterns.prop_map(move |list| Selection::Patterns(owned(list))),
        ]
    }

    fn count() -> impl Strategy<Value = Count> {
        prop_oneof![
            (0_usize..4).prop_map(Count::MoreThan),
            (1_u32..4).prop_map(Count::PushedDaysAgo),
        ]
    }

    fn rules() -> impl Strategy<Value = Vec<Rule>> {
        prop::collection::vec((selection(), count()), 0..5).prop_map(|rules| {
            let numbered = rules.into_iter().zip(1..);
            let rule = |((selection, count), priority)| Rule {
                priority,
                selection,
                count,
            };
            numbered.map(rule).collect()
        })
    }

    fn images() -> impl Strategy<Value = Vec<Known>> {
        let image = (
            prop::collection::vec(tag(), 0..3),
            0_i64..5,
            any::<bool>(),
            any::<bool>(),
        );
        prop::collection::vec(image, 0..12).prop_map(|images| {
            let known = |(number, (tags, days, one, two)): (usize, (Vec<String>, i64, bool, bool))| Known {
                digest: format!("sha256:{number:02}"),
                tags,
                pushed: days * 86_400,
                is_listed: one && two,
            };
            images.into_iter().enumerate().map(known).collect()
        })
    }

    proptest! {
        #[test]
        fn what_expires_is_what_the_slow_reading_says(rules in rules(), images in images()) {
            let now = 5 * 86_400;
            let all: Vec<_> = images.iter().map(candidate).collect();
            let found = expiring(&rules, &all, Timestamp::from_seconds(now));
            let mut named: Vec<_> = found.iter().map(|(index, priority)| (images[*index].digest.clone(), *priority)).collect();
            let ages: Vec<_> = found.iter().map(|(index, _)| images[*index].pushed).collect();
            prop_assert_eq!(ages.is_sorted(), true, "oldest first");
            named.sort_unstable();
            prop_assert_eq!(named, slowly(&rules, &images, now));
        }
    }
}
