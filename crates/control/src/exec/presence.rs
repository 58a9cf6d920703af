//! Hearing a host of which nobody may say that it is gone.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use portcullis_wire::session::{Beat, Pulse};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

/// Of a channel that is open now.
pub(super) fn pulse(silence_max: Duration) -> Pulse {
    Pulse::new(silence_max, Instant::now().into_std())
}

/// The next message; `None` when the other end is gone, or silent for too long. Can be dropped at any time, and asked again.
pub(super) async fn next<S>(
    socket: &mut WebSocketStream<S>,
    pulse: &mut Pulse,
) -> Option<Result<Message, Error>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let beat = tokio::select! {
            // What has come is heard before it is said that nothing came.
            biased;
            message = socket.next() => {
                pulse.hear(Instant::now().into_std());
                return message;
            }
            () = sleep_until(pulse.due().into()) => pulse.beat(Instant::now().into_std()),
        };
        match beat {
            None => {}
            Some(Beat::Ping) => {
                let ping = socket.send(Message::Ping(Bytes::new()));
                if !matches!(timeout_at(pulse.due().into(), ping).await, Ok(Ok(()))) {
                    return None;
                }
            }
            Some(Beat::Over) => {
                tracing::info!("a host is silent; its channel ends");
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;
    use tokio::time::timeout;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    const SILENCE: Duration = Duration::from_secs(90);
    const HOURS: Duration = Duration::from_secs(10_000);

    async fn ends() -> (WebSocketStream<DuplexStream>, WebSocketStream<DuplexStream>) {
        let (here, there) = tokio::io::duplex(4_096);
        tokio::join!(
            WebSocketStream::from_raw_socket(here, Role::Server, None),
            WebSocketStream::from_raw_socket(there, Role::Client, None)
        )
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_does_not_even_answer_is_given_up_also_when_it_is_asked_for_in_pieces() {
        let (mut here, _there) = ends().await;
        let begun = Instant::now();
        let mut pulse = Pulse::new(SILENCE, begun.into_std());
        let heard = loop {
            if let Ok(heard) = timeout(Duration::from_millis(100), next(&mut here, &mut pulse)).await {
                break heard;
            }
            assert!(begun.elapsed() < SILENCE * 2);
        };
        assert!(heard.is_none());
        assert_eq!(begun.elapsed().as_secs(), SILENCE.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_answers_may_be_silent_for_ever() {
        let (mut here, mut there) = ends().await;
        let listening = tokio::spawn(async move { while let Some(Ok(_)) = there.next().await {} });
        let mut pulse = Pulse::new(SILENCE, Instant::now().into_std());
        let only_answers = async {
            while let Some(Ok(message)) = next(&mut here, &mut pulse).await {
                assert!(message.is_pong(), "{message:?}");
            }
        };
        assert!(timeout(HOURS, only_answers).await.is_err());
        listening.abort();
        let _ = listening.await;
        let gone = timeout(HOURS, next(&mut here, &mut pulse)).await.unwrap();
        assert!(!matches!(gone, Some(Ok(_))), "{gone:?}");
    }
}
