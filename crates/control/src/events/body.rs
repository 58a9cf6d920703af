//! The body of a reply that may go on: server-sent events, blobs.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{BoxStream, Stream as _};
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};

/// Why a body breaks off. Its reader sees the connection end before the promised length.
pub type Broken = Box<dyn Error + Send + Sync>;

/// A body: whole, or in parts that are still to come.
pub enum Body {
    /// All of it.
    Whole(Full<Bytes>),
    /// Parts, asked for when the connection has room for the next.
    Parts(BoxStream<'static, Bytes>),
    /// This many bytes that are still to come, unless reading them fails.
    Sized(BoxStream<'static, Result<Bytes, Broken>>, u64),
}

impl From<Full<Bytes>> for Body {
    fn from(whole: Full<Bytes>) -> Self {
        Self::Whole(whole)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Whole(_) => "Body::Whole",
            Self::Parts(_) => "Body::Parts",
            Self::Sized(..) => "Body::Sized",
        })
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole)
                .poll_frame(context)
                .map_err(|never| match never {}),
            Self::Parts(parts) => {
                let part = Pin::new(parts).poll_next(context);
                part.map(|part| part.map(|part| Ok(Frame::data(part))))
            }
            Self::Sized(parts, left) => {
                let part = Pin::new(parts).poll_next(context);
                part.map_ok(|part| {
                    *left = left.saturating_sub(part.len() as u64);
                    Frame::data(part)
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Parts(_) => false,
            Self::Sized(_, left) => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Parts(_) => SizeHint::default(),
            Self::Sized(_, left) => SizeHint::with_exact(*left),
        }
    }
}
