//! PutLogEvents over the wire: how many bytes of events a core of the server takes.

use std::time::Duration;

use anyhow::Result;
use portcullis_api::{iam, logs};

use super::WARM_UP;
use crate::load::{self, Plan};
use crate::stats::number;
use crate::subject::{Client, Subject, Workshop, root_key, still_there};
use crate::table::{Row, Verdict};
use crate::work::{LINE_BYTES, LINES, Work};

const RUN: Duration = Duration::from_secs(4);
/// Each has a stream of its own.
const CONNECTIONS: usize = 4;
const GROUP: &str = "/app/bench";
/// Bytes of messages in a second of one core.
const RATE_MIN: f64 = 50e6;
/// How long the server is watched after the last answer, for the work that goes on.
const WATCH: Duration = Duration::from_millis(200);
const WATCHES_MAX: usize = 50;

/// Measures PutLogEvents of batches of nearly a megabyte, by the processor time of the whole server: requests verified, decided
/// and read, events kept, segments written and merged.
pub async fn measure(workshop: &Workshop) -> Result<Vec<Row>> {
    let data = workshop.folder.path().join("logs");
    let mut subject = Subject::start(workshop, Some(&data)).await?;
    make_streams(&subject).await?;
    eprintln!("  PutLogEvents, {CONNECTIONS} connections");
    let before = subject.process.cpu()?;
    let outcome = load::run(&plan(&subject)).await?.all_well()?;
    settled(&subject).await?;
    let cpu = subject.process.cpu()?.saturating_sub(before);
    still_there(&mut subject.process)?;
    let batch = number(u64::try_from(LINES * LINE_BYTES)?);
    let a_core = number(outcome.answers_ever) * batch / cpu.as_secs_f64();
    let acknowledged = outcome.rate() * batch;
    Ok(vec![Row {
        figure: format!(
            "PutLogEvents over the wire, {LINES} events of {LINE_BYTES} bytes, {CONNECTIONS} conn."
        ),
        ours: format!(
            "{:.0} MB/s a core ({:.0} MB/s acknowledged)",
            a_core / 1e6,
            acknowledged / 1e6
        ),
        reference: "-".to_owned(),
        target: ">= 50 MB/s a core",
        verdict: Verdict::of(a_core >= RATE_MIN),
    }])
}

/// A group that the developer may write to.
async fn make_streams(subject: &Subject) -> Result<()> {
    let mut root = Client::open(subject.address, root_key()).await?;
    let group = logs::CreateLogGroupRequest {
        log_group_name: GROUP.to_owned(),
        ..Default::default()
    };
    root.call::<logs::op::CreateLogGroup>(&group).await?;
    for number in 0..CONNECTIONS {
        let stream = logs::CreateLogStreamRequest {
            log_group_name: GROUP.to_owned(),
            log_stream_name: number.to_string(),
        };
        root.call::<logs::op::CreateLogStream>(&stream).await?;
    }
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": format!("arn:aws:logs:*:*:log-group:{GROUP}:log-stream:*")}]});
    let put = iam::PutUserPolicyRequest {
        user_name: "bench".to_owned(),
        policy_name: "logs".to_owned(),
        policy_document: policy.to_string(),
    };
    root.call::<iam::op::PutUserPolicy>(&put).await?;
    Ok(())
}

fn plan(subject: &Subject) -> Plan {
    let one = |number: usize| Work::PutLogEvents {
        group: GROUP.to_owned(),
        stream: number.to_string(),
    };
    Plan {
        address: subject.address,
        key: subject.key.clone(),
        connections: CONNECTIONS,
        work: (0..CONNECTIONS).map(one).collect(),
        unique_requests: 0,
        warm_up: WARM_UP,
        run: RUN,
    }
}

/// Waits until the server has nothing left to do.
async fn settled(subject: &Subject) -> Result<()> {
    for _ in 0..WATCHES_MAX {
        let before = subject.process.cpu()?;
        tokio::time::sleep(WATCH).await;
        if subject.process.cpu()?.saturating_sub(before) < WATCH / 50 {
            break;
        }
    }
    Ok(())
}
