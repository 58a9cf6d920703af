//! Parameter Store through the gate.

use portcullis_api::kms;
use portcullis_api::ssm::op;
use portcullis_control::schedule;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, Server, allow};
use crate::secretsmanager::{err, input, ok};

fn put(name: &str, value: &str) -> Value {
    json!({ "Name": name, "Value": value, "Type": "String" })
}

fn over(name: &str, value: &str) -> Value {
    json!({ "Name": name, "Value": value, "Overwrite": true })
}

fn names(reply: &Value) -> Vec<&str> {
    let list = reply["Parameters"].as_array().unwrap().iter();
    list.map(|one| one["Name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_parameter_has_versions_that_selectors_find() {
    let server = Server::start().await;
    let root = &server.root;
    let first = ok::<op::PutParameter>(root, put("/app/url", "one")).await;
    assert_eq!(first, json!({ "Version": 1, "Tier": "Standard" }));
    assert!(
        err::<op::PutParameter>(root, put("/app/url", "two"))
            .await
            .starts_with("ParameterAlreadyExists: ")
    );
    assert_eq!(
        ok::<op::PutParameter>(root, over("/app/url", "two")).await["Version"],
        json!(2)
    );
    ok::<op::LabelParameterVersion>(
        root,
        json!({ "Name": "/app/url", "ParameterVersion": 1, "Labels": ["old"] }),
    )
    .await;
    let arn = format!("arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/app/url");
    for (asked, shown, value, version) in [
        ("/app/url", "/app/url", "two", 2),
        ("/app/url:1", "/app/url", "one", 1),
        ("/app/url:old", "/app/url", "one", 1),
        (arn.as_str(), arn.as_str(), "two", 2),
        (&format!("{arn}:old"), &arn, "one", 1),
    ] {
        let got = ok::<op::GetParameter>(root, json!({ "Name": asked })).await;
        let got = &got["Parameter"];
        assert_eq!(
            (&got["Name"], &got["Value"], &got["Version"]),
            (&json!(shown), &json!(value), &json!(version)),
            "{asked}"
        );
        assert_eq!((&got["ARN"], &got["DataType"]), (&json!(arn), &json!("text")));
    }
    assert_eq!(
        err::<op::GetParameter>(root, json!({ "Name": "/app/none" })).await,
        "ParameterNotFound: "
    );
    assert_eq!(
        err::<op::GetParameter>(root, json!({ "Name": "/app/url:3" })).await,
        "ParameterVersionNotFound: Systems Manager could not find version 3 of /app/url. Verify the version and try again."
    );
    let several = json!({ "Names": ["/app/url:1", "/app/none", "/app/url:9", arn] });
    let several = ok::<op::GetParameters>(root, several).await;
    assert_eq!(names(&several), ["/app/url", &arn]);
    assert_eq!(several["Parameters"][0]["Selector"], json!(":1"));
    assert_eq!(several["InvalidParameters"], json!(["/app/none", "/app/url:9"]));
    ok::<op::DeleteParameter>(root, json!({ "Name": "/app/url" })).await;
    assert_eq!(
        ok::<op::PutParameter>(root, put("/app/url", "new")).await["Version"],
        json!(1)
    );
}

#[tokio::test]
async fn names_are_paths_of_at_most_15_levels_outside_of_what_is_reserved() {
    let server = Server::start().await;
    let root = &server.root;
    let deep = |levels: usize| "/a".repeat(levels);
    for (name, code) in [
        ("aws-x", "AccessDeniedException"),
        ("/AWS/x", "AccessDeniedException"),
        ("/aws/service/x", "AccessDeniedException"),
        ("ssm-x", "ValidationException"),
        ("/Ssm/x", "ValidationException"),
        ("a/b", "ValidationException"),
        ("/a//b", "ValidationException"),
        ("/a/", "ValidationException"),
        ("/", "ValidationException"),
        ("a b", "ValidationException"),
        ("a:1", "ValidationException"),
        ("é", "ValidationException"),
        (&deep(16), "HierarchyLevelLimitExceededException"),
    ] {
        let refused = err::<op::PutParameter>(root, put(name, "v")).await;
        assert!(refused.starts_with(&format!("{code}: ")), "{name}: {refused}");
    }
    for name in [deep(15).as_str(), "plain", "/a.b-c_d", "plain-aws"] {
        ok::<op::PutParameter>(root, put(name, "v")).await;
    }
}

#[tokio::test]
async fn tiers_say_how_long_values_are_and_there_is_no_way_down() {
    let server = Server::start().await;
    let root = &server.root;
    let of = |name: &str, length: usize, tier: Option<&str>| json!({ "Name": name, "Value": "x".repeat(length), "Type": "String", "Tier": tier, "Overwrite": true });
    for (name, length, tier, expected) in [
        ("a", 4_096, None, "Standard"),
        ("b", 8_192, Some("Advanced"), "Advanced"),
        ("c", 4_096, Some("Intelligent-Tiering"), "Standard"),
        ("c", 4_097, Some("Intelligent-Tiering"), "Advanced"),
        ("c", 1, Some("Intelligent-Tiering"), "Advanced"),
        ("c", 1, None, "Advanced"),
    ] {
        assert_eq!(
            ok::<op::PutParameter>(root, of(name, length, tier)).await["Tier"],
            json!(expected),
            "{name} {length}"
        );
    }
    for (name, length, tier, start) in [
        (
            "a",
            4_097,
            None,
            "ValidationException: Standard tier parameters support",
        ),
        (
            "b",
            8_193,
            None,
            "ValidationException: Advanced tier parameters support",
        ),
        (
            "b",
            1,
            Some("Standard"),
            "ValidationException: This parameter uses the advanced-parameter tier.",
        ),
    ] {
        let refused = err::<op::PutParameter>(root, of(name, length, tier)).await;
        assert!(
            refused.starts_with(start) && !refused.contains("xxx"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn what_a_put_may_not_say() {
    let server = Server::start().await;
    let root = &server.root;
    ok::<op::PutParameter>(root, put("p", "1")).await;
    let pattern = json!({ "Name": "digits", "Value": "12", "Type": "String", "AllowedPattern": "\\d+" });
    ok::<op::PutParameter>(root, pattern).await;
    for (call, start) in [
        (
            json!({ "Name": "q", "Value": "x" }),
            "ValidationException: A parameter type is required",
        ),
        (
            json!({ "Name": "p", "Value": "x", "Type": "StringList", "Overwrite": true }),
            "HierarchyTypeMismatchException: ",
        ),
        (
            json!({ "Name": "p", "Value": "x", "Overwrite": true, "Tags": [{ "Key": "k", "Value": "v" }] }),
            "ValidationException: Invalid request: tags and overwrite",
        ),
        (
            json!({ "Name": "q", "Value": "", "Type": "String" }),
            "ValidationException: ",
        ),
        (
            json!({ "Name": "q", "Value": "canary", "Type": "String", "AllowedPattern": "^[0-9]+$" }),
            "ParameterPatternMismatchException: Parameter value, cannot be validated against allowedPattern: ^[0-9]+$",
        ),
        (over("digits", "canary"), "ParameterPatternMismatchException: "),
        (over("digits", "1x"), "ParameterPatternMismatchException: "),
        (
            json!({ "Name": "q", "Value": "x", "Type": "String", "AllowedPattern": "(" }),
            "InvalidAllowedPatternException: ",
        ),
        (
            json!({ "Name": "q", "Value": "x", "Type": "String", "KeyId": "alias/aws/ssm" }),
            "ValidationException: A KMS key",
        ),
        (
            json!({ "Name": "q", "Value": "x", "Type": "SecureString", "KeyId": "alias/none" }),
            "InvalidKeyId: ",
        ),
        (
            json!({ "Name": "q", "Value": "ami-1", "Type": "String", "DataType": "aws:ec2:image" }),
            "ValidationException: The following data type is not supported: aws:ec2:image",
        ),
    ] {
        let refused = err::<op::PutParameter>(root, call).await;
        assert!(
            refused.starts_with(start) && !refused.contains("canary"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_hundred_versions_stay_and_a_label_holds_the_oldest() {
    let server = Server::start().await;
    let root = &server.root;
    ok::<op::PutParameter>(root, put("p", "0")).await;
    for number in 1..100 {
        ok::<op::PutParameter>(root, over("p", &number.to_string())).await;
    }
    ok::<op::LabelParameterVersion>(
        root,
        json!({ "Name": "p", "ParameterVersion": 1, "Labels": ["keep"] }),
    )
    .await;
    let refused = err::<op::PutParameter>(root, over("p", "100")).await;
    assert!(
        refused.starts_with("ParameterMaxVersionLimitExceeded: You attempted to create a new version of p"),
        "{refused}"
    );
    ok::<op::LabelParameterVersion>(
        root,
        json!({ "Name": "p", "ParameterVersion": 2, "Labels": ["keep"] }),
    )
    .await;
    assert_eq!(
        ok::<op::PutParameter>(root, over("p", "100")).await["Version"],
        json!(101)
    );
    let mut history = Vec::new();
    let mut call = json!({ "Name": "p" });
    loop {
        let page = ok::<op::GetParameterHistory>(root, call.clone()).await;
        history.extend(page["Parameters"].as_array().unwrap().clone());
        match page["NextToken"].as_str() {
            Some(next) => call["NextToken"] = json!(next),
            None => break,
        }
    }
    assert_eq!(history.len(), 100);
    assert_eq!(
        (
            &history[0]["Version"],
            &history[0]["Labels"],
            &history[0]["Value"]
        ),
        (&json!(2), &json!(["keep"]), &json!("1"))
    );
    assert_eq!(history[99]["Value"], json!("100"));
    assert_eq!(
        history[0]["LastModifiedUser"],
        json!(format!("arn:aws:iam::{ACCOUNT}:root"))
    );
}

#[tokio::test]
async fn labels_have_their_rules() {
    let server = Server::start().await;
    let root = &server.root;
    ok::<op::PutParameter>(root, put("p", "1")).await;
    ok::<op::PutParameter>(root, over("p", "2")).await;
    let label = |labels: Value, version: Option<i64>| json!({ "Name": "p", "Labels": labels, "ParameterVersion": version });
    let labelled =
        ok::<op::LabelParameterVersion>(root, label(json!(["good", "1st", "aws-x", "SSM", "a b"]), None))
            .await;
    assert_eq!(
        labelled,
        json!({ "InvalidLabels": ["1st", "aws-x", "SSM", "a b"], "ParameterVersion": 2 })
    );
    let many: Vec<_> = (0..10).map(|number| format!("l{number}")).collect();
    assert!(
        err::<op::LabelParameterVersion>(root, label(json!(many), None))
            .await
            .starts_with("ParameterVersionLabelLimitExceeded: ")
    );
    ok::<op::LabelParameterVersion>(root, label(json!(many), Some(1))).await;
    assert!(
        err::<op::LabelParameterVersion>(root, label(json!(["x"]), Some(7)))
            .await
            .starts_with("ParameterVersionNotFound: ")
    );
    let gone = ok::<op::UnlabelParameterVersion>(root, label(json!(["l0", "good", "never"]), Some(1))).await;
    assert_eq!(
        gone,
        json!({ "RemovedLabels": ["l0"], "InvalidLabels": ["good", "never"] })
    );
}

#[tokio::test]
async fn a_path_shows_what_is_below_it() {
    let server = Server::start().await;
    let root = &server.root;
    for name in ["/a/b", "/a/b/c", "/a/b/d/e", "/a/b-x", "/a/f", "/ab/c", "top"] {
        ok::<op::PutParameter>(root, put(name, name)).await;
    }
    for (path, recursive, expected) in [
        ("/a", false, vec!["/a/b", "/a/b-x", "/a/f"]),
        ("/a/", true, vec!["/a/b", "/a/b-x", "/a/b/c", "/a/b/d/e", "/a/f"]),
        ("/a/b", false, vec!["/a/b/c"]),
        ("/", false, vec![]),
        (
            "/",
            true,
            vec!["/a/b", "/a/b-x", "/a/b/c", "/a/b/d/e", "/a/f", "/ab/c"],
        ),
        ("/none", true, vec![]),
    ] {
        let mut call = json!({ "Path": path, "Recursive": recursive });
        let whole = ok::<op::GetParametersByPath>(root, call.clone()).await;
        assert_eq!(names(&whole), expected, "{path} {recursive}");
        call["MaxResults"] = json!(1);
        let mut paged = Vec::new();
        loop {
            let page = ok::<op::GetParametersByPath>(root, call.clone()).await;
            paged.extend(names(&page).into_iter().map(str::to_owned));
            match page["NextToken"].as_str() {
                Some(next) => call["NextToken"] = json!(next),
                None => break,
            }
        }
        assert_eq!(paged, expected, "{path} {recursive}");
    }
    ok::<op::PutParameter>(root, over("/a/f", "new")).await;
    ok::<op::LabelParameterVersion>(
        root,
        json!({ "Name": "/a/f", "ParameterVersion": 1, "Labels": ["old"] }),
    )
    .await;
    let by = |filter: Value| json!({ "Path": "/a", "ParameterFilters": [filter] });
    let found = ok::<op::GetParametersByPath>(root, by(json!({ "Key": "Label", "Values": ["old"] }))).await;
    assert_eq!(found["Parameters"][0]["Value"], json!("/a/f"));
    for (call, code) in [
        (json!({ "Path": "a" }), "ValidationException"),
        (by(json!({ "Key": "Name", "Values": ["x"] })), "InvalidFilterKey"),
        (
            by(json!({ "Key": "Type", "Option": "Contains", "Values": ["String"] })),
            "InvalidFilterOption",
        ),
        (
            by(json!({ "Key": "Type", "Values": ["Text"] })),
            "InvalidFilterValue",
        ),
        (json!({ "Path": "/a", "NextToken": "%" }), "InvalidNextToken"),
    ] {
        let refused = err::<op::GetParametersByPath>(root, call).await;
        assert!(refused.starts_with(&format!("{code}: ")), "{refused}");
    }
}

#[tokio::test]
async fn descriptions_are_filtered() {
    let server = Server::start().await;
    let root = &server.root;
    ok::<op::PutParameter>(root, json!({ "Name": "/x/one", "Value": "1", "Type": "String", "Tags": [{ "Key": "team", "Value": "a" }], "Description": "d" })).await;
    ok::<op::PutParameter>(
        root,
        json!({ "Name": "/x/y/two", "Value": "2,3", "Type": "StringList", "Tier": "Advanced" }),
    )
    .await;
    ok::<op::PutParameter>(
        root,
        json!({ "Name": "three", "Value": "3", "Type": "SecureString" }),
    )
    .await;
    let filter = |key: &str, option: Option<&str>, values: Value| json!({ "ParameterFilters": [{ "Key": key, "Option": option, "Values": values }] });
    for (call, expected) in [
        (json!({}), vec!["/x/one", "/x/y/two", "three"]),
        (
            filter("Name", None, json!(["three", "/x/one"])),
            vec!["/x/one", "three"],
        ),
        (
            filter("Name", Some("BeginsWith"), json!(["/x"])),
            vec!["/x/one", "/x/y/two"],
        ),
        (
            filter("Name", Some("Contains"), json!(["t"])),
            vec!["/x/y/two", "three"],
        ),
        (filter("Path", None, json!(["/x"])), vec!["/x/one"]),
        (
            filter("Path", Some("Recursive"), json!(["/x"])),
            vec!["/x/one", "/x/y/two"],
        ),
        (filter("Tier", None, json!(["Advanced"])), vec!["/x/y/two"]),
        (filter("KeyId", None, json!(["alias/aws/ssm"])), vec!["three"]),
        (filter("tag:team", None, json!(["a", "b"])), vec!["/x/one"]),
        (filter("tag:team", None, json!(["b"])), vec![]),
        (
            json!({ "Filters": [{ "Key": "Type", "Values": ["SecureString"] }] }),
            vec!["three"],
        ),
    ] {
        let found = ok::<op::DescribeParameters>(root, call.clone()).await;
        assert_eq!(names(&found), expected, "{call}");
        assert!(!found.to_string().contains("\"Value\""));
    }
    let one = ok::<op::DescribeParameters>(root, filter("Name", None, json!(["/x/one"]))).await;
    assert_eq!(
        (
            &one["Parameters"][0]["Description"],
            &one["Parameters"][0]["Version"]
        ),
        (&json!("d"), &json!(1))
    );
}

#[tokio::test]
async fn a_secure_string_is_opened_by_who_may_decrypt() {
    let server = Server::start().await;
    let root = &server.root;
    let key = ok::<kms::op::CreateKey>(root, json!({})).await["KeyMetadata"]["Arn"]
        .as_str()
        .unwrap()
        .to_owned();
    let secure = |name: &str, key: Option<&str>| json!({ "Name": name, "Value": "hunter2", "Type": "SecureString", "KeyId": key });
    ok::<op::PutParameter>(root, secure("default", None)).await;
    ok::<op::PutParameter>(root, secure("own", Some(&key))).await;
    let user = server.user("u", &allow("ssm:*", "*")).await;
    for name in ["default", "own"] {
        let sealed = ok::<op::GetParameter>(&user, json!({ "Name": name })).await;
        assert!(!sealed.to_string().contains("hunter2"), "{sealed}");
    }
    let open = |name: &str| json!({ "Name": name, "WithDecryption": true });
    assert_eq!(
        ok::<op::GetParameter>(&user, open("default")).await["Parameter"]["Value"],
        json!("hunter2")
    );
    let refused = err::<op::GetParameter>(&user, open("own")).await;
    assert!(
        refused.contains(&format!(
            "is not authorized to perform: kms:Decrypt on resource: {key}"
        )),
        "{refused}"
    );
    let several = json!({ "Names": ["default", "own"], "WithDecryption": true });
    assert!(
        err::<op::GetParameters>(&user, several.clone())
            .await
            .starts_with("AccessDeniedException: ")
    );
    assert!(
        err::<op::PutParameter>(&user, secure("new", Some(&key)))
            .await
            .contains("kms:Encrypt")
    );
    let condition = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "kms:Decrypt", "Resource": key,
        "Condition": { "StringEquals": { "kms:EncryptionContext:PARAMETER_ARN": format!("arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/own") } } }] });
    server.allow("u", "open", &condition.to_string()).await;
    assert_eq!(
        names(&ok::<op::GetParameters>(&user, several).await),
        ["default", "own"]
    );
    ok::<op::GetParameterHistory>(&user, json!({ "Name": "own", "WithDecryption": true })).await;
}

#[tokio::test]
async fn an_expired_parameter_is_gone() {
    let server = Server::start().await;
    let root = &server.root;
    let policies = |text: &str| json!({ "Name": "p", "Value": "v", "Type": "String", "Tier": "Intelligent-Tiering", "Policies": text, "Overwrite": true });
    let expiry =
        r#"[{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"2026-11-22T01:00:00.000Z"}}]"#;
    assert_eq!(
        ok::<op::PutParameter>(root, policies(expiry)).await["Tier"],
        json!("Advanced")
    );
    let shown = ok::<op::DescribeParameters>(root, json!({})).await;
    assert_eq!(
        shown["Parameters"][0]["Policies"][0]["PolicyType"],
        json!("Expiration")
    );
    for (text, code) in [
        ("{", "ValidationException"),
        (
            r#"[{"Type":"ExpirationNotification","Version":"1.0","Attributes":{"Before":"1","Unit":"Days"}}]"#,
            "InvalidPolicyTypeException",
        ),
        (
            r#"[{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"2020-01-01T00:00:00Z"}}]"#,
            "InvalidPolicyAttributeException",
        ),
        (
            r#"[{"Type":"Expiration","Version":"1.0"}]"#,
            "InvalidPolicyAttributeException",
        ),
    ] {
        let refused = err::<op::PutParameter>(root, policies(text)).await;
        assert!(refused.starts_with(&format!("{code}: ")), "{refused}");
    }
    server.clock.advance_seconds(3_600);
    assert_eq!(
        err::<op::GetParameter>(root, json!({ "Name": "p" })).await,
        "ParameterNotFound: "
    );
    assert_eq!(
        names(&ok::<op::DescribeParameters>(root, json!({})).await),
        Vec::<&str>::new()
    );
    schedule::forget(server.gate.world()).await;
    let view = server.gate.world().view();
    assert!(view.parameters.parameters.is_empty() && view.parameters.versions.is_empty());
}

#[tokio::test]
async fn who_may_do_what_with_which_parameter() {
    let server = Server::start().await;
    let root = &server.root;
    ok::<op::PutParameter>(root, json!({ "Name": "/app/a", "Value": "1", "Type": "String", "Tags": [{ "Key": "team", "Value": "x" }] })).await;
    ok::<op::PutParameter>(root, put("/app/b", "2")).await;
    let region = format!("arn:aws:ssm:us-east-1:{ACCOUNT}:parameter");
    let user = |name: &'static str, statement: Value| {
        let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
        let server = &server;
        async move { server.user(name, &policy).await }
    };
    let tagged = user("tagged", json!({ "Effect": "Allow", "Action": "ssm:GetParameter*", "Resource": "*", "Condition": { "StringEquals": { "ssm:resourceTag/team": "x" } } })).await;
    ok::<op::GetParameter>(&tagged, json!({ "Name": "/app/a" })).await;
    let refused = err::<op::GetParameters>(&tagged, json!({ "Names": ["/app/a", "/app/b"] })).await;
    assert!(
        refused.contains(&format!("ssm:GetParameters on resource: {region}/app/b")),
        "{refused}"
    );
    let path = user("path", json!({ "Effect": "Allow", "Action": "ssm:GetParametersByPath", "Resource": format!("{region}/app"), "Condition": { "StringEquals": { "ssm:Recursive": "false" } } })).await;
    ok::<op::GetParametersByPath>(&path, json!({ "Path": "/app" })).await;
    let refused = err::<op::GetParametersByPath>(&path, json!({ "Path": "/app", "Recursive": true })).await;
    assert!(
        refused.contains(&format!("on resource: {region}/app because")),
        "{refused}"
    );
    let maker = user("maker", json!({ "Effect": "Allow", "Action": "ssm:PutParameter", "Resource": "*", "Condition": { "StringEquals": { "ssm:Overwrite": "false" } } })).await;
    ok::<op::PutParameter>(&maker, put("mine", "1")).await;
    assert!(
        err::<op::PutParameter>(&maker, over("mine", "2"))
            .await
            .starts_with("AccessDeniedException: ")
    );
    let with_tags =
        json!({ "Name": "t", "Value": "1", "Type": "String", "Tags": [{ "Key": "k", "Value": "v" }] });
    assert!(
        err::<op::PutParameter>(&maker, with_tags)
            .await
            .contains("ssm:AddTagsToResource")
    );
    let named = |more: Value| {
        let mut call = json!({ "ResourceType": "Parameter", "ResourceId": "/app/a" });
        call.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        call
    };
    ok::<op::AddTagsToResource>(root, named(json!({ "Tags": [{ "Key": "l", "Value": "w" }] }))).await;
    ok::<op::RemoveTagsFromResource>(root, named(json!({ "TagKeys": ["team"] }))).await;
    let tags = ok::<op::ListTagsForResource>(root, named(json!({}))).await;
    assert_eq!(tags["TagList"], json!([{ "Key": "l", "Value": "w" }]));
    let deleted = ok::<op::DeleteParameters>(root, json!({ "Names": ["/app/a", "/none"] })).await;
    assert_eq!(
        deleted,
        json!({ "DeletedParameters": ["/app/a"], "InvalidParameters": ["/none"] })
    );
}

#[tokio::test]
async fn what_aws_publishes_is_there_for_everybody_whom_a_policy_lets() {
    let server = Server::start().await;
    let name = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id";
    let resource = "arn:aws:ssm:us-east-1::parameter/aws/service/ecs/*";
    let user = server.user("u", &allow("ssm:GetParameter*", resource)).await;
    let got = ok::<op::GetParameter>(&user, json!({ "Name": name })).await;
    assert_eq!(
        got["Parameter"]["ARN"],
        json!(format!("arn:aws:ssm:us-east-1::parameter{name}"))
    );
    let both = ok::<op::GetParameters>(&user, json!({ "Names": [name, "/aws/service/ecs/none"] })).await;
    assert_eq!(
        (names(&both), &both["InvalidParameters"]),
        (vec![name], &json!(["/aws/service/ecs/none"]))
    );
    let path = json!({ "Path": "/aws/service/ecs/optimized-ami/amazon-linux-2023", "MaxResults": 10 });
    let below = ok::<op::GetParametersByPath>(&user, path).await;
    assert_eq!(
        names(&below),
        ["/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended"]
    );
    let stranger = server
        .user("v", &allow("ssm:GetParameter", "arn:aws:ssm:*:123456789012:*"))
        .await;
    assert!(
        err::<op::GetParameter>(&stranger, json!({ "Name": name }))
            .await
            .starts_with("AccessDeniedException: ")
    );
}

#[tokio::test]
async fn a_deny_on_a_parameter_holds_however_its_arn_is_spelled() {
    let server = Server::start().await;
    let root = &server.root;
    ok::<op::PutParameter>(root, put("/prod/x", "canary")).await;
    let own = format!("arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/prod/x");
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "ssm:*", "Resource": "*" },
        { "Effect": "Deny", "Action": "ssm:*", "Resource": own }] });
    let user = server.user("u", &policy.to_string()).await;
    for partition in ["aws", "aws-cn", "aws-us-gov", "awsx"] {
        let name = own.replacen("arn:aws:", &format!("arn:{partition}:"), 1);
        let versioned = format!("{name}:1");
        for id in [&name, &versioned] {
            let got = user
                .call::<op::GetParameter>(&input::<op::GetParameter>(&json!({ "Name": id })))
                .await;
            assert!(got.is_err(), "{id}");
            let several = json!({ "Names": [id] });
            let got = user
                .call::<op::GetParameters>(&input::<op::GetParameters>(&several))
                .await;
            assert!(
                got.is_err() || got.unwrap().parameters.unwrap().is_empty(),
                "{id}"
            );
        }
        err::<op::GetParameterHistory>(&user, json!({ "Name": name })).await;
        err::<op::PutParameter>(&user, over(&name, "changed")).await;
        err::<op::LabelParameterVersion>(&user, json!({ "Name": name, "Labels": ["l"] })).await;
        let unlabel = json!({ "Name": name, "ParameterVersion": 1, "Labels": ["l"] });
        err::<op::UnlabelParameterVersion>(&user, unlabel).await;
        let tags = json!({ "ResourceType": "Parameter", "ResourceId": name });
        err::<op::ListTagsForResource>(&user, tags.clone()).await;
        let mut more = tags;
        more["Tags"] = json!([{ "Key": "k", "Value": "v" }]);
        err::<op::AddTagsToResource>(&user, more).await;
        err::<op::DeleteParameter>(&user, json!({ "Name": name })).await;
        let _ = user
            .call::<op::DeleteParameters>(&input::<op::DeleteParameters>(&json!({ "Names": [name] })))
            .await;
    }
    let left = ok::<op::GetParameter>(root, json!({ "Name": "/prod/x" })).await;
    assert_eq!(left["Parameter"]["Value"], json!("canary"));
}

#[tokio::test]
async fn what_aws_publishes_is_denied_by_its_own_arn_too() {
    let server = Server::start().await;
    let name = "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id";
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "ssm:*", "Resource": "*" },
        { "Effect": "Deny", "Action": "ssm:*", "Resource": "arn:aws:ssm:us-east-1::parameter/aws/service/*" }] });
    let user = server.user("u", &policy.to_string()).await;
    for arn in [
        format!("arn:aws:ssm:us-east-1::parameter{name}"),
        format!("arn:aws:ssm:us-east-1:{ACCOUNT}:parameter{name}"),
        format!("arn:aws:ssm:eu-west-1::parameter{name}"),
        format!("arn:aws-cn:ssm:us-east-1::parameter{name}"),
    ] {
        err::<op::GetParameter>(&user, json!({ "Name": arn })).await;
    }
}
