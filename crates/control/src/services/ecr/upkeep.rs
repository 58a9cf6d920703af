//! What ECR does by itself: lets images expire by lifecycle policies, forgets layers that belong to no image, and writes
//! down when images were pulled. Each is one change for each repository, found by indices and not by looking at everything.

use std::convert::Infallible;

use portcullis_core::Timestamp;

use super::lifecycle;
use crate::world::records::Record as _;
use crate::world::records::ecr::{Image, Layer, Lifecycle, Repository};
use crate::world::{Snapshot, Tx, World, WriteError};

/// How long after its last evaluation a policy is evaluated again, in seconds. ECR takes up to a day.
const EVALUATION_SECONDS: i64 = 3_600;
/// How long a layer stays that belongs to no image, in seconds: whoever is about to push one that needs it was told that it is
/// there.
const UNUSED_SECONDS: i64 = 24 * 3_600;
/// How long it is said to be there, in seconds. Whoever was told so last has the rest of its time to push the image.
const PROMISED_SECONDS: i64 = 12 * 3_600;
/// How old the time of an image's last pull may be, in seconds.
const PULL_SECONDS: i64 = 24 * 3_600;
/// Most rows changed at once.
const BATCH: usize = 500;

/// Whether a push may count on a layer that is here. One that is soon forgotten has to be sent again, which makes it new.
pub(super) fn is_promised(layer: &Layer, now: Timestamp) -> bool {
    layer
        .unused_since
        .is_none_or(|since| now.seconds_since(since) < PROMISED_SECONDS)
}

/// One round.
pub(crate) async fn round(world: &World) {
    let done = async {
        expire(world).await?;
        forget_layers(world).await?;
        write_pulls(world).await
    };
    match done.await {
        Ok(()) => {}
        Err(WriteError::Refused(never)) => match never {},
        Err(WriteError::Store(error)) => {
            tracing::error!(%error, "what is over in repositories could not be removed; it is tried again");
        }
    }
}

type Done = Result<(), WriteError<Infallible>>;

/// Evaluates the policies whose time has come.
async fn expire(world: &World) -> Done {
    let view = world.view();
    let now = world.clock().now();
    let due: Vec<String> = view
        .ecr
        .lifecycles()
        .take_while(|key| is_due(&view, key, now))
        .map(str::to_owned)
        .collect();
    for key in due {
        world
            .write(|tx| -> Result<(), Infallible> {
                expire_in(tx, &key);
                Ok(())
            })
            .await?;
    }
    Ok(())
}

fn is_due(view: &Snapshot, key: &str, now: Timestamp) -> bool {
    let lifecycle = view
        .ecr
        .repositories
        .get(key)
        .and_then(|row| row.lifecycle.as_ref());
    lifecycle.is_some_and(|lifecycle| {
        lifecycle
            .evaluated
            .is_none_or(|at| now.seconds_since(at) >= EVALUATION_SECONDS)
    })
}

/// Lets the images of one repository expire.
fn expire_in(tx: &mut Tx<'_>, key: &str) {
    let Some(row) = tx.view().ecr.repositories.get(key).cloned() else {
        return;
    };
    let Some(lifecycle) = row.lifecycle.clone() else {
        return;
    };
    if let Ok(rules) = lifecycle::accepted(&lifecycle.text) {
        for (image, priority) in lifecycle::victims(tx.view(), &row, &rules, tx.now) {
            tracing::info!(
                repository = row.name,
                digest = image.digest,
                priority,
                "an image expired"
            );
            tx.delete::<Image>(&image.key());
        }
    }
    let evaluated = Some(tx.now);
    tx.put(Repository {
        lifecycle: Some(Lifecycle {
            evaluated,
            ..lifecycle
        }),
        ..Repository::clone(&row)
    });
}

/// Forgets layers that have belonged to no image for a while; marks those that do since now.
async fn forget_layers(world: &World) -> Done {
    let now = world.clock().now();
    if changes_of_layers(&world.view(), now).is_empty() {
        return Ok(());
    }
    let change = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
        for (key, marked) in changes_of_layers(tx.view(), tx.now) {
            match marked {
                Some(marked) => tx.put(marked),
                None => tx.delete::<Layer>(&key),
            }
        }
        Ok(())
    };
    world.write(change).await
}

/// The keys of unused layers whose time has come; those that are to be marked first with their new row.
fn changes_of_layers(view: &Snapshot, now: Timestamp) -> Vec<(String, Option<Layer>)> {
    let change = |key: &str| {
        let row = view.ecr.layers.get(key)?;
        match row.unused_since {
            None => {
                let marked = Layer {
                    unused_since: Some(now),
                    ..Layer::clone(row)
                };
                Some((key.to_owned(), Some(marked)))
            }
            Some(since) if now.seconds_since(since) >= UNUSED_SECONDS => Some((key.to_owned(), None)),
            Some(_) => None,
        }
    };
    view.ecr.unused_layers().filter_map(change).take(BATCH).collect()
}

/// Writes down when images were pulled, of each at most once a day, as ECR does.
async fn write_pulls(world: &World) -> Done {
    let pulls = world.images().take_pulls();
    let view = world.view();
    let is_news = |(key, at): &(String, Timestamp)| {
        let row = view.ecr.images.get(key);
        row.is_some_and(|row| {
            row.pulled
                .is_none_or(|before| at.seconds_since(before) >= PULL_SECONDS)
        })
    };
    let news: Vec<_> = pulls.into_iter().filter(is_news).collect();
    for some in news.chunks(BATCH) {
        let change = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
            for (key, at) in some {
                let row = tx.view().ecr.images.get(key).map(|row| Image::clone(row));
                if let Some(row) = row {
                    let pulled = Some(*at);
                    tx.put(Image { pulled, ..row });
                }
            }
            Ok(())
        };
        world.write(change).await?;
    }
    Ok(())
}
