//! `portcullis policy simulate`.

use serde_json::{Value, json};

use crate::tool::{Desk, mission};

const TASK: &str = "arn:aws:ecs:us-east-1:111122223333:task/default/0123";
const EVERYTHING: &str =
    r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;

/// Two users with policies of the mission, one of them guarded.
fn office() -> Desk {
    let desk = Desk::new();
    desk.mission("01b-stoptask-corrected.json")
        .mission("05-AmazonECS_FullAccess.json")
        .file(
            "guard.json",
            r#"{"Version": "2012-10-17", "Statement": {"Sid": "NoStop", "Effect": "Deny", "Action": "ecs:Stop*", "Resource": "*"}}"#,
        );
    desk
}

#[test]
fn the_matrix_of_principals_and_actions() {
    let desk = office();
    let run = desk.policy(&[
        "simulate",
        "--principal",
        "richard=01b-stoptask-corrected.json",
        "--principal",
        "arn:aws:iam::111122223333:role/ops/admin=05-AmazonECS_FullAccess.json,guard.json",
        "--action",
        "ecs:Stop*",
        "--action",
        "ecs:runtask",
        "--action",
        "ecs:Describe*Tasks",
        "--resource",
        TASK,
        "--resource",
        "*",
    ]);
    assert_eq!(run.code, 0);
    insta::assert_snapshot!(run.page());
}

#[test]
fn principals_come_from_a_directory() {
    let desk = Desk::new();
    desk.file("people/admin.json", EVERYTHING)
        .file(
            "people/nobody/none.json",
            &EVERYTHING.replace("\"Action\": \"*\"", "\"Action\": \"s3:*\""),
        )
        .file("people/readme.txt", "no policy");
    let run = desk.policy(&[
        "simulate",
        "--principal",
        "people",
        "--action",
        "ecs:ListClusters",
        "--boundary",
        "people/admin.json",
    ]);
    insta::assert_snapshot!(run.page());
}

#[test]
fn json_says_why() {
    let desk = office();
    let run = desk.policy(&[
        "simulate",
        "--principal",
        "admin=05-AmazonECS_FullAccess.json,guard.json",
        "--action",
        "ecs:StopTask",
        "--action",
        "iam:PassRole",
        "--resource",
        TASK,
        "--format",
        "json",
    ]);
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json[0]["decision"], "explicitDeny");
    assert_eq!(
        json[0]["statements"],
        json!([{"policy": "guard.json", "statement": 0, "sid": "NoStop"}])
    );
    assert_eq!(json[1]["decision"], "implicitDeny");
    assert_eq!(json[1]["stoppedBy"], "IDENTITY_BASED_POLICY");
}

#[test]
fn bad_input_ends_with_2_and_one_line() {
    let desk = office();
    desk.file("broken.json", "{").file("empty/readme.txt", "");
    let action = ["--action", "ecs:RunTask"];
    let ask = |principal: &str| desk.policy(&[&["simulate", "--principal", principal], &action[..]].concat());
    let runs = [
        ask("richard"),
        ask("richard=broken.json"),
        ask("a:b=guard.json"),
        ask("empty"),
        desk.policy(
            &[
                &["simulate", "--principal", "r=guard.json", "--principal", "r="],
                &action[..],
            ]
            .concat(),
        ),
        desk.policy(&["simulate", "--principal", "r=guard.json", "--action", "nothing:*"]),
        desk.policy(&["simulate", "--principal", "r=guard.json", "--action", "s3:Ge:x"]),
        desk.policy(
            &[
                &["simulate", "--principal", "r=guard.json", "--resource", "foo"],
                &action[..],
            ]
            .concat(),
        ),
        desk.policy(&["simulate", "--scenario", "broken.json"]),
    ];
    for run in &runs {
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.page());
    }
    let told: Vec<_> = runs.iter().map(|run| run.stderr.as_str()).collect();
    insta::assert_snapshot!(told.concat());
}

fn scenario() -> Value {
    json!({
        "now": "2026-11-22T12:00:00Z",
        "principals": {
            "richard": {
                "arn": "arn:aws:iam::111122223333:user/richard-roe",
                "policies": "01b-stoptask-corrected.json",
                "context": {"aws:PrincipalTag/team": "web"},
            },
            "admin": {
                "arn": "arn:aws:iam::111122223333:role/admin",
                "policies": ["05-AmazonECS_FullAccess.json"],
                "boundary": "guard.json",
            },
        },
        "cases": [
            {"id": "stops its own", "principal": "richard", "action": "ecs:StopTask", "resource": TASK,
             "context": {"ecs:cluster": "arn:aws:ecs:us-east-1:111122223333:cluster/default"}, "expect": "Allow"},
            {"principal": "richard", "action": ["ecs:RunTask", "ecs:Describe*"], "resource": [TASK, "*"], "expect": "ImplicitDeny"},
            {"principal": "admin", "action": "ecs:StopTask", "resource": TASK, "expect": "ExplicitDeny", "note": "the boundary"},
        ],
    })
}

#[test]
fn a_scenario_that_holds_ends_with_0() {
    let desk = office();
    desk.file("scenario.json", &scenario().to_string());
    let run = desk.policy(&["simulate", "--scenario", "scenario.json"]);
    insta::assert_snapshot!(run.page());
}

#[test]
fn a_scenario_that_fails_ends_with_1_and_says_why() {
    let desk = office();
    let mut scenario = scenario();
    scenario["cases"][0]["context"] = json!({});
    scenario["cases"][2]["expect"] = json!("Allow");
    desk.file(
        "deep/scenario.json",
        &scenario
            .to_string()
            .replace("\"01b", "\"../01b")
            .replace("\"05", "\"../05")
            .replace("\"guard", "\"../guard"),
    );
    let run = desk.policy(&["simulate", "--scenario", "deep/scenario.json"]);
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.page());
    let run = desk.policy(&["simulate", "--scenario", "deep/scenario.json", "--format", "json"]);
    assert_eq!(run.code, 1);
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&json[0]["id"], &json[0]["asExpected"]),
        (&json!("stops its own"), &json!(false))
    );
}

#[test]
fn a_scenario_with_mistakes_ends_with_2() {
    let desk = office();
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut scenario = scenario();
        change(&mut scenario);
        desk.file("scenario.json", &scenario.to_string());
        let run = desk.policy(&["simulate", "--scenario", "scenario.json"]);
        assert_eq!(run.code, 2, "{}", run.page());
        run.stderr
    };
    desk.file(
        "broken.json",
        "{\"Version\": \"2012-10-17\",\n \"Statement\": []}",
    );
    let told = [
        broken(&|scenario| scenario["cases"][0]["expct"] = json!("Allow")),
        broken(&|scenario| scenario["cases"][0]["expect"] = json!("Perhaps")),
        broken(&|scenario| scenario["cases"][0]["principal"] = json!("nobody")),
        broken(&|scenario| scenario["cases"][0]["action"] = json!("nothing:*")),
        broken(&|scenario| scenario["cases"][0]["policies"] = json!("nowhere.json")),
        broken(&|scenario| scenario["cases"][0]["policies"] = json!("broken.json")),
        broken(&|scenario| scenario["now"] = json!("soon")),
    ];
    insta::assert_snapshot!(told.concat());
}

/// The 104 cases of the mission, as a scenario.
#[test]
fn every_case_of_the_mission_holds() {
    let desk = Desk::new();
    desk.file("everything.json", EVERYTHING);
    let cases: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(mission().join("cases.json")).unwrap()).unwrap();
    let case = |case: &Value| {
        let name = case["policy"].as_str().unwrap();
        let file = mission().join(name);
        let mut of_scenario = json!({
            "id": case["id"], "principal": case["principal"], "action": case["action"], "resource": case["resource"],
            "context": case["context"], "expect": case["expect"], "note": case["note"],
        });
        match name.starts_with("19-") {
            true => {
                of_scenario["trustPolicy"] = json!(file);
                of_scenario["policies"] = json!("everything.json");
            }
            false => of_scenario["policies"] = json!(file),
        }
        of_scenario
    };
    let scenario = json!({"cases": cases.iter().map(case).collect::<Vec<_>>()});
    desk.file("scenario.json", &scenario.to_string());
    let run = desk.policy(&["simulate", "--scenario", "scenario.json"]);
    assert_eq!(run.code, 0, "{}", run.page());
    assert_eq!(run.stdout, "104 of 104 requests are as expected\n");
}
