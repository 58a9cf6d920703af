//! CloudWatch Logs: what is kept, who may, and what is on record.

mod decisions;
mod events;
mod groups;
mod kms_keys;
mod live_tail;

use portcullis_api::logs::{
    CreateLogGroupRequest, CreateLogStreamRequest, FilterLogEventsRequest, GetLogEventsRequest,
    InputLogEvent, PutLogEventsRequest, op,
};

use crate::harness::{ACCOUNT, Client, Server};

/// The ARN of a group.
fn arn(group: &str) -> String {
    format!("arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}")
}

/// A server with these groups, each of which has the stream `s`.
async fn start(groups: &[&str]) -> Server {
    let server = Server::start().await;
    for name in groups {
        group(&server.root, name).await;
        stream(&server.root, name, "s").await;
    }
    server
}

async fn group(client: &Client, name: &str) {
    let create = CreateLogGroupRequest {
        log_group_name: (*name).to_owned(),
        ..Default::default()
    };
    client.ok::<op::CreateLogGroup>(&create).await;
}

async fn stream(client: &Client, group: &str, name: &str) {
    let create = CreateLogStreamRequest {
        log_group_name: group.to_owned(),
        log_stream_name: name.to_owned(),
    };
    client.ok::<op::CreateLogStream>(&create).await;
}

/// Puts messages, each a millisecond after the one before; the first now and `offset` milliseconds.
fn batch(client: &Client, group: &str, stream: &str, offset: i64, messages: &[&str]) -> PutLogEventsRequest {
    let first = client.now().as_millis() + offset;
    let events = (first..).zip(messages);
    PutLogEventsRequest {
        log_group_name: group.to_owned(),
        log_stream_name: stream.to_owned(),
        log_events: events
            .map(|(timestamp, message)| InputLogEvent {
                timestamp,
                message: (*message).to_owned(),
            })
            .collect(),
        ..Default::default()
    }
}

async fn put(client: &Client, group: &str, stream: &str, offset: i64, messages: &[&str]) {
    let batch = batch(client, group, stream, offset, messages);
    let reply = client.ok::<op::PutLogEvents>(&batch).await;
    assert_eq!(reply.rejected_log_events_info, None);
}

fn get(group: &str, stream: &str) -> GetLogEventsRequest {
    GetLogEventsRequest {
        log_group_name: Some(group.to_owned()),
        log_stream_name: stream.to_owned(),
        ..Default::default()
    }
}

fn filter(group: &str) -> FilterLogEventsRequest {
    FilterLogEventsRequest {
        log_group_name: Some(group.to_owned()),
        ..Default::default()
    }
}

/// `code: message` of a refusal.
fn words(error: &portcullis_wire::ClientError) -> String {
    let portcullis_wire::ClientError::Service { code, message, .. } = error else {
        panic!("{error}");
    };
    format!("{code}: {}", crate::harness::without_authorization_id(message).0)
}
