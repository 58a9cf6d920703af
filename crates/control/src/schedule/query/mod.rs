//! The cluster query language of `memberOf` constraints and ListContainerInstances' `filter` (ecs.md 10).
//!
//! ```
//! use portcullis_control::schedule::query::Expression;
//! let expression = Expression::parse("attribute:ecs.instance-type =~ g2.* and not(task:group == database)");
//! assert!(expression.is_ok());
//! ```

mod compare;
mod parse;
#[cfg(test)]
mod tests;

use portcullis_core::Timestamp;
use regex::Regex;
use thiserror::Error;

use compare::Version;

/// Longest expression AWS takes, in characters.
pub const EXPRESSION_CHARS_MAX: usize = 2_000;

/// The expression cannot be read; the text says why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidExpression(String);

/// What an expression can ask of a container instance.
pub trait Subject {
    /// Whether its agent holds an ACS session.
    fn agent_connected(&self) -> bool;
    /// The agent's version; `None` when it never told.
    fn agent_version(&self) -> Option<&str>;
    /// The EC2 instance id; external instances have none.
    fn ec2_instance_id(&self) -> Option<&str>;
    /// When it was registered.
    fn registered_at(&self) -> Timestamp;
    /// How many of its tasks have the desired status RUNNING.
    fn running_tasks_count(&self) -> i64;
    /// An attribute: `None` when absent, an empty text when it has no value.
    fn attribute(&self, name: &str) -> Option<&str>;
    /// Whether `accept` holds for the group of one of its tasks.
    fn any_task_group(&self, accept: &dyn Fn(&str) -> bool) -> bool;
}

/// A parsed expression.
#[derive(Debug, Clone)]
pub struct Expression(Node);

#[derive(Debug, Clone)]
enum Node {
    Any(Vec<Node>),
    All(Vec<Node>),
    Not(Box<Node>),
    Text {
        subject: TextSubject,
        negated: bool,
        test: TextTest,
    },
    Number {
        order: Order,
        value: i64,
    },
    Time {
        order: Order,
        value: Timestamp,
    },
    Version {
        order: Order,
        value: Version,
    },
}

/// Subjects compared as text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TextSubject {
    AgentConnected,
    Ec2InstanceId,
    Attribute(String),
    TaskGroup,
}

/// What a text must be; the negative operators are the negation of these, so that they hold for absent values too.
#[derive(Debug, Clone)]
enum TextTest {
    Equals(String),
    OneOf(Vec<String>),
    Matches(Regex),
    Exists,
}

/// An ordering operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, InvalidExpression> {
        if text.chars().count() > EXPRESSION_CHARS_MAX {
            return Err(InvalidExpression(format!(
                "longer than {EXPRESSION_CHARS_MAX} characters"
            )));
        }
        parse::expression(text).map(Self)
    }

    /// Whether a container instance satisfies it.
    pub fn matches(&self, subject: &dyn Subject) -> bool {
        self.0.matches(subject)
    }
}

impl Node {
    fn matches(&self, subject: &dyn Subject) -> bool {
        match self {
            Self::Any(nodes) => nodes.iter().any(|node| node.matches(subject)),
            Self::All(nodes) => nodes.iter().all(|node| node.matches(subject)),
            Self::Not(node) => !node.matches(subject),
            Self::Text {
                subject: which,
                negated,
                test,
            } => which.satisfies(test, subject) != *negated,
            Self::Number { order, value } => order.holds(subject.running_tasks_count().cmp(value)),
            Self::Time { order, value } => order.holds(subject.registered_at().cmp(value)),
            Self::Version { order, value } => {
                let version = subject.agent_version().and_then(Version::parse);
                version.is_some_and(|version| order.holds(version.cmp(value)))
            }
        }
    }
}

impl TextSubject {
    fn satisfies(&self, test: &TextTest, subject: &dyn Subject) -> bool {
        match self {
            Self::AgentConnected => test.accepts(if subject.agent_connected() {
                "true"
            } else {
                "false"
            }),
            Self::Ec2InstanceId => subject.ec2_instance_id().is_some_and(|id| test.accepts(id)),
            Self::Attribute(name) => subject.attribute(name).is_some_and(|value| test.accepts(value)),
            Self::TaskGroup => subject.any_task_group(&|group| test.accepts(group)),
        }
    }
}

impl TextTest {
    fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Equals(wanted) => wanted == text,
            Self::OneOf(list) => list.iter().any(|wanted| wanted == text),
            Self::Matches(pattern) => pattern.is_match(text),
            Self::Exists => true,
        }
    }
}

impl Order {
    fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
        }
    }
}
