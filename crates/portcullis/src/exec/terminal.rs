//! The terminal of this process: raw while a session lasts.

use std::io::{IsTerminal as _, Read as _, Write as _, stderr, stdin, stdout};

use anyhow::Result;
use portcullis_wire::session::document::Size;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::conversation::{Event, Screen};
use crate::printable::printable;

const CHUNK: usize = 1024;
/// What a person types at the end of input; a pipe that ends means the same.
const END_OF_INPUT: u8 = 4;

/// Standard input and output.
pub struct Terminal {
    /// What it was before; `None` when standard input is no terminal.
    before: Option<Termios>,
    typed: mpsc::Receiver<Vec<u8>>,
    resized: Signal,
    is_new: bool,
}

impl Terminal {
    /// Takes the terminal over.
    pub fn open() -> Result<Self> {
        let resized = signal(SignalKind::window_change())?;
        let before = match stdin().is_terminal() {
            false => None,
            true => {
                let before = tcgetattr(stdin())?;
                let mut raw = before.clone();
                raw.make_raw();
                tcsetattr(stdin(), OptionalActions::Now, &raw)?;
                Some(before)
            }
        };
        let (sender, typed) = mpsc::channel(16);
        // Nothing but a thread of its own can wait for a terminal; it ends with the process.
        std::thread::spawn(move || read_keys(&sender));
        Ok(Self {
            before,
            typed,
            resized,
            is_new: true,
        })
    }
}

fn read_keys(sender: &mpsc::Sender<Vec<u8>>) {
    let mut chunk = [0; CHUNK];
    while let Ok(count @ 1..) = stdin().lock().read(&mut chunk) {
        let keys = chunk.get(..count).unwrap_or_default().to_vec();
        if sender.blocking_send(keys).is_err() {
            return;
        }
    }
    let _ = sender.blocking_send(vec![END_OF_INPUT]);
}

fn size() -> Option<Size> {
    let size = tcgetwinsize(stdout()).ok().filter(|size| size.ws_col > 0)?;
    Some(Size {
        cols: size.ws_col.into(),
        rows: size.ws_row.into(),
    })
}

impl Screen for Terminal {
    async fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.is_new)
            && let Some(size) = size()
        {
            return Some(Event::Resized(size));
        }
        loop {
            tokio::select! {
                keys = self.typed.recv() => return keys.map(Event::Typed),
                Some(()) = self.resized.recv() => if let Some(size) = size() {
                    return Some(Event::Resized(size));
                },
            }
        }
    }

    fn show(&mut self, output: &[u8]) -> Result<()> {
        let mut out = stdout().lock();
        out.write_all(output)?;
        Ok(out.flush()?)
    }

    fn notice(&mut self, text: &str) {
        // The terminal is raw: lines end with a return of their own.
        let _ = write!(stderr().lock(), "{}\r\n", printable(text));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before
            && let Err(error) = tcsetattr(stdin(), OptionalActions::Now, before)
        {
            crate::complain(&format!(
                "portcullis exec: the terminal could not be put back: {error}"
            ));
        }
    }
}
