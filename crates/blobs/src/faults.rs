//! Blobs on a disk that fails: full, broken for a moment, or without power in the middle of something.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use portcullis_core::{FixedClock, Random, SeededRandom, Timestamp};

use crate::blobs::{Shelf, lock};
use crate::medium::{Medium, Source};
use crate::{BlobError, Blobs, Digest, Upload};

/// What goes wrong, and with which call to the disk.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Plan {
    Nothing,
    /// Calls that need room fail from this one on.
    Full(u64),
    /// This one fails, the next ones do not.
    Fail(u64),
    /// Nothing works from this one on, and what was not synced is lost in any part.
    CutPower(u64),
}

#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    synced: usize,
    /// From where on a failed sync gave the bytes up: no later one knows of it.
    lost_from: Option<usize>,
    /// Whether its name lasts.
    named: bool,
}

impl File {
    /// Takes away what is after some bytes.
    fn cut(&mut self, length: usize) {
        self.bytes.truncate(length);
        self.synced = self.synced.min(length);
        self.lost_from = self.lost_from.filter(|from| *from < length);
    }
}

#[derive(Debug)]
struct Disk {
    uploads: BTreeMap<String, File>,
    blobs: BTreeMap<Digest, File>,
    /// What blobs were before a rename that does not last yet.
    renamed: BTreeMap<Digest, String>,
    calls: u64,
    plan: Plan,
    random: SeededRandom,
}

/// A disk whose caches are lost when the power goes.
#[derive(Debug, Clone)]
struct Platter(Arc<Mutex<Disk>>);

impl Platter {
    fn new(seed: u64, plan: Plan) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            uploads: BTreeMap::new(),
            blobs: BTreeMap::new(),
            renamed: BTreeMap::new(),
            calls: 0,
            plan,
            random: SeededRandom::new(seed),
        })))
    }

    fn call(&self, grows: bool) -> io::Result<MutexGuard<'_, Disk>> {
        let mut disk = lock(&self.0);
        let number = disk.calls;
        disk.calls += 1;
        match disk.plan {
            Plan::Fail(at) if number == at => Err(io::ErrorKind::InvalidData.into()),
            Plan::CutPower(at) if number >= at => Err(io::ErrorKind::NotConnected.into()),
            Plan::Full(at) if grows && number >= at => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(disk),
        }
    }

    /// What is there when the power comes back.
    fn restart(&self) {
        let mut disk = lock(&self.0);
        let disk = &mut *disk;
        let had_power = !matches!(disk.plan, Plan::CutPower(_));
        disk.plan = Plan::Nothing;
        if had_power {
            return;
        }
        for (digest, upload) in std::mem::take(&mut disk.renamed) {
            if coin(&disk.random)
                && let Some(file) = disk.blobs.remove(&digest)
            {
                disk.uploads.insert(upload, file);
            }
        }
        let random = &disk.random;
        disk.uploads.retain(|_, file| file.named || coin(random));
        for file in disk.uploads.values_mut().chain(disk.blobs.values_mut()) {
            let lost = file.bytes.len() - file.synced;
            let kept = if lost == 0 {
                0
            } else {
                number(random) as usize % (lost + 1)
            };
            file.bytes.truncate(file.synced + kept);
            file.lost_from = None;
            // Of what was not synced anything may stand there.
            for byte in file.bytes.iter_mut().skip(file.synced) {
                *byte = if coin(random) { *byte } else { 0 };
            }
            file.synced = file.bytes.len();
        }
    }
}

fn number(random: &dyn Random) -> u64 {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

fn coin(random: &dyn Random) -> bool {
    number(random).is_multiple_of(2)
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Medium for Platter {
    fn create(&self, upload: &str, _: Timestamp) -> io::Result<()> {
        self.call(true)?
            .uploads
            .insert(upload.to_owned(), File::default());
        Ok(())
    }

    fn settle_uploads(&self) -> io::Result<()> {
        let mut disk = self.call(false)?;
        disk.uploads.values_mut().for_each(|file| file.named = true);
        Ok(())
    }

    fn length(&self, upload: &str) -> io::Result<u64> {
        let disk = self.call(false)?;
        let file = disk.uploads.get(upload).ok_or_else(missing)?;
        Ok(file.bytes.len() as u64)
    }

    fn write(&self, upload: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let failed = self.call(true).map(|_| ());
        let mut disk = lock(&self.0);
        // A write that fails may have written some of it.
        let written = match failed {
            Ok(()) => bytes.len(),
            Err(_) => number(&disk.random) as usize % (bytes.len() + 1),
        };
        let file = disk.uploads.get_mut(upload).ok_or_else(missing)?;
        file.cut(offset as usize);
        file.bytes.resize(offset as usize, 0);
        file.bytes.extend_from_slice(&bytes[..written]);
        failed
    }

    fn truncate(&self, upload: &str, length: u64) -> io::Result<()> {
        let mut disk = self.call(false)?;
        let file = disk.uploads.get_mut(upload).ok_or_else(missing)?;
        file.cut(length as usize);
        Ok(())
    }

    fn sync(&self, upload: &str, _: Timestamp) -> io::Result<()> {
        let failed = self.call(false).map(|_| ());
        let mut disk = lock(&self.0);
        let file = disk.uploads.get_mut(upload).ok_or_else(missing)?;
        match failed {
            Ok(()) => file.synced = file.lost_from.unwrap_or(file.bytes.len()),
            Err(_) => file.lost_from = file.lost_from.or(Some(file.synced)),
        }
        failed
    }

    fn read_upload(&self, upload: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let disk = self.call(false)?;
        let bytes = &disk.uploads.get(upload).ok_or_else(missing)?.bytes;
        let rest = &bytes[offset as usize..];
        Ok(rest[..length.min(rest.len())].to_vec())
    }

    fn discard(&self, upload: &str) -> io::Result<()> {
        self.call(false)?.uploads.remove(upload);
        Ok(())
    }

    fn uploads(&self) -> io::Result<Vec<(String, Timestamp)>> {
        let disk = self.call(false)?;
        let names = disk.uploads.keys();
        Ok(names
            .map(|name| (name.clone(), Timestamp::from_millis(0)))
            .collect())
    }

    fn publish(&self, upload: &str, digest: &Digest, _: Timestamp) -> io::Result<()> {
        let mut disk = self.call(true)?;
        let file = disk.uploads.remove(upload).ok_or_else(missing)?;
        disk.blobs.insert(*digest, file);
        disk.renamed.insert(*digest, upload.to_owned());
        Ok(())
    }

    fn settle(&self, digest: &Digest) -> io::Result<()> {
        self.call(false)?.renamed.remove(digest);
        Ok(())
    }

    fn open(&self, digest: &Digest) -> io::Result<Box<dyn Source>> {
        let disk = self.call(false)?;
        let file = disk.blobs.get(digest).ok_or_else(missing)?;
        Ok(Box::new(Held(file.bytes.clone())))
    }

    fn held_at(&self, _: &Digest) -> io::Result<Timestamp> {
        Ok(Timestamp::from_millis(0))
    }

    fn hold(&self, _: &Digest, _: Timestamp) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, digest: &Digest) -> io::Result<()> {
        self.call(false)?.blobs.remove(digest);
        Ok(())
    }

    fn blobs(&self, shelf: u8) -> io::Result<Vec<Digest>> {
        let disk = self.call(false)?;
        let all = disk.blobs.keys().copied();
        Ok(all.filter(|digest| digest.shelf() == shelf).collect())
    }
}

#[derive(Debug)]
struct Held(Vec<u8>);

impl Source for Held {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let rest = &self.0[offset as usize..];
        Ok(rest[..length.min(rest.len())].to_vec())
    }
}

/// What a client was told.
#[derive(Default)]
struct Told {
    uploads: Vec<(Upload, Vec<u8>)>,
    blobs: Vec<(Digest, Vec<u8>)>,
}

fn blobs_on(platter: &Platter) -> Blobs {
    let clock = Arc::new(FixedClock::at(Timestamp::from_millis(1_000)));
    Blobs::on(
        Arc::new(platter.clone()),
        Shelf::Here,
        clock,
        Arc::new(SeededRandom::new(9)),
    )
}

/// Two uploads in parts, one of them finished, one blob at once: everything that is answered goes into `told`.
async fn work(blobs: &Blobs, told: &mut Told) -> Result<(), BlobError> {
    let first = blobs.begin("a").await?;
    told.uploads.push((first.clone(), Vec::new()));
    let second = blobs.begin("b").await?;
    told.uploads.push((second.clone(), Vec::new()));
    for part in 0..3_u8 {
        for (number, upload) in [&first, &second].into_iter().enumerate() {
            let bytes = vec![part * 2 + number as u8; 700];
            let length = blobs
                .append(upload, u64::from(part) * 700, bytes.clone().into())
                .await?;
            let (_, known) = &mut told.uploads[number];
            known.extend(bytes);
            assert_eq!(length, known.len() as u64);
        }
    }
    let bytes = told.uploads[0].1.clone();
    let digest = Digest::of(&bytes);
    let wrong = blobs.finish(&first, Some(Digest::of(b"other"))).await;
    assert!(wrong.is_err(), "other bytes were promised");
    blobs.finish(&first, Some(digest)).await?;
    told.uploads.remove(0);
    told.blobs.push((digest, bytes));
    let small = blobs.put(Bytes::from_static(b"small")).await?;
    told.blobs.push((small.digest, b"small".to_vec()));
    Ok(())
}

/// What was acknowledged is there after all, and nothing can be seen that is not what its name says.
async fn check(platter: &Platter, told: &Told, hint: &str) {
    let blobs = blobs_on(platter);
    for (digest, bytes) in &told.blobs {
        let stored = blobs.open(digest).await.unwrap().expect(hint);
        assert_eq!(&stored.whole(10_000).await.unwrap(), bytes, "{hint}");
    }
    for shelf in 0..=u8::MAX {
        for digest in platter.blobs(shelf).unwrap() {
            let stored = blobs.open(&digest).await.unwrap().unwrap();
            assert_eq!(Digest::of(&stored.whole(10_000).await.unwrap()), digest, "{hint}");
        }
    }
    for (upload, bytes) in &told.uploads {
        let finished = blobs.open(&Digest::of(bytes)).await.unwrap().is_some();
        let Ok(length) = blobs.uploaded(upload).await else {
            assert!(finished, "an upload is gone: {hint}");
            continue;
        };
        assert!(length >= bytes.len() as u64, "bytes are gone: {hint}");
        let kept = platter.read_upload(upload.name(), 0, bytes.len()).unwrap();
        assert_eq!(&kept, bytes, "{hint}");
    }
}

async fn run(seed: u64, plan: Plan) -> u64 {
    let platter = Platter::new(seed, plan);
    let mut told = Told::default();
    let outcome = work(&blobs_on(&platter), &mut told).await;
    let hint = format!("seed {seed}, {plan:?}: {outcome:?}");
    let calls = lock(&platter.0).calls;
    if let Plan::Full(_) = plan {
        let is_no_space = matches!(outcome, Ok(()) | Err(BlobError::NoSpace));
        assert!(is_no_space, "{hint}");
        let disk = lock(&platter.0);
        let known: usize = told.uploads.iter().map(|(_, bytes)| bytes.len()).sum();
        let kept: usize = disk.uploads.values().map(|file| file.bytes.len()).sum();
        assert!(kept <= known, "something is left of what found no room: {hint}");
    }
    platter.restart();
    check(&platter, &told, &hint).await;
    calls
}

#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_whatever_the_disk_does() {
    let calls = run(0, Plan::Nothing).await;
    for at in 0..calls {
        run(at, Plan::Full(at)).await;
        run(at, Plan::Fail(at)).await;
        for seed in 0..8 {
            run(seed, Plan::CutPower(at)).await;
        }
    }
}

#[tokio::test]
async fn a_full_disk_is_an_error_of_its_own_and_the_upload_goes_on_when_there_is_room() {
    let platter = Platter::new(1, Plan::Nothing);
    let blobs = blobs_on(&platter);
    let upload = blobs.begin("a").await.unwrap();
    blobs
        .append(&upload, 0, Bytes::from_static(b"kept "))
        .await
        .unwrap();
    lock(&platter.0).plan = Plan::Full(0);
    let full = blobs.append(&upload, 5, Bytes::from_static(b"and more")).await;
    assert!(matches!(full, Err(BlobError::NoSpace)), "{full:?}");
    let mut writer = blobs.writer(&upload, 5).await.unwrap();
    writer.write(&Bytes::from_static(b"and more")).await.unwrap();
    assert!(matches!(writer.flush().await, Err(BlobError::NoSpace)));
    assert_eq!(blobs.uploaded(&upload).await.unwrap(), 5);
    lock(&platter.0).plan = Plan::Nothing;
    blobs
        .append(&upload, 5, Bytes::from_static(b"and more"))
        .await
        .unwrap();
    let blob = blobs
        .finish(&upload, Some(Digest::of(b"kept and more")))
        .await
        .unwrap();
    assert_eq!(blob.size, 13);
}

#[tokio::test]
async fn what_an_earlier_process_wrote_is_synced_before_it_is_a_blob() {
    let platter = Platter::new(1, Plan::Nothing);
    let blobs = blobs_on(&platter);
    let upload = blobs.begin("a").await.unwrap();
    // Killed before the acknowledgement.
    let write = blobs.with(&upload, |inner, name, running| {
        running.append(inner.medium.as_ref(), name, 0, &[7; 700])
    });
    write.await.unwrap();
    let blob = blobs_on(&platter).finish(&upload, None).await.unwrap();
    lock(&platter.0).plan = Plan::CutPower(0);
    platter.restart();
    let told = Told {
        blobs: vec![(blob.digest, vec![7; 700])],
        ..Told::default()
    };
    check(&platter, &told, "the end of an upload was never synced").await;
}

#[tokio::test]
async fn what_an_earlier_process_wrote_is_no_blob_after_a_sync_that_failed() {
    for failing in 0..8 {
        let platter = Platter::new(1, Plan::Nothing);
        let blobs = blobs_on(&platter);
        let upload = blobs.begin("a").await.unwrap();
        let write = blobs.with(&upload, |inner, name, running| {
            running.append(inner.medium.as_ref(), name, 0, &[7; 700])
        });
        write.await.unwrap();
        let begun = lock(&platter.0).calls;
        lock(&platter.0).plan = Plan::Fail(begun + failing);
        let (blobs, mut told) = (blobs_on(&platter), Told::default());
        for _ in 0..2 {
            if let Ok(blob) = blobs.finish(&upload, None).await {
                told.blobs.push((blob.digest, vec![7; 700]));
            }
        }
        lock(&platter.0).plan = Plan::CutPower(0);
        platter.restart();
        check(&platter, &told, &format!("call {failing} of two ends failed")).await;
    }
}

#[test]
fn a_file_that_may_not_grow_is_a_full_disk() {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    for kind in [StorageFull, QuotaExceeded, FileTooLarge] {
        assert!(
            matches!(BlobError::from(io::Error::from(kind)), BlobError::NoSpace),
            "{kind}"
        );
    }
}
