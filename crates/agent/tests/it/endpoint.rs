//! The endpoint under its clients: a rotation of many tasks' credentials while all of them fetch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use portcullis_agent::{RateLimit, Rehearsal};
use portcullis_core::SystemClock;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

const TASKS: usize = 1_000;
const CONNECTIONS: usize = 8;

/// A kept-alive connection, as an SDK's.
struct Client(BufReader<TcpStream>);

impl Client {
    async fn open(rehearsal: &Rehearsal) -> Self {
        let stream = TcpStream::connect(rehearsal.address().unwrap()).await.unwrap();
        Self(BufReader::new(stream))
    }

    async fn get(&mut self, path: &str) -> (u16, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: probe\r\n\r\n");
        self.0.write_all(request.as_bytes()).await.unwrap();
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await.unwrap();
            let line = line.trim_end();
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest.split(' ').next().unwrap().parse().unwrap();
            }
            if let Some(text) = line.strip_prefix("content-length: ") {
                length = text.parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        (status, String::from_utf8(body).unwrap())
    }
}

async fn rehearsal(folder: &tempfile::TempDir) -> Arc<Rehearsal> {
    let limit = RateLimit {
        steady: 1_000_000,
        burst: 1_000_000,
    };
    let clock = Arc::new(SystemClock);
    let rehearsal = Rehearsal::new(folder.path(), TASKS, limit, clock).await;
    Arc::new(rehearsal.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_of_1000_tasks_fails_no_fetch_and_shows_none_half_done() {
    let folder = tempfile::tempdir().unwrap();
    let rehearsal = rehearsal(&folder).await;
    let serving = Arc::clone(&rehearsal);
    let server = tokio::spawn(async move { serving.serve().await });
    let over = Arc::new(AtomicBool::new(false));
    let fetched = Arc::new(AtomicU64::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..CONNECTIONS {
        let (rehearsal, over) = (Arc::clone(&rehearsal), Arc::clone(&over));
        let fetched = Arc::clone(&fetched);
        clients.spawn(async move {
            let mut client = Client::open(&rehearsal).await;
            let mut task = number;
            while !over.load(Ordering::Relaxed) {
                task = (task + CONNECTIONS) % TASKS;
                let (status, body) = client.get(&rehearsal.path(task)).await;
                assert_eq!(status, 200, "{body}");
                let key = format!("\"AccessKeyId\":\"ASIA{task:08}");
                assert!(body.contains(&key) && body.ends_with("\"2100-01-01T00:00:00Z\"}"));
                fetched.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for generation in 2..=20 {
        let before = fetched.load(Ordering::Relaxed);
        rehearsal.rotate(generation);
        while fetched.load(Ordering::Relaxed) < before + 100 {
            tokio::task::yield_now().await;
        }
    }
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    let mut client = Client::open(&rehearsal).await;
    for task in 0..TASKS {
        let (_, body) = client.get(&rehearsal.path(task)).await;
        assert!(
            body.contains(&format!("ASIA{task:08}{:08}\"", 20)),
            "the newest from now on"
        );
    }
    server.abort();
    let log = std::fs::read_to_string(folder.path().join("audit.log")).unwrap();
    let lines = u64::try_from(log.lines().count()).unwrap();
    assert_eq!(
        lines,
        fetched.load(Ordering::Relaxed) + TASKS as u64,
        "a line for each fetch"
    );
    assert!(
        log.lines()
            .all(|line| line.contains(" 200 127.0.0.1:") && line.ends_with("GetCredentials 2 rehearsal "))
    );
}
