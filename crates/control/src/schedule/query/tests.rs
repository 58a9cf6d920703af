mod model;

use super::*;

struct Instance {
    connected: bool,
    version: &'static str,
    ec2: Option<&'static str>,
    registered: &'static str,
    running: i64,
    attributes: &'static [(&'static str, &'static str)],
    groups: &'static [&'static str],
}

impl Subject for Instance {
    fn agent_connected(&self) -> bool {
        self.connected
    }
    fn agent_version(&self) -> Option<&str> {
        Some(self.version)
    }
    fn ec2_instance_id(&self) -> Option<&str> {
        self.ec2
    }
    fn registered_at(&self) -> Timestamp {
        self.registered.parse().unwrap()
    }
    fn running_tasks_count(&self) -> i64 {
        self.running
    }
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }
    fn any_task_group(&self, accept: &dyn Fn(&str) -> bool) -> bool {
        self.groups.iter().any(|group| accept(group))
    }
}

const INSTANCE: Instance = Instance {
    connected: true,
    version: "1.14.4",
    ec2: Some("i-abcd1234"),
    registered: "2018-02-12T22:28:28Z",
    running: 1,
    attributes: &[
        ("ecs.instance-type", "g2.2xlarge"),
        ("ecs.availability-zone", "us-east-1a"),
        ("stack", "prod blue"),
        ("ecs.capability.task-eni", ""),
    ],
    groups: &["service:production", "family:web"],
};

#[test]
fn every_form_of_the_language_decides_as_documented() {
    let cases = [
        // AWS's own examples (ecs.md 10).
        ("attribute:ecs.instance-type == t2.small", false),
        (
            "attribute:ecs.availability-zone in [us-east-1a, us-east-1b]",
            true,
        ),
        (
            "attribute:ecs.instance-type =~ g2.* and attribute:ecs.availability-zone != us-east-1d",
            true,
        ),
        ("task:group == service:production", true),
        ("not(task:group == database)", true),
        ("runningTasksCount == 1", true),
        ("agentVersion < 1.14.5", true),
        ("registeredAt < 2018-02-13", true),
        ("ec2InstanceId in ['i-abcd1234', 'i-wxyx7890']", true),
        // A missing attribute differs from every value.
        ("attribute:zone != red", true),
        ("attribute:zone !in [red, blue]", true),
        ("attribute:zone !~ r.*", true),
        ("attribute:zone == red", false),
        ("attribute:zone exists", false),
        ("attribute:zone not_exists", true),
        ("attribute:ecs.capability.task-eni exists", true),
        ("attribute:ecs.capability.task-eni !exists", false),
        // Words and signs.
        (
            "attribute:stack equals 'prod blue' && agentConnected == true",
            true,
        ),
        (
            "attribute:stack not_equals 'prod blue' || agentConnected != true",
            false,
        ),
        ("ec2InstanceId matches i-.*", true),
        ("ec2InstanceId not_matches i-.*", false),
        ("ec2InstanceId not_in [i-1,i-2]", true),
        (
            "runningTasksCount greater_than 0 and runningTasksCount less_than_equal 1",
            true,
        ),
        ("runningTasksCount>=2", false),
        // Patterns match the whole value.
        ("attribute:ecs.instance-type =~ g2", false),
        ("attribute:ecs.instance-type =~ 'g2|g2.2xlarge'", true),
        // Versions and dates are compared by what they mean.
        ("agentVersion > 1.9.10", true),
        ("agentVersion == 1.14.4.0", true),
        ("registeredAt > 2018-02-12T23:28:27+01:00", true),
        ("registeredAt <= 2018-02-12T22:28:28", true),
        // `and` binds closer than `or`; `!` closest.
        (
            "runningTasksCount == 1 or runningTasksCount == 2 and runningTasksCount == 3",
            true,
        ),
        (
            "(runningTasksCount == 1 or runningTasksCount == 2) and runningTasksCount == 3",
            false,
        ),
        ("!runningTasksCount == 1", false),
        (
            "! (runningTasksCount == 1) or not not runningTasksCount == 1",
            true,
        ),
    ];
    for (text, expected) in cases {
        let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(expression.matches(&INSTANCE), expected, "{text}");
    }
}

#[test]
fn what_is_not_of_the_language_is_refused_and_says_where() {
    let cases = [
        ("", "unexpected end"),
        ("attribute:x ==", "unexpected end"),
        ("attribute: == 1", "unexpected `attribute:` at position 0"),
        (
            "instanceType == t2.small",
            "unexpected `instanceType` at position 0",
        ),
        ("attribute:x = 1", "unexpected `=` at position 12"),
        (
            "attribute:x == 1 attribute:y == 2",
            "unexpected `attribute:y` at position 17",
        ),
        ("(attribute:x == 1", "unexpected end"),
        ("attribute:x == (1)", "unexpected `(1)` at position 15"),
        ("attribute:x in 1", "unexpected `1` at position 15"),
        ("attribute:x in []", "unexpected `]` at position 16"),
        ("attribute:x == 'open", "unexpected end"),
        ("attribute:x > 1", "the operator cannot be used with attribute:x"),
        (
            "ec2InstanceId exists",
            "the operator cannot be used with ec2InstanceId",
        ),
        (
            "runningTasksCount =~ 1",
            "the operator cannot be used with runningTasksCount",
        ),
        (
            "runningTasksCount == many",
            "`many` cannot be compared with runningTasksCount",
        ),
        (
            "registeredAt < yesterday",
            "`yesterday` cannot be compared with registeredAt",
        ),
        ("attribute:x =~ '(?=a)a'", "`(?=a)a` is not a supported pattern"),
        ("attribute:x =~ 'a)(b'", "`a)(b` is not a supported pattern"),
        (r"attribute:x =~ '(a)\1'", r"`(a)\1` is not a supported pattern"),
    ];
    for (text, message) in cases {
        let error = Expression::parse(text).expect_err(text);
        assert_eq!(error.to_string(), message, "{text}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let long = format!("attribute:x == {}", "a".repeat(EXPRESSION_CHARS_MAX));
    assert!(Expression::parse(&long).is_err());
    let deep = format!("{}agentConnected == true{}", "(".repeat(65), ")".repeat(65));
    assert_eq!(
        Expression::parse(&deep).unwrap_err().to_string(),
        "nested deeper than 64"
    );
    let wide = vec!["agentConnected == true"; 70].join(" and ");
    assert!(Expression::parse(&wide).unwrap().matches(&INSTANCE));
}

proptest::proptest! {
    #[test]
    fn no_text_brings_the_parser_down(text in "[ !()a-z:=<>~\\[\\],'.0-9&|]{0,60}") {
        let _ = Expression::parse(&text);
    }
}

#[test]
fn bombs_of_patterns_are_refused_or_cheap() {
    let refused = [
        "(a{500}){500}",
        r"\w{4000}",
        "((((a{20}){20}){20}){20})",
        "(?:x{999}){999}{999}",
    ];
    for pattern in refused {
        let error = Expression::parse(&format!("attribute:x =~ '{pattern}'")).expect_err(pattern);
        assert!(
            error.to_string().ends_with("is not a supported pattern"),
            "{error}"
        );
    }
    // What brings backtracking engines down: here time is linear in the value.
    let value = "a".repeat(100_000);
    for pattern in ["(a+)+b", "(a|a)*b", "(a|aa)+$b", "(.*)*x"] {
        let expression = Expression::parse(&format!("attribute:x =~ '{pattern}'")).expect(pattern);
        let Node::Text { test, .. } = &expression.0 else {
            panic!("no text")
        };
        assert!(!test.accepts(&value), "{pattern}");
    }
    let many = vec!["attribute:x =~ a.*"; 21].join(" and ");
    assert_eq!(
        Expression::parse(&many).unwrap_err().to_string(),
        "more than 20 patterns"
    );
}
