//! Any sequence of calls, beside a model that keeps everything in two maps.

use std::collections::BTreeMap;

use portcullis_blobs::{BlobError, Blobs, Digest, Upload};
use proptest::prelude::*;

use crate::stage::stages;

/// One call.
#[derive(Debug, Clone)]
enum Call {
    Begin,
    /// To which upload, how far beside its end, and how many bytes.
    Append(usize, i64, usize),
    Write(usize, Vec<usize>),
    Finish(usize, bool),
    Discard(usize),
    Restart,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = prop_oneof![
        2 => Just(Call::Begin),
        4 => (0..4_usize, prop_oneof![5 => Just(0_i64), 1 => -3..3_i64], 0..2_000_usize)
            .prop_map(|(upload, beside, length)| Call::Append(upload, beside, length)),
        2 => (0..4_usize, prop::collection::vec(0..900_000_usize, 0..4))
            .prop_map(|(upload, parts)| Call::Write(upload, parts)),
        3 => (0..4_usize, any::<bool>()).prop_map(|(upload, right)| Call::Finish(upload, right)),
        1 => (0..4_usize).prop_map(Call::Discard),
        1 => Just(Call::Restart),
    ];
    prop::collection::vec(call, 1..24)
}

fn bytes(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| ((at * 31 + seed) % 253) as u8).collect()
}

/// Finishes an upload with the right or a wrong digest; what it made, if it was right and had not ended before.
async fn finish(
    blobs: &Blobs,
    upload: &Upload,
    model: &mut Option<Vec<u8>>,
    right: bool,
) -> Option<(Digest, Vec<u8>)> {
    let digest = Digest::of(model.as_deref().unwrap_or_default());
    let promised = match right {
        true => digest,
        false => Digest::of(b"nothing like it"),
    };
    let finished = blobs.finish(upload, Some(promised)).await;
    match (model.take(), right) {
        (None, _) => {
            assert!(matches!(finished, Err(BlobError::NoUpload)));
            None
        }
        (Some(bytes), true) => {
            assert_eq!(finished.unwrap().size, bytes.len() as u64);
            Some((digest, bytes))
        }
        (Some(bytes), false) => {
            assert!(matches!(finished, Err(BlobError::WrongDigest { .. })));
            *model = Some(bytes);
            None
        }
    }
}

async fn run(calls: Vec<Call>) {
    for stage in stages() {
        let mut blobs = stage.blobs.clone();
        let mut uploads: Vec<(Upload, Option<Vec<u8>>)> = Vec::new();
        let mut made: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
        for (number, call) in calls.iter().enumerate() {
            match call {
                Call::Begin => uploads.push((blobs.begin("a").await.unwrap(), Some(Vec::new()))),
                Call::Restart => blobs = stage.reopened(number as u64 + 100),
                Call::Append(at, beside, length) => {
                    let Some((upload, model)) = uploads.get_mut(*at) else {
                        continue;
                    };
                    let part = bytes(number, *length);
                    let end = model.as_ref().map_or(0, |model| model.len() as u64);
                    let offset = end.saturating_add_signed(*beside);
                    let appended = blobs.append(upload, offset, part.clone().into()).await;
                    match model {
                        None => assert!(matches!(appended, Err(BlobError::NoUpload))),
                        Some(model) if offset == end => {
                            model.extend(part);
                            assert_eq!(appended.unwrap(), model.len() as u64);
                        }
                        Some(_) => {
                            assert!(
                                matches!(appended, Err(BlobError::WrongOffset { length }) if length == end)
                            );
                        }
                    }
                }
                Call::Write(at, parts) => {
                    let Some((upload, Some(model))) = uploads.get_mut(*at) else {
                        continue;
                    };
                    let mut writer = blobs.writer(upload, model.len() as u64).await.unwrap();
                    for length in parts {
                        let part = bytes(number, *length);
                        writer.write(&part.clone().into()).await.unwrap();
                        model.extend(part);
                    }
                    assert_eq!(writer.flush().await.unwrap(), model.len() as u64);
                }
                Call::Finish(at, right) => {
                    if let Some((upload, model)) = uploads.get_mut(*at)
                        && let Some((digest, bytes)) = finish(&blobs, upload, model, *right).await
                    {
                        made.insert(digest, bytes);
                    }
                }
                Call::Discard(at) => {
                    let Some((upload, model)) = uploads.get_mut(*at) else {
                        continue;
                    };
                    assert_eq!(blobs.discard(upload).await.is_ok(), model.take().is_some());
                }
            }
        }
        for (digest, bytes) in made {
            let stored = blobs.open(&digest).await.unwrap().unwrap();
            assert_eq!(stored.whole(u64::MAX).await.unwrap(), bytes);
        }
        for (upload, model) in uploads {
            let length = blobs.uploaded(&upload).await.ok();
            assert_eq!(length, model.map(|model| model.len() as u64));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_calls_answers_as_the_model_does(calls in calls()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(calls));
    }
}
