//! Which operation a request asks for.

use http::request::Parts;
use portcullis_api::SERVICES;
use portcullis_wire::route;

fn parts(uri: &str, target: Option<&str>) -> Parts {
    let mut builder = http::Request::builder().method("POST").uri(uri);
    if let Some(target) = target {
        builder = builder.header("x-amz-target", target);
    }
    builder.body(()).unwrap().into_parts().0
}

fn routed(uri: &str, target: Option<&str>, body: &str) -> String {
    match route(SERVICES, &parts(uri, target), body.as_bytes()) {
        Ok(route) => {
            let payload = String::from_utf8_lossy(route.payload.body);
            format!("{}.{} <- {payload}", route.service.name, route.operation)
        }
        Err(error) => {
            let reply = error.reply("the-id");
            format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body))
        }
    }
}

#[test]
fn requests_find_their_operation_or_the_protocols_own_refusal() {
    let ecs = |name: &str| format!("AmazonEC2ContainerServiceV20141113.{name}");
    let trail = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents";
    let answers = [
        routed("/", Some(&ecs("RunTask")), "{}"),
        routed("/", Some(&ecs("CreateDaemon")), "{}"),
        routed("/", Some(trail), "{}"),
        routed("/", Some(&ecs("Nonsense")), "{}"),
        routed("/", Some("Nothing.RunTask"), "{}"),
        routed("/", Some("no-dot"), "{}"),
        routed("/", None, "Action=CreateUser&Version=2010-05-08&UserName=a"),
        routed("/", None, "Version=2011-06-15&Action=GetCallerIdentity"),
        routed("/?Action=GetCallerIdentity&Version=2011-06-15", None, ""),
        routed("/", None, "Action=GetCallerIdentity"),
        routed("/", None, "Action=CreateUser&Version=2011-06-15"),
        routed("/", None, "Action=<script>"),
        routed("/", None, "Version=2011-06-15"),
        routed("/", None, ""),
        routed("/", None, "\u{0}\u{1}"),
    ];
    insta::assert_snapshot!(answers.join("\n"));
}
