//! The images tasks brought, and which of them may go (agent.md 7: ECS_IMAGE_CLEANUP_INTERVAL and its companions).

use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::model::Task;
use crate::ImageCleanup;

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Image {
    /// As task definitions call it.
    names: BTreeSet<String>,
    /// When the first task brought it.
    since: Timestamp,
    /// When a task last began to use it.
    used: Timestamp,
}

/// All of them, by their ids. Images nobody's task used are none of the agent's business.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Images(BTreeMap<String, Image>);

/// An image that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueImage {
    pub(crate) id: String,
    pub(crate) names: Vec<String>,
}

impl Images {
    /// Whether an earlier task brought an image of that name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.values().any(|image| image.names.contains(name))
    }

    /// A task uses it. A name belongs to one image: the newest. True when the image or its name is new.
    pub(crate) fn note(&mut self, id: &str, name: &str, now: Timestamp) -> bool {
        if let Some(image) = self.0.get_mut(id).filter(|image| image.names.contains(name)) {
            image.used = now;
            return false;
        }
        for (other, image) in &mut self.0 {
            if other != id {
                image.names.remove(name);
            }
        }
        let image = self.0.entry(id.to_owned()).or_insert_with(|| Image {
            names: BTreeSet::new(),
            since: now,
            used: now,
        });
        image.used = now;
        image.names.insert(name.to_owned())
    }

    /// It is gone.
    pub(crate) fn forget(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// Those old enough that no task has, least recently used first.
    pub(crate) fn due<'a>(
        &self,
        tasks: impl Iterator<Item = &'a Task>,
        now: Timestamp,
        rules: &ImageCleanup,
    ) -> Vec<DueImage> {
        let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
        for container in tasks.flat_map(|task| &task.containers) {
            ids.extend(container.image_id.as_deref());
            names.insert(container.definition.image.as_str());
        }
        let minimum_age = i64::try_from(rules.minimum_age.as_secs()).unwrap_or(i64::MAX);
        let free = self.0.iter().filter(|(id, image)| {
            let in_use =
                ids.contains(id.as_str()) || image.names.iter().any(|name| names.contains(name.as_str()));
            !in_use && now.seconds_since(image.since) >= minimum_age
        });
        let mut free: Vec<_> = free.collect();
        free.sort_by_key(|(_, image)| image.used);
        let due = free
            .into_iter()
            .take(rules.per_cycle)
            .map(|(id, image)| DueImage {
                id: id.clone(),
                names: match image.names.is_empty() {
                    true => vec![id.clone()],
                    false => image.names.iter().cloned().collect(),
                },
            });
        due.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::plan::tests::{container, task};
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(100_000);

    fn rules(per_cycle: usize) -> ImageCleanup {
        ImageCleanup {
            minimum_age: Duration::from_secs(3600),
            per_cycle,
            ..ImageCleanup::default()
        }
    }

    fn using(id: Option<&str>, name: &str) -> Task {
        let mut container = container("app", true, &[]);
        container.definition.image = name.to_owned();
        container.image_id = id.map(str::to_owned);
        task(vec![container])
    }

    fn ids(due: &[DueImage]) -> Vec<&str> {
        due.iter().map(|image| image.id.as_str()).collect()
    }

    #[test]
    fn agent_7_only_old_unused_images_go_and_the_least_recently_used_first() {
        let mut images = Images::default();
        images.note("old", "app:1", NOW.plus_seconds(-7200));
        images.note("older", "app:2", NOW.plus_seconds(-9000));
        images.note("young", "app:3", NOW.plus_seconds(-3599));
        let none: [Task; 0] = [];
        assert_eq!(ids(&images.due(none.iter(), NOW, &rules(5))), ["older", "old"]);
        assert_eq!(ids(&images.due(none.iter(), NOW, &rules(1))), ["older"]);
        assert_eq!(
            ids(&images.due([using(Some("older"), "x")].iter(), NOW, &rules(5))),
            ["old"]
        );
        let about_to_start = [using(None, "app:1")];
        assert_eq!(ids(&images.due(about_to_start.iter(), NOW, &rules(5))), ["older"]);
        images.forget("older");
        assert!(!images.knows("app:2") && images.knows("app:1"));
    }

    #[test]
    fn a_name_that_moved_on_leaves_the_old_image_nameless() {
        let mut images = Images::default();
        images.note("a", "app:latest", NOW.plus_seconds(-7200));
        images.note("b", "app:latest", NOW);
        let none: [Task; 0] = [];
        let due = images.due(none.iter(), NOW, &rules(5));
        assert_eq!(
            due,
            [DueImage {
                id: "a".into(),
                names: vec!["a".into()]
            }]
        );
    }

    proptest! {
        #[test]
        fn agent_7_an_image_in_use_is_never_due(
            notes in prop::collection::vec((0..5_u8, 0..5_u8, 0..100_000_i64), 0..30),
            used in prop::collection::vec((0..5_u8, 0..5_u8), 0..4),
        ) {
            let mut images = Images::default();
            for (id, name, at) in &notes {
                images.note(&format!("i{id}"), &format!("n{name}"), Timestamp::from_seconds(*at));
            }
            let tasks: Vec<_> = used.iter().map(|(id, name)| using(Some(&format!("i{id}")), &format!("n{name}"))).collect();
            for due in images.due(tasks.iter(), NOW, &rules(5)) {
                for (id, name) in &used {
                    let (id, name) = (format!("i{id}"), format!("n{name}"));
                    prop_assert!(due.id != id && !due.names.contains(&name));
                }
            }
        }
    }
}
