//! Bodies of other registries on their way to whoever asked for them. Whoever stops reading loses what was to come: the place
//! is for others.

use std::time::Duration;

use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use hyper::body::Bytes;
use tokio::sync::mpsc::{self, Sender};

use super::{Body, Failed, Place};
use crate::events::Broken;

/// How long a part may wait for its reader.
const PATIENCE: Duration = Duration::from_secs(60);

/// A body as it comes. Its place is free when it ends, breaks off, or is read no more.
pub(crate) fn passed_on(body: Body, place: Place) -> BoxStream<'static, Result<Bytes, Broken>> {
    let next = |mut body: Body| async move { Ok(body.part().await?.map(|part| (part, body))) };
    pumped(stream::try_unfold(body, next), place, PATIENCE)
}

fn pumped<P>(parts: P, place: Place, patience: Duration) -> BoxStream<'static, Result<Bytes, Broken>>
where
    P: Stream<Item = Result<Bytes, Failed>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _place = place;
        // That it ended early shows in the channel, which closes without an end.
        let _ = pump(parts, &sender, patience).await;
    });
    let next = |mut receiver: mpsc::Receiver<Option<Bytes>>| async move {
        match receiver.recv().await {
            Some(part) => Ok(part.map(|part| (part, receiver))),
            None => Err(Broken::from(
                "the upstream registry broke off, or its answer was not read in time",
            )),
        }
    };
    stream::try_unfold(receiver, next).boxed()
}

/// Sends what comes and then `None`; gives up when nobody reads.
async fn pump<P>(parts: P, sender: &Sender<Option<Bytes>>, patience: Duration) -> Option<()>
where
    P: Stream<Item = Result<Bytes, Failed>>,
{
    let mut parts = std::pin::pin!(parts);
    loop {
        let part = tokio::select! {
            part = parts.next() => part.transpose().ok()?,
            () = sender.closed() => return None,
        };
        let is_last = part.is_none();
        sender.send_timeout(part, patience).await.ok()?;
        if is_last {
            return Some(());
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::AccountId;

    use super::*;
    use crate::upstream::places::Places;

    const PART: Bytes = Bytes::from_static(b"part");

    fn places() -> (Places, AccountId) {
        (Places::new(1, 1), "123456789012".parse().unwrap())
    }

    /// Waits for the one place.
    async fn is_free(places: &Places, account: &AccountId) {
        while places.take(account).is_none() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn whoever_stops_reading_loses_the_rest_and_the_place() {
        let (places, account) = places();
        let endless = stream::repeat_with(|| Ok(PART));
        let place = places.take(&account).unwrap();
        let mut body = pumped(endless, place, Duration::from_millis(1));
        assert!(places.take(&account).is_none());
        is_free(&places, &account).await;
        // What was on its way comes still; that more should have come is said.
        assert_eq!(body.next().await.unwrap().unwrap(), PART);
        assert!(body.next().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_place_is_free_once_nobody_waits_for_a_silent_registry() {
        let (places, account) = places();
        let place = places.take(&account).unwrap();
        let body = pumped(stream::pending(), place, PATIENCE);
        drop(body);
        is_free(&places, &account).await;
    }

    #[tokio::test]
    async fn what_is_read_comes_whole_and_what_broke_off_says_so() {
        let (places, account) = places();
        let place = places.take(&account).unwrap();
        let whole = pumped(stream::iter([Ok(PART), Ok(PART)]), place, PATIENCE);
        let whole: Vec<_> = whole.map(|part| part.unwrap()).collect().await;
        assert_eq!(whole, [PART, PART]);
        is_free(&places, &account).await;
        let place = places.take(&account).unwrap();
        let broken = pumped(
            stream::iter([Ok(PART), Err(Failed::Unavailable)]),
            place,
            PATIENCE,
        );
        let broken: Vec<_> = broken.collect().await;
        assert!(matches!(broken.as_slice(), [Ok(_), Err(_)]));
    }
}
