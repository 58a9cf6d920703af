//! Log events: in, out, and filtered.

use portcullis_api::logs::{
    DeleteLogGroupRequest, DeleteLogStreamRequest, FilterLogEventsRequest, GetLogEventsRequest,
    PutRetentionPolicyRequest, TestMetricFilterRequest, op,
};

use super::{batch, filter, get, group, put, start, stream, words};
use crate::harness::Client;

async fn read(client: &Client, request: &GetLogEventsRequest) -> (Vec<String>, String, String) {
    let page = client.ok::<op::GetLogEvents>(request).await;
    let messages = page
        .events
        .into_iter()
        .flatten()
        .filter_map(|event| event.message);
    (
        messages.collect(),
        page.next_forward_token.unwrap(),
        page.next_backward_token.unwrap(),
    )
}

async fn found(client: &Client, request: &FilterLogEventsRequest) -> Vec<String> {
    let mut request = request.clone();
    let mut found = Vec::new();
    loop {
        let page = client.ok::<op::FilterLogEvents>(&request).await;
        assert_eq!(page.searched_log_streams, Some(Vec::new()));
        for event in page.events.into_iter().flatten() {
            assert_eq!(event.event_id.unwrap().len(), 56);
            found.push(format!(
                "{} {}",
                event.log_stream_name.unwrap(),
                event.message.unwrap()
            ));
        }
        request.next_token = page.next_token;
        if request.next_token.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn a_stream_is_read_from_both_ends_and_its_tokens_stay_at_its_ends() {
    let server = start(&["g"]).await;
    let root = &server.root;
    put(root, "g", "s", 0, &["a", "b", "c", "d", "e"]).await;
    let page = |limit, token: Option<&str>, head| GetLogEventsRequest {
        limit: Some(limit),
        next_token: token.map(str::to_owned),
        start_from_head: head,
        ..get("g", "s")
    };
    let (newest, forward, backward) = read(root, &page(2, None, None)).await;
    assert_eq!(newest, ["d", "e"]);
    let (older, _, backward) = read(root, &page(2, Some(&backward), None)).await;
    assert_eq!(older, ["b", "c"]);
    let (oldest, _, backward) = read(root, &page(2, Some(&backward), None)).await;
    assert_eq!(oldest, ["a"]);
    let (nothing, _, same) = read(root, &page(2, Some(&backward), None)).await;
    assert_eq!((nothing, &same), (vec![], &backward));
    let (nothing, same, _) = read(root, &page(2, Some(&forward), Some(true))).await;
    assert_eq!((nothing, &same), (vec![], &forward));
    // What comes in later is found by a token that was at the end.
    put(root, "g", "s", 10, &["f"]).await;
    let (more, _, _) = read(root, &page(2, Some(&forward), Some(true))).await;
    assert_eq!(more, ["f"]);
    let (first, _, _) = read(root, &page(2, None, Some(true))).await;
    assert_eq!(first, ["a", "b"]);
    for bad in [
        "f",
        "n/00000000000000000000000000000000000000000000000000000000",
        "f/1",
    ] {
        let refused = root
            .call::<op::GetLogEvents>(&page(2, Some(bad), None))
            .await
            .unwrap_err();
        assert_eq!(
            words(&refused),
            "InvalidParameterException: The specified nextToken is invalid."
        );
    }
}

#[tokio::test]
async fn a_group_is_filtered_by_stream_time_and_pattern_with_its_streams_interleaved() {
    let server = start(&["g"]).await;
    let root = &server.root;
    stream(root, "g", "t").await;
    put(root, "g", "s", 0, &["one ERROR", "two"]).await;
    put(root, "g", "t", 1, &["three ERROR"]).await;
    let all = ["s one ERROR", "s two", "t three ERROR"];
    assert_eq!(found(root, &filter("g")).await, all);
    let paged = FilterLogEventsRequest {
        limit: Some(1),
        ..filter("g")
    };
    assert_eq!(found(root, &paged).await, all);
    let errors = FilterLogEventsRequest {
        filter_pattern: Some("ERROR".to_owned()),
        ..filter("g")
    };
    assert_eq!(found(root, &errors).await, ["s one ERROR", "t three ERROR"]);
    let by_prefix = FilterLogEventsRequest {
        log_stream_name_prefix: Some("t".to_owned()),
        ..filter("g")
    };
    assert_eq!(found(root, &by_prefix).await, ["t three ERROR"]);
    let named = FilterLogEventsRequest {
        log_stream_names: Some(vec!["s".to_owned()]),
        end_time: Some(root.now().as_millis()),
        ..filter("g")
    };
    assert_eq!(found(root, &named).await, ["s one ERROR"]);
    let newest_first = FilterLogEventsRequest {
        start_from_head: Some(false),
        start_time: Some(root.now().as_millis() - 1),
        limit: Some(2),
        ..filter("g")
    };
    let mut backward = found(root, &newest_first).await;
    backward.reverse();
    let mut sorted = backward.clone();
    sorted.sort();
    assert_eq!(backward.first().map(String::as_str), Some("s one ERROR"));
    assert_eq!(sorted, all);
}

#[tokio::test]
async fn nonsense_is_refused_in_the_services_words() {
    let server = start(&["g"]).await;
    let root = &server.root;
    let cases = [
        (
            FilterLogEventsRequest {
                log_group_identifier: Some("g".to_owned()),
                ..filter("g")
            },
            "InvalidParameterException: Specify either logGroupName or logGroupIdentifier, and only one of them.",
        ),
        (
            FilterLogEventsRequest::default(),
            "InvalidParameterException: Specify either logGroupName or logGroupIdentifier, and only one of them.",
        ),
        (
            filter("none"),
            "ResourceNotFoundException: The specified log group does not exist.",
        ),
        (
            FilterLogEventsRequest {
                log_stream_names: Some(vec!["none".to_owned()]),
                ..filter("g")
            },
            "ResourceNotFoundException: The specified log stream does not exist.",
        ),
        (
            FilterLogEventsRequest {
                log_stream_names: Some(vec!["s".to_owned()]),
                log_stream_name_prefix: Some("s".to_owned()),
                ..filter("g")
            },
            "InvalidParameterException: logStreamNames and logStreamNamePrefix are mutually exclusive parameters.",
        ),
        (
            FilterLogEventsRequest {
                start_from_head: Some(false),
                ..filter("g")
            },
            "InvalidParameterException: startFromHead can be false only when startTime is on or after 2024-01-01T00:00:00Z.",
        ),
        (
            FilterLogEventsRequest {
                next_token: Some("x".to_owned()),
                ..filter("g")
            },
            "InvalidParameterException: The specified nextToken is invalid.",
        ),
    ];
    for (request, expected) in cases {
        let refused = root.call::<op::FilterLogEvents>(&request).await.unwrap_err();
        assert_eq!(words(&refused), expected, "{request:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_put_or_read_is_refused_in_the_services_words() {
    let server = start(&["g"]).await;
    let root = &server.root;
    let refused = root
        .call::<op::GetLogEvents>(&get("g", "none"))
        .await
        .unwrap_err();
    assert_eq!(
        words(&refused),
        "ResourceNotFoundException: The specified log stream does not exist."
    );
    let mut request = batch(root, "g", "s", 0, &["a", "b"]);
    request.log_events.reverse();
    let refused = root.call::<op::PutLogEvents>(&request).await.unwrap_err();
    let expected = "InvalidParameterException: Log events in a single PutLogEvents request must be in chronological order.";
    assert_eq!(words(&refused), expected);
    let empty = root
        .call::<op::PutLogEvents>(&batch(root, "g", "s", 0, &[""]))
        .await
        .unwrap_err();
    let expected = "InvalidParameterException: 1 validation error detected: Value '' at 'logEvents.1.member.message' failed to satisfy constraint: Member must have length greater than or equal to 1";
    assert_eq!(words(&empty), expected);
    assert_eq!(found(root, &filter("g")).await, Vec::<String>::new());
}

#[tokio::test]
async fn whole_batches_of_the_largest_size_are_taken() {
    let server = start(&["g"]).await;
    let root = &server.root;
    let many: Vec<String> = (0..10_000).map(|number| format!("{number:078}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    put(root, "g", "s", -20_000, &many).await;
    let (read, _, _) = read(
        root,
        &GetLogEventsRequest {
            start_from_head: Some(true),
            ..get("g", "s")
        },
    )
    .await;
    assert_eq!(read.len(), 10_000);
    // A character that JSON writes with six.
    let large = "\u{1}".repeat(1_048_576 - 26);
    put(root, "g", "s", 0, &[&large]).await;
    let request = batch(root, "g", "s", 0, &[&large, "x"]);
    let refused = root.call::<op::PutLogEvents>(&request).await.unwrap_err();
    let expected = "InvalidParameterException: Upload too large: 1048603 bytes exceeds limit of 1048576";
    assert_eq!(words(&refused), expected);
}

#[tokio::test]
async fn what_is_made_anew_under_an_old_name_shows_none_of_the_old_events() {
    let server = start(&["g"]).await;
    let root = &server.root;
    stream(root, "g", "t").await;
    put(root, "g", "s", 0, &["old"]).await;
    put(root, "g", "t", 0, &["stays"]).await;
    let delete = DeleteLogStreamRequest {
        log_group_name: "g".to_owned(),
        log_stream_name: "s".to_owned(),
    };
    root.ok::<op::DeleteLogStream>(&delete).await;
    assert_eq!(found(root, &filter("g")).await, ["t stays"]);
    stream(root, "g", "s").await;
    assert_eq!(found(root, &filter("g")).await, ["t stays"]);
    assert_eq!(read(root, &get("g", "s")).await.0, Vec::<String>::new());
    put(root, "g", "s", 5, &["new"]).await;
    assert_eq!(found(root, &filter("g")).await, ["t stays", "s new"]);
    let delete = DeleteLogGroupRequest {
        log_group_name: "g".to_owned(),
    };
    root.ok::<op::DeleteLogGroup>(&delete).await;
    group(root, "g").await;
    stream(root, "g", "s").await;
    assert_eq!(found(root, &filter("g")).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_store_forgets_what_was_removed_and_keeps_the_rest_as_long_as_told() {
    let server = start(&["g", "kept"]).await;
    let root = &server.root;
    put(root, "g", "s", 0, &["old"]).await;
    put(root, "kept", "s", -3_600_000, &["two hours later too old"]).await;
    let world = server.gate.world().clone();
    let view = world.view();
    let removed = view.logs.group(&"us-east-1".parse().unwrap(), "g").unwrap();
    let removed = removed.stored_as(world.account());
    assert!(world.logs().group_bytes(&removed) > 0);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn(server.accounts.clone().run(stopped));
    let delete = DeleteLogGroupRequest {
        log_group_name: "g".to_owned(),
    };
    root.ok::<op::DeleteLogGroup>(&delete).await;
    let retention = PutRetentionPolicyRequest {
        log_group_name: "kept".to_owned(),
        retention_in_days: 1,
    };
    root.ok::<op::PutRetentionPolicy>(&retention).await;
    let mut changes = world.changes();
    while !world.view().logs.errands.is_empty() {
        changes.changed().await.unwrap();
    }
    assert_eq!(world.logs().group_bytes(&removed), 0);
    assert_eq!(found(root, &filter("kept")).await, ["s two hours later too old"]);
    server.clock.advance_seconds(23 * 3_600 + 1);
    assert_eq!(found(root, &filter("kept")).await, Vec::<String>::new());
    stop.send_replace(true);
    running.await.unwrap();
}

#[tokio::test]
async fn events_are_in_no_event_history_and_reads_are_without_what_they_read() {
    let server = start(&["g"]).await;
    let root = &server.root;
    put(root, "g", "s", 0, &["canary-in-the-log"]).await;
    root.call::<op::PutLogEvents>(&batch(root, "none", "s", 0, &["canary-in-the-log"]))
        .await
        .unwrap_err();
    read(root, &get("g", "s")).await;
    found(root, &filter("g")).await;
    let tested = TestMetricFilterRequest {
        filter_pattern: String::new(),
        log_event_messages: vec!["canary-in-the-log".to_owned()],
    };
    root.ok::<op::TestMetricFilter>(&tested).await;
    let records = server.records().await;
    let named = |name: &str| {
        records
            .iter()
            .filter(|record| record["eventName"] == name)
            .collect::<Vec<_>>()
    };
    assert!(named("PutLogEvents").is_empty());
    for name in ["GetLogEvents", "FilterLogEvents"] {
        let [record] = named(name)[..] else {
            panic!("{name}: {records:?}");
        };
        assert_eq!(
            (&record["readOnly"], &record["responseElements"]),
            (&true.into(), &serde_json::Value::Null)
        );
        assert_eq!(record["requestParameters"]["logGroupName"], "g");
        assert_eq!(record["eventSource"], "logs.amazonaws.com");
    }
    assert_eq!(named("TestMetricFilter").len(), 1);
    assert!(!serde_json::to_string(&records).unwrap().contains("canary"));
}
