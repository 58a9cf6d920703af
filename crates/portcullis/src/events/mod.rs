//! `portcullis events`: what happens to tasks, container instances and services, as it happens.

mod line;
mod sse;
#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_control::events::PATH;
use serde_json::Value;

use crate::client::Client;
use crate::connection::Connection;
use crate::printable::{make_printable, printable};
use crate::say;
use sse::{Message, Messages};

/// What requests are signed for.
const SERVICE: &str = "portcullis";
/// How long to wait before the first new try after a connection is lost, and at most.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A stream that says nothing for so long is lost: a server that lives sends something every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Longest refusal that is read, in bytes.
const REFUSAL_MAX: usize = 64 * 1024;

/// Show what happens to tasks, container instances, services and their deployments, in the shape of EventBridge's events.
///
/// Prints the events the server has kept, the oldest first, and with --follow goes on with those to come. The caller needs
/// portcullis:StreamEvents on the cluster, or on cluster/* of the region without --cluster.
///
/// Ends with 0 at the end, 1 when the server refuses, 2 when it cannot be asked.
#[derive(Debug, Args)]
pub struct Options {
    /// Wait for what happens next, and go on where it stopped when the connection is lost
    #[arg(long, short)]
    follow: bool,
    /// Only events of this cluster
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Only events of this type, such as "ECS Task State Change"; may be given more than once
    #[arg(long, value_name = "TYPE")]
    detail_type: Vec<String>,
    /// Only events that match this event pattern of EventBridge
    #[arg(long, value_name = "JSON")]
    pattern: Option<String>,
    /// Print each event as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Why a stream ended.
enum End {
    /// It was asked for no more.
    Done,
    /// The connection was lost, or there was none; it may be better next time.
    Lost(anyhow::Error),
    /// The server said no.
    Refused(String),
}

/// Runs the command.
pub async fn run(options: Options) -> Result<ExitCode> {
    let client = options.connection.client()?;
    let mut reading = Reading {
        target: options.target(),
        client,
        options,
        last: None,
        heard: false,
    };
    let mut pause = PAUSE;
    loop {
        reading.heard = false;
        let end = tokio::select! {
            end = reading.once() => end,
            interrupted = crate::interrupted() => {
                interrupted?;
                End::Done
            }
        };
        match end {
            End::Done => {
                if reading.last.is_none() && !reading.options.follow {
                    crate::complain(&nothing_found(reading.options.cluster.as_deref()));
                }
                return Ok(ExitCode::SUCCESS);
            }
            End::Refused(why) => {
                crate::complain(&format!("portcullis: {why}"));
                return Ok(ExitCode::from(1));
            }
            // What was never reached is a mistake in the address; what was is waited for.
            End::Lost(error) if reading.last.is_none() && !reading.heard => {
                return Err(error);
            }
            End::Lost(error) => {
                pause = if reading.heard {
                    PAUSE
                } else {
                    (pause * 2).min(PAUSE_MAX)
                };
                crate::complain(&format!("portcullis: {error:#}; trying again"));
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    interrupted = crate::interrupted() => {
                        interrupted?;
                        return Ok(ExitCode::SUCCESS);
                    }
                }
            }
        }
    }
}

fn nothing_found(cluster: Option<&str>) -> String {
    match cluster {
        Some(name) => format!("portcullis: nothing found for cluster `{}`", printable(name)),
        None => "portcullis: nothing found".to_owned(),
    }
}

impl Options {
    /// Path and query of the stream.
    fn target(&self) -> String {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut target = format!("{PATH}?follow={}", self.follow);
        let types = self.detail_type.iter().map(|kind| ("detail-type", kind));
        let cluster = self.cluster.iter().map(|cluster| ("cluster", cluster));
        let pattern = self.pattern.iter().map(|pattern| ("pattern", pattern));
        for (name, value) in cluster.chain(types).chain(pattern) {
            target.push_str(&format!("&{name}={}", encode(value)));
        }
        target
    }
}

/// A reader on its way through the events.
struct Reading {
    client: Client,
    options: Options,
    target: String,
    /// The id of the last event that was read.
    last: Option<String>,
    /// Whether the server said anything since the last try.
    heard: bool,
}

impl Reading {
    /// One connection.
    async fn once(&mut self) -> End {
        let opened = self
            .client
            .open(SERVICE, &self.target, self.last.as_deref())
            .await;
        match opened {
            Err(error) => End::Lost(error),
            Ok(response) if response.status().is_success() => self.read(response.into_body()).await,
            Ok(response) if response.status().is_server_error() => {
                let status = response.status();
                End::Lost(anyhow::anyhow!("the server answered {status}"))
            }
            Ok(response) => match refusal(response).await {
                Ok(why) => End::Refused(why),
                Err(error) => End::Lost(error),
            },
        }
    }

    async fn read(&mut self, mut body: Incoming) -> End {
        let mut messages = Messages::default();
        loop {
            let frame = match tokio::time::timeout(SILENCE_MAX, body.frame()).await {
                Err(_) => return End::Lost(anyhow::anyhow!("the server has fallen silent")),
                Ok(None) if self.options.follow => {
                    return End::Lost(anyhow::anyhow!("the server ended the stream"));
                }
                Ok(None) => return End::Done,
                Ok(Some(Err(error))) => return End::Lost(error.into()),
                Ok(Some(Ok(frame))) => frame,
            };
            self.heard = true;
            let Ok(bytes) = frame.into_data() else { continue };
            for message in messages.take(&bytes) {
                if let Some(end) = self.hear(&message) {
                    return end;
                }
            }
        }
    }

    /// Prints one message; `Some` when it is the last.
    fn hear(&mut self, message: &Message) -> Option<End> {
        if let Some(id) = &message.id {
            self.last = Some(id.clone());
        }
        match message.event.as_deref() {
            Some("missed") => {
                crate::complain("portcullis: some events are no longer kept and were missed");
                None
            }
            Some("refused") => Some(End::Refused("the permission to read events has ended".to_owned())),
            Some(_) => None,
            None if message.data.is_empty() => None,
            None => {
                self.print(&message.data);
                None
            }
        }
    }

    fn print(&self, data: &str) {
        let Ok(mut event) = serde_json::from_str::<Value>(data) else {
            crate::complain("portcullis: an event could not be read");
            return;
        };
        if self.options.json {
            say(data);
        } else {
            make_printable(&mut event);
            say(&line::of(&event));
        }
    }
}

/// `CODE: text` of a refusal.
async fn refusal(response: Response<Incoming>) -> Result<String> {
    let code = response.headers().get("x-amzn-errortype");
    let code = code
        .and_then(|code| code.to_str().ok())
        .unwrap_or("refused")
        .to_owned();
    let body = http_body_util::Limited::new(response.into_body(), REFUSAL_MAX);
    let body = body.collect().await.map_err(|error| anyhow::anyhow!(error));
    let body = body.context("the refusal could not be read")?.to_bytes();
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = told
        .get("message")
        .or_else(|| told.get("Message"))
        .and_then(Value::as_str);
    Ok(printable(&format!(
        "{code}: {}",
        text.unwrap_or("the server gave no reason")
    )))
}
