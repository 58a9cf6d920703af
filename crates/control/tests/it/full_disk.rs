//! What is answered where the store finds no room for a change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_api::{ecr, kms, logs, secretsmanager, ssm};
use portcullis_control::gate::Gate;
use portcullis_core::{FixedClock, SeededRandom, Timestamp};
use portcullis_store::{
    Entry, Epoch, LeaseId, Opened, Page, Pending, Revision, Store, StoreError, Txn, Watch, open_in_memory,
};
use portcullis_wire::Operation;

use crate::harness::{BEGINNING, Client, Server};
use crate::s3;

/// A store in memory that can be full.
#[derive(Debug)]
pub struct Disk {
    store: Arc<dyn Store>,
    is_full: AtomicBool,
}

impl Disk {
    /// A server over a store that has room.
    pub async fn with_server() -> (Arc<Self>, Server) {
        Self::with_server_of(|gate| gate).await
    }

    /// The same, of a gate of some kind.
    pub async fn with_server_of(kind: impl Fn(Gate) -> Gate + Send + Sync + 'static) -> (Arc<Self>, Server) {
        let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
        let opened = open_in_memory(clock.clone(), Arc::new(SeededRandom::new(1))).unwrap();
        let disk = Arc::new(Self {
            store: opened.store,
            is_full: AtomicBool::new(false),
        });
        let store = Arc::clone(&disk) as _;
        let vault = opened.vault;
        let opened = Opened { store, vault };
        (disk, Server::over_with(opened, clock, 1, kind).await)
    }

    /// From now on nothing more is kept.
    pub fn fill(&self) {
        self.is_full.store(true, Ordering::Relaxed);
    }

    /// There is room again.
    pub fn free(&self) {
        self.is_full.store(false, Ordering::Relaxed);
    }
}

impl Store for Disk {
    fn revision(&self) -> Revision {
        self.store.revision()
    }

    fn epoch(&self) -> Epoch {
        self.store.epoch()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        self.store.get(key)
    }

    fn range(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Page, StoreError> {
        self.store.range(prefix, after, limit)
    }

    fn commit(&self, txn: Txn) -> Result<Pending, StoreError> {
        match self.is_full.load(Ordering::Relaxed) {
            true => Err(StoreError::DiskFull),
            false => self.store.commit(txn),
        }
    }

    fn watch(&self, prefix: &[u8], from: Revision) -> Result<Watch, StoreError> {
        self.store.watch(prefix, from)
    }

    fn grant_lease(&self, ttl: Duration) -> Result<(LeaseId, Pending), StoreError> {
        self.store.grant_lease(ttl)
    }

    fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.keep_alive(lease)
    }

    fn revoke_lease(&self, lease: LeaseId) -> Result<Pending, StoreError> {
        self.store.revoke_lease(lease)
    }

    fn expire_leases(&self, now: Timestamp) -> Result<Option<Pending>, StoreError> {
        self.store.expire_leases(now)
    }

    fn shutdown(&self) {
        self.store.shutdown();
    }
}

/// Status and code of a call that is refused for want of room, and taken when there is some.
async fn refusal<O: Operation>(disk: &Disk, client: &Client, input: O::Input) -> (u16, String) {
    disk.fill();
    let refused = client.call::<O>(&input).await.unwrap_err();
    disk.free();
    client.ok::<O>(&input).await;
    (refused.status(), refused.code().to_owned())
}

#[tokio::test]
async fn a_change_without_room_is_refused_with_the_services_own_error_and_taken_later() {
    let (disk, server) = Disk::with_server().await;
    let root = &server.root;
    let repository = ecr::CreateRepositoryRequest {
        repository_name: "app".to_owned(),
        ..Default::default()
    };
    let secret = secretsmanager::CreateSecretRequest {
        name: "s".to_owned(),
        secret_string: Some("value".into()),
        ..Default::default()
    };
    let parameter = ssm::PutParameterRequest {
        name: "p".to_owned(),
        value: "value".into(),
        r#type: Some("String".to_owned()),
        ..Default::default()
    };
    let group = logs::CreateLogGroupRequest {
        log_group_name: "g".to_owned(),
        ..Default::default()
    };
    let answers = [
        refusal::<ecr::op::CreateRepository>(&disk, root, repository).await,
        refusal::<secretsmanager::op::CreateSecret>(&disk, root, secret).await,
        refusal::<ssm::op::PutParameter>(&disk, root, parameter).await,
        refusal::<logs::op::CreateLogGroup>(&disk, root, group).await,
        refusal::<kms::op::CreateKey>(&disk, root, Default::default()).await,
    ];
    let expected = [
        (500, "ServerException"),
        (500, "InternalServiceError"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailableException"),
        (500, "KMSInternalException"),
    ];
    assert_eq!(answers, expected.map(|(status, code)| (status, code.to_owned())));
}

#[tokio::test]
async fn objects_and_buckets_without_room_are_refused_as_slow_services_are() {
    let (disk, server) = Disk::with_server().await;
    for (path, body) in [("/docs", "".as_bytes()), ("/docs/a.env", b"A=1\n")] {
        disk.fill();
        let refused = s3::root(&server, "PUT", path, body).await;
        assert_eq!(refused.outcome(), "503 ServiceUnavailable", "{path}");
        disk.free();
        assert_eq!(
            s3::root(&server, "PUT", path, body).await.outcome(),
            "200",
            "{path}"
        );
    }
}
