//! The rules one by one.

use std::future::Future as _;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::StreamExt as _;
use portcullis_blobs::{BlobError, Bytes, Digest, Upload};

use crate::stage::{Place, stages};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn digests_are_read_as_they_are_written_and_in_no_other_way() {
    let digest = Digest::of(b"");
    let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(digest.to_string(), text);
    assert_eq!(text.parse::<Digest>().unwrap(), digest);
    let upper = text.to_uppercase();
    let escape = format!("sha256:{}", "../".repeat(21) + "x");
    for wrong in [
        "",
        "sha256:",
        &text[7..],
        &text[..70],
        &upper,
        &escape,
        "sha512:00",
    ] {
        assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn an_upload_goes_on_only_where_it_ends() {
    for stage in stages() {
        let blobs = &stage.blobs;
        let upload = blobs.begin("repository").await.unwrap();
        let part = Bytes::from_static(b"0123456789");
        assert_eq!(blobs.append(&upload, 0, part.clone()).await.unwrap(), 10);
        for wrong in [0, 9, 11, u64::MAX] {
            let refused = blobs.append(&upload, wrong, part.clone()).await;
            assert!(
                matches!(refused, Err(BlobError::WrongOffset { length: 10 })),
                "{refused:?}"
            );
            assert!(matches!(
                blobs.writer(&upload, wrong).await,
                Err(BlobError::WrongOffset { length: 10 })
            ));
        }
        assert_eq!(blobs.uploaded(&upload).await.unwrap(), 10);
    }
}

#[tokio::test]
async fn of_two_writers_at_one_end_one_goes_on() {
    for stage in stages() {
        let upload = stage.blobs.begin("repository").await.unwrap();
        let mut one = stage.blobs.writer(&upload, 0).await.unwrap();
        let mut two = stage.blobs.writer(&upload, 0).await.unwrap();
        one.write(&Bytes::from_static(b"one")).await.unwrap();
        two.write(&Bytes::from_static(b"the other")).await.unwrap();
        assert_eq!(one.flush().await.unwrap(), 3);
        assert!(matches!(
            two.flush().await,
            Err(BlobError::WrongOffset { length: 3 })
        ));
        let blob = stage.blobs.finish(&upload, None).await.unwrap();
        assert_eq!(blob.digest, Digest::of(b"one"));
    }
}

#[tokio::test]
async fn an_upload_outlives_the_process_and_nobody_sees_it_before_its_end() {
    for stage in stages() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
        let digest = Digest::of(&bytes);
        let upload = stage.blobs.begin("repository").await.unwrap();
        let mut writer = stage.blobs.writer(&upload, 0).await.unwrap();
        writer
            .write(&Bytes::copy_from_slice(&bytes[..2_100_000]))
            .await
            .unwrap();
        assert_eq!(writer.flush().await.unwrap(), 2_100_000);

        let blobs = stage.reopened(8);
        let upload = Upload::of("repository", upload.id());
        assert_eq!(blobs.uploaded(&upload).await.unwrap(), 2_100_000);
        assert_eq!(blobs.size(&digest).await.unwrap(), None);
        let rest = Bytes::copy_from_slice(&bytes[2_100_000..]);
        blobs.append(&upload, 2_100_000, rest).await.unwrap();
        assert_eq!(blobs.finish(&upload, Some(digest)).await.unwrap().size, 3_000_000);
        assert_eq!(blobs.size(&digest).await.unwrap(), Some(3_000_000));
        let stored = blobs.open(&digest).await.unwrap().unwrap();
        assert_eq!(stored.whole(3_000_000).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_wrong_digest_makes_no_blob_and_leaves_the_upload() {
    for stage in stages() {
        let upload = stage.blobs.begin("repository").await.unwrap();
        stage
            .blobs
            .append(&upload, 0, Bytes::from_static(b"bytes"))
            .await
            .unwrap();
        let refused = stage.blobs.finish(&upload, Some(Digest::of(b"others"))).await;
        let actual = Digest::of(b"bytes");
        assert!(matches!(refused, Err(BlobError::WrongDigest { actual: found }) if found == actual));
        assert_eq!(stage.blobs.size(&actual).await.unwrap(), None);
        assert_eq!(stage.blobs.uploaded(&upload).await.unwrap(), 5);
        stage.blobs.finish(&upload, Some(actual)).await.unwrap();
        assert!(matches!(
            stage.blobs.uploaded(&upload).await,
            Err(BlobError::NoUpload)
        ));
    }
}

#[tokio::test]
async fn an_upload_is_its_owners_alone_and_ids_never_become_paths() {
    for stage in stages() {
        let upload = stage.blobs.begin("mine").await.unwrap();
        let others = [
            Upload::of("yours", upload.id()),
            Upload::of("mine", "../sha256"),
            Upload::of("mine", "/etc/passwd"),
            Upload::of("mine", ""),
            Upload::of(&format!("mine{}", &upload.id()[..4]), &upload.id()[4..]),
        ];
        for other in others {
            let refused = stage.blobs.append(&other, 0, Bytes::from_static(b"x")).await;
            assert!(matches!(refused, Err(BlobError::NoUpload)), "{other:?}");
            assert!(matches!(
                stage.blobs.discard(&other).await,
                Err(BlobError::NoUpload)
            ));
        }
        stage.blobs.discard(&upload).await.unwrap();
        assert!(matches!(
            stage.blobs.uploaded(&upload).await,
            Err(BlobError::NoUpload)
        ));
    }
}

#[tokio::test]
async fn a_range_is_read_as_far_as_there_are_bytes() {
    for stage in stages() {
        let bytes: Vec<u8> = (0..1_300_000_u32).map(|number| (number % 241) as u8).collect();
        let digest = stage.blobs.put(bytes.clone().into()).await.unwrap().digest;
        let stored = stage.blobs.open(&digest).await.unwrap().unwrap();
        let size = bytes.len() as u64;
        for (start, end) in [
            (0, size),
            (1, 2),
            (524_287, 524_290),
            (0, 0),
            (size - 1, size + 9),
            (size + 5, size + 9),
        ] {
            let parts: Vec<_> = stored.stream(start..end).collect().await;
            let read: Vec<u8> = parts.into_iter().flat_map(Result::unwrap).collect();
            let from = (start as usize).min(bytes.len());
            let to = (end as usize).min(bytes.len());
            assert_eq!(read, bytes[from..to], "{start}..{end}");
        }
        assert!(matches!(
            stored.whole(size - 1).await,
            Err(BlobError::TooLarge { .. })
        ));
    }
}

#[tokio::test]
async fn a_sweep_spares_what_is_needed_young_or_held_and_what_is_being_read() {
    for stage in stages() {
        let blobs = &stage.blobs;
        let needed = blobs.put(Bytes::from_static(b"needed")).await.unwrap().digest;
        let held = blobs.put(Bytes::from_static(b"held")).await.unwrap().digest;
        let again = blobs.put(Bytes::from_static(b"again")).await.unwrap().digest;
        let gone = blobs.put(Bytes::from_static(b"gone")).await.unwrap().digest;
        stage.clock.advance_seconds(4000);
        let young = blobs.put(Bytes::from_static(b"young")).await.unwrap().digest;
        blobs.put(Bytes::from_static(b"again")).await.unwrap();
        assert!(blobs.hold(&held).await.unwrap());
        assert!(!blobs.hold(&Digest::of(b"never")).await.unwrap());
        let reading = blobs.open(&gone).await.unwrap().unwrap();

        let swept = blobs.sweep(HOUR, move |digest| *digest == needed).await.unwrap();
        assert_eq!((swept.blobs, swept.uploads), (1, 0));
        for digest in [needed, held, again, young] {
            assert!(blobs.size(&digest).await.unwrap().is_some());
        }
        assert!(blobs.size(&gone).await.unwrap().is_none());
        // Object stores do not keep what is being read.
        if matches!(stage.place, Place::Memory(_) | Place::Directory(_)) {
            assert_eq!(reading.whole(10).await.unwrap(), "gone");
        }
        assert!(!blobs.hold(&gone).await.unwrap());
    }
}

#[tokio::test]
async fn an_upload_that_rests_for_a_day_is_given_up_and_no_other() {
    for stage in stages() {
        let blobs = &stage.blobs;
        let resting = blobs.begin("a").await.unwrap();
        let going_on = blobs.begin("a").await.unwrap();
        stage.clock.advance_seconds(23 * 3600);
        blobs
            .append(&going_on, 0, Bytes::from_static(b"x"))
            .await
            .unwrap();
        assert_eq!(blobs.sweep(HOUR, |_| false).await.unwrap().uploads, 0);
        stage.clock.advance_seconds(2 * 3600);
        assert_eq!(blobs.sweep(HOUR, |_| false).await.unwrap().uploads, 1);
        assert!(matches!(blobs.uploaded(&resting).await, Err(BlobError::NoUpload)));
        assert_eq!(blobs.uploaded(&going_on).await.unwrap(), 1);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_their_owner_reads_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = stages()
        .into_iter()
        .find(|stage| matches!(stage.place, Place::Directory(_)))
        .unwrap();
    let digest = stage.blobs.put(Bytes::from_static(b"x")).await.unwrap().digest;
    stage.blobs.begin("a").await.unwrap();
    let Place::Directory(folder) = &stage.place else {
        return;
    };
    let folder = folder.path();
    let blob = folder.join("sha256").join(&digest.hex()[..2]).join(digest.hex());
    assert_eq!(
        std::fs::metadata(blob).unwrap().permissions().mode() & 0o777,
        0o600
    );
    for place in ["uploads", "sha256"] {
        let mode = std::fs::metadata(folder.join(place))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }
    for upload in std::fs::read_dir(folder.join("uploads")).unwrap() {
        let mode = upload.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn an_upload_is_finished_although_its_caller_goes_away() {
    for stage in stages() {
        let blobs = &stage.blobs;
        let upload = blobs.begin("a").await.unwrap();
        let bytes = Bytes::from_static(b"all of it");
        let digest = Digest::of(&bytes);
        blobs.append(&upload, 0, bytes).await.unwrap();
        let mut finishing = Box::pin(blobs.finish(&upload, Some(digest)));
        let mut context = Context::from_waker(Waker::noop());
        // It may be done already: the work is on a thread of its own from the first poll on.
        let polled = finishing.as_mut().poll(&mut context);
        assert!(!matches!(polled, Poll::Ready(Err(_))), "{polled:?}");
        drop(finishing);
        while blobs.open(&digest).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    }
}
