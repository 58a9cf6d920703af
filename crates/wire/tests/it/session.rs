//! The protocol of Execute Command's sessions: layout, hostile input, streams that lose nothing. The frames of
//! `data/session` were made by another writer of the documented layout; they are no recordings.

use portcullis_core::SeededRandom;
use portcullis_wire::session::document::{
    Acknowledgement, ChannelClosed, Document, HandshakeComplete, HandshakeRequest, HandshakeResponse,
    OpenChannel, Size,
};
use portcullis_wire::session::{
    AgentMessage, FRAME_BYTES_MAX, GaveUp, Incoming, MessageError, MessageType, Outgoing, PayloadType, flags,
};
use proptest::prelude::*;

const FRAMES: &str = include_str!("../data/session/frames.txt");

fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let lines = FRAMES.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, hex) = line.split_once(' ').unwrap();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            (name, hex.as_bytes().chunks(2).map(byte).collect())
        })
        .collect()
}

fn frame(name: &str) -> Vec<u8> {
    frames().into_iter().find(|(one, _)| *one == name).unwrap().1
}

#[test]
fn replayed_frames_are_read_and_written_to_the_byte() {
    for (name, bytes) in frames() {
        let message = AgentMessage::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(message.encode(), bytes, "{name}");
    }
}

#[test]
fn replayed_frames_say_what_they_are() {
    let read = |name: &str| AgentMessage::parse(&frame(name)).unwrap();
    let request = read("handshake_request");
    assert_eq!(
        (
            request.kind,
            request.sequence,
            request.flags,
            request.payload_type
        ),
        (
            MessageType::OutputStreamData,
            0,
            flags::SYN,
            PayloadType::HandshakeRequest
        )
    );
    assert_eq!(request.uuid(), "dd01e56b-ff48-483e-a508-b5f073f31b16");
    let wanted = HandshakeRequest::from_json(&request.payload).unwrap();
    assert_eq!(wanted.requested_client_actions[0].action_type, "SessionType");
    let receipt = Acknowledgement::from_json(&read("acknowledge_of_it").payload).unwrap();
    assert_eq!((receipt.message_id, receipt.sequence_number), (request.uuid(), 0));
    let done = HandshakeResponse::from_json(&read("handshake_response").payload).unwrap();
    assert_eq!(
        (done.processed_client_actions[0].action_status, done.errors),
        (1, None)
    );
    assert!(HandshakeComplete::from_json(&read("handshake_complete").payload).is_some());
    assert_eq!(
        Size::from_json(&read("size").payload),
        Some(Size { cols: 120, rows: 40 })
    );
    assert_eq!(read("prompt").payload, "\r\n# ✓".as_bytes());
    let closed = ChannelClosed::from_json(&read("channel_closed").payload).unwrap();
    assert_eq!(closed.session_id, "ecs-execute-command-0228164ca8ff6e2c1");
}

#[test]
fn the_plugins_opening_is_read_and_its_token_is_not_shown() {
    let text = br#"{"MessageSchemaVersion":"1.0","RequestId":"r","TokenValue":"canary","ClientId":"c","ClientVersion":"1.2.463.0"}"#;
    let opening = OpenChannel::from_json(text).unwrap();
    assert_eq!(opening.token_value.expose(), "canary");
    assert!(!format!("{opening:?}").contains("canary"));
    assert_eq!(opening.to_json(), text);
}

#[test]
fn frames_that_are_wrong_in_one_thing_are_refused_for_it() {
    let good = frame("prompt");
    let with = |at: usize, bytes: &[u8]| {
        let mut frame = good.clone();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        AgentMessage::parse(&frame).unwrap_err()
    };
    assert_eq!(with(0, &120_u32.to_be_bytes()), MessageError::Header(120));
    assert_eq!(with(0, &u32::MAX.to_be_bytes()), MessageError::Header(u32::MAX));
    assert_eq!(with(4, b"input_stream_date "), MessageError::UnknownType);
    assert_eq!(with(4, &[0xff; 32]), MessageError::UnknownType);
    assert_eq!(with(36, &2_u32.to_be_bytes()), MessageError::Version(2));
    assert_eq!(with(80, &[0; 32]), MessageError::Digest);
    assert_eq!(with(120, b"x"), MessageError::Digest);
    let said = u32::MAX;
    assert_eq!(
        with(116, &said.to_be_bytes()),
        MessageError::PayloadLength { said, found: 7 }
    );
    let long = vec![0; FRAME_BYTES_MAX + 1];
    assert_eq!(AgentMessage::parse(&long), Err(MessageError::Long(long.len())));
    for end in 0..good.len() {
        assert!(AgentMessage::parse(&good[..end]).is_err(), "cut at {end}");
    }
}

fn messages() -> impl Strategy<Value = AgentMessage> {
    let kinds = prop_oneof![
        Just(MessageType::InputStreamData),
        Just(MessageType::OutputStreamData),
        Just(MessageType::Acknowledge),
        Just(MessageType::AgentTaskAcknowledge),
        Just(MessageType::PausePublication),
    ];
    let payload = prop::collection::vec(any::<u8>(), 0..200);
    (
        kinds,
        any::<u64>(),
        any::<i64>(),
        any::<u64>(),
        any::<[u8; 16]>(),
        any::<u32>(),
        payload,
    )
        .prop_map(
            |(kind, created_ms, sequence, flags, id, payload_type, payload)| AgentMessage {
                kind,
                created_ms,
                sequence,
                flags,
                id,
                payload_type: payload_type.into(),
                payload,
            },
        )
}

proptest! {
    #[test]
    fn what_is_written_is_read(message in messages()) {
        prop_assert_eq!(AgentMessage::parse(&message.encode()), Ok(message));
    }

    /// Whatever arrives: an answer, never a panic, and nothing is accepted that would be sent on as something else.
    #[test]
    fn bytes_of_a_stranger_do_no_harm(
        message in messages(),
        changes in prop::collection::vec((0_usize..320, any::<u8>()), 0..4),
        cut in 0_usize..320,
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = AgentMessage::parse(&noise);
        let mut bytes = message.encode();
        bytes.truncate(cut.max(1));
        for (at, byte) in changes {
            let end = bytes.len();
            bytes[at % end] = byte;
        }
        if let Ok(read) = AgentMessage::parse(&bytes) {
            prop_assert_eq!(AgentMessage::parse(&read.encode()), Ok(read));
        }
    }

    /// Against the plain model "what was pushed, in order": frames are lost, doubled and overtaken in both directions.
    #[test]
    fn streams_lose_nothing_and_keep_their_order(
        texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..40),
        fates in prop::collection::vec(0_u8..5, 1..200),
    ) {
        let random = SeededRandom::new(5);
        let (mut sender, mut receiver) = (Outgoing::new(MessageType::InputStreamData), Incoming::default());
        let mut fates = fates.into_iter();
        let (mut held, mut read, mut now) = (Vec::new(), Vec::new(), 0);
        let mut wire: Vec<Vec<u8>> = Vec::new();
        for text in &texts {
            wire.push(sender.push(PayloadType::Output, text.clone(), now, &random));
        }
        for _ in 0..10_000 {
            for frame in std::mem::take(&mut wire) {
                // When the fates are used up everything arrives, so that the story ends.
                match fates.next().unwrap_or(4) {
                    0 => continue,
                    1 => { held.push(frame); continue }
                    2 => held.push(frame.clone()),
                    _ => {}
                }
                let got = receiver.receive(AgentMessage::parse(&frame).unwrap(), now, &random);
                read.extend(got.ready.into_iter().map(|message| message.payload));
                if let Some(receipt) = got.acknowledgement
                    && fates.next().unwrap_or(4) != 0
                {
                    let receipt = AgentMessage::parse(&receipt).unwrap();
                    sender.acknowledge(Acknowledgement::from_json(&receipt.payload).unwrap().sequence_number);
                }
            }
            if sender.is_settled() {
                break;
            }
            now += 501;
            wire.extend(std::mem::take(&mut held));
            wire.extend(sender.overdue(now).unwrap());
        }
        prop_assert!(sender.is_settled());
        prop_assert_eq!(read, texts);
    }
}

#[test]
fn nothing_is_sent_again_before_its_time_and_for_ever_only_for_five_minutes() {
    let random = SeededRandom::new(5);
    let mut sender = Outgoing::new(MessageType::OutputStreamData);
    let frame = sender.push(PayloadType::Output, b"x".to_vec(), 0, &random);
    assert_eq!(sender.overdue(499), Ok(None));
    assert_eq!(sender.overdue(500), Ok(Some(frame)));
    let mut now = 500;
    let gave_up = (0..1000).find(|_| {
        now += 500;
        sender.overdue(now) == Err(GaveUp)
    });
    assert!(gave_up.is_some() && (299_000..=301_000).contains(&now), "{now}");
}

#[test]
fn what_comes_far_too_early_is_not_kept_and_not_acknowledged() {
    let random = SeededRandom::new(5);
    let mut receiver = Incoming::default();
    let mut message = AgentMessage::parse(&frame("return_key")).unwrap();
    message.sequence = -1;
    assert_eq!(
        receiver.receive(message.clone(), 0, &random).acknowledgement,
        None
    );
    let kept = (1..5000).filter(|sequence| {
        message.sequence = *sequence;
        receiver
            .receive(message.clone(), 0, &random)
            .acknowledgement
            .is_some()
    });
    assert_eq!(kept.count(), 1024);
}
