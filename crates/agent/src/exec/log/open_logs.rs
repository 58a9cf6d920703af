//! Which tasks have logs that are still being written. Their end is reported after that: from then on their roles'
//! credentials are worth nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use portcullis_api::ecs::SubmitTaskStateChangeRequest;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::task::manager::Submit;
use crate::task::model::Known;

/// How long the end of a task waits for its logs.
const WAIT: Duration = Duration::from_secs(10);

/// How many there are of each task.
#[derive(Debug, Default)]
pub(crate) struct OpenLogs(watch::Sender<HashMap<String, usize>>);

/// One of them, until dropped.
#[derive(Debug)]
pub(super) struct OpenLog {
    logs: Arc<OpenLogs>,
    task: String,
}

impl OpenLogs {
    /// One more of this task.
    pub(super) fn open(self: &Arc<Self>, task: &str) -> OpenLog {
        self.0
            .send_modify(|open| *open.entry(task.to_owned()).or_default() += 1);
        OpenLog {
            logs: Arc::clone(self),
            task: task.to_owned(),
        }
    }

    /// Waits for all of them: what is not written when the agent ends is lost.
    pub(crate) async fn all_written(&self) {
        let mut open = self.0.subscribe();
        let none_is_left = open.wait_for(HashMap::is_empty);
        if timeout(WAIT, none_is_left).await.is_err() {
            tracing::warn!("the agent ends before the logs of its sessions are written");
        }
    }

    async fn written(&self, task: &str) {
        let mut open = self.0.subscribe();
        let none_is_left = open.wait_for(|open| !open.contains_key(task));
        if timeout(WAIT, none_is_left).await.is_err() {
            tracing::warn!(task, "a task ends before the log of its session is written");
        }
    }
}

impl Drop for OpenLog {
    fn drop(&mut self) {
        self.logs.0.send_modify(|open| {
            if let Some(count) = open.get_mut(&self.task) {
                *count -= 1;
                if *count == 0 {
                    open.remove(&self.task);
                }
            }
        });
    }
}

/// Reports the end of a task after its logs.
pub(crate) struct AfterLogs {
    /// Who reports.
    pub(crate) inner: Arc<dyn Submit>,
    /// What it waits for.
    pub(crate) logs: Arc<OpenLogs>,
}

impl Submit for AfterLogs {
    fn submit(&self, change: SubmitTaskStateChangeRequest) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if change.status.as_deref() == Some(Known::Stopped.word())
                && let Some(task) = &change.task
            {
                self.logs.written(task).await;
            }
            self.inner.submit(change).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Reports(Mutex<Vec<String>>);

    impl Submit for Reports {
        fn submit(&self, change: SubmitTaskStateChangeRequest) -> BoxFuture<'_, ()> {
            self.0.lock().unwrap().extend(change.status);
            Box::pin(std::future::ready(()))
        }
    }

    fn change(status: &str) -> SubmitTaskStateChangeRequest {
        SubmitTaskStateChangeRequest {
            task: Some("t".to_owned()),
            status: Some(status.to_owned()),
            ..Default::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_tasks_end_is_reported_after_its_logs_but_not_never() {
        let (reports, logs) = (Arc::<Reports>::default(), Arc::<OpenLogs>::default());
        let submit = AfterLogs {
            inner: Arc::clone(&reports) as Arc<_>,
            logs: Arc::clone(&logs),
        };
        let [one, two, _other] = [logs.open("t"), logs.open("t"), logs.open("u")];
        submit.submit(change("RUNNING")).await;
        let ending = submit.submit(change("STOPPED"));
        let writing = async {
            for log in [one, two] {
                tokio::time::sleep(Duration::from_secs(2)).await;
                assert_eq!(*reports.0.lock().unwrap(), ["RUNNING"]);
                drop(log);
            }
        };
        let began = tokio::time::Instant::now();
        tokio::join!(ending, writing);
        assert_eq!(began.elapsed(), Duration::from_secs(4));
        let _stuck = logs.open("t");
        submit.submit(change("STOPPED")).await;
        assert_eq!(began.elapsed(), Duration::from_secs(4) + WAIT);
        assert_eq!(*reports.0.lock().unwrap(), ["RUNNING", "STOPPED", "STOPPED"]);
    }
}
