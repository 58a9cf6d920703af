//! Forms by hand: what stands where nothing is read, operations that are not there, bodies beyond the limit.

use portcullis_api::ec2::op;
use portcullis_wire::limits::MAX_BODY_BYTES;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{err, ok, vpc};
use crate::agent::Front;
use crate::harness::Server;

const EC2: &str = "Version=2016-11-15&Action";
const IAM: &str = "Version=2010-05-08&Action";

#[tokio::test]
async fn what_stands_where_nothing_is_read_is_refused_and_not_passed_over() {
    let server = Server::start().await;
    let root = &server.root;
    for (form, unknown) in [
        ("DescribeVpcs&VpcId.99999999999=vpc-1", "VpcId.99999999999"),
        ("DescribeVpcs&VpcId.x=vpc-1", "VpcId.x"),
        ("DescribeVpcs&VpcId.%2B1=vpc-1", "VpcId.+1"),
        ("DescribeVpcs&VpcId.01=vpc-1", "VpcId.01"),
        ("DescribeVpcs&VpcId.member.1=vpc-1", "VpcId.member"),
        ("DescribeVpcs&VpcId=vpc-1", "VpcId"),
        (
            "DescribeVpcs&Filter.99999999999.Name=vpc-id",
            "Filter.99999999999",
        ),
        (
            "DescribeVpcs&Filter.1.Name=vpc-id&Filter.1.Value=x",
            "Filter.1.Value",
        ),
        ("DescribeVpcs&Filter.1.Nme=vpc-id", "Filter.1.Nme"),
        ("DescribeVpcs&DryRun.1=true", "DryRun.1"),
    ] {
        let (status, body) = root.send_form("ec2", &format!("{EC2}={form}")).await;
        let expected = format!(
            "<Code>UnknownParameter</Code><Message>The parameter {unknown} is not recognized</Message>"
        );
        assert!(
            status == 400 && body.contains(&expected),
            "{form}: {status} {body}"
        );
    }
    for (form, unknown) in [
        ("CreateUser&UserName=a&Tags.1.Key=k", "Tags.1"),
        ("CreateUser&UserName=a&Tags.member.x.Key=k", "Tags.member.x"),
        ("CreateUser&UserName=a&Tags=k", "Tags"),
        ("CreateUser&UserName.1=a", "UserName.1"),
    ] {
        let (status, body) = root.send_form("iam", &format!("{IAM}={form}")).await;
        let expected = format!("parameter {unknown} is not understood");
        assert!(
            status == 400 && body.contains(&expected),
            "{form}: {status} {body}"
        );
    }
}

#[tokio::test]
async fn what_clients_write_is_read() {
    let server = Server::start().await;
    let root = &server.root;
    let made = vpc(root, "10.0.0.0/16").await;
    for (service, form) in [
        // AWS's SDK for Java writes a list that is there and empty so.
        ("ec2", format!("{EC2}=DescribeVpcs&VpcId=")),
        (
            "ec2",
            format!("{EC2}=DescribeVpcs&Filter.1.Name=vpc-id&Filter.1.Value.1={made}"),
        ),
        ("ec2", format!("{EC2}=DescribeVpcs&VpcId.2={made}")),
        ("iam", format!("{IAM}=CreateUser&UserName=a&Tags=")),
        (
            "iam",
            format!("{IAM}=CreateUser&UserName=b&Tags.member.1.Key=k&Tags.member.1.Value=v"),
        ),
    ] {
        let (status, body) = root.send_form(service, &form).await;
        assert_eq!(status, 200, "{form}: {body}");
    }
}

#[tokio::test]
async fn an_unknown_operation_is_refused_in_the_envelope_of_the_service() {
    let server = Server::start().await;
    for (service, form) in [
        ("ec2", "Version=2016-11-15&Action=MakeCoffee"),
        ("ec2", "Version=2010-01-01&Action=DescribeVpcs"),
        ("ec2", "Version=2016-11-15"),
        ("nobody", "Version=2016-11-15&Action=MakeCoffee"),
    ] {
        let (status, body) = server.root.send_form(service, form).await;
        assert!(
            status == 400 && body.contains("<Response><Errors><Error><Code>"),
            "{form}: {body}"
        );
    }
    let (_, body) = server
        .root
        .send_form("iam", "Version=2010-05-08&Action=MakeCoffee")
        .await;
    assert!(body.starts_with("<ErrorResponse"), "{body}");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_in_the_protocol_of_the_request() {
    let server = Server::start().await;
    let front = Front::open(&server).await;
    let signed = "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/SERVICE/aws4_request, SignedHeaders=host, Signature=0";
    for (head, expected) in [
        (
            signed.replace("SERVICE", "ec2"),
            "<Response><Errors><Error><Code>RequestEntityTooLarge</Code>",
        ),
        (signed.replace("SERVICE", "iam"), "<ErrorResponse"),
        (
            "x-amz-target: AmazonEC2ContainerServiceV20141113.ListClusters".to_owned(),
            "\"__type\":\"RequestEntityTooLarge\"",
        ),
        ("x-other: a".to_owned(), "Request Entity Too Large"),
    ] {
        let mut stream = TcpStream::connect(front.address).await.unwrap();
        let length = MAX_BODY_BYTES + 1;
        let head = format!(
            "POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{head}\r\ncontent-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'a'; length]).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
        assert!(reply.contains(expected), "{reply}");
    }
}

#[tokio::test]
async fn tags_and_descriptions_have_no_control_characters_and_one_specification() {
    let server = Server::start().await;
    let root = &server.root;
    let made = vpc(root, "10.0.0.0/16").await;
    for (key, value) in [("a\u{1b}[31m", "v"), ("k", "a\nb")] {
        let input = json!({ "Resources": [made], "Tags": [{ "Key": key, "Value": value }] });
        assert_eq!(
            err::<op::CreateTags>(root, input).await,
            "InvalidParameterValue: Tag keys and values cannot have control characters"
        );
    }
    let tags = json!({ "ResourceType": "vpc", "Tags": [{ "Key": "k", "Value": "v" }] });
    let input = json!({ "CidrBlock": "10.0.0.0/16", "TagSpecifications": [tags, tags] });
    let refused = err::<op::CreateVpc>(root, input).await;
    assert!(
        refused.starts_with("InvalidParameterValue: The same resource type 'vpc' "),
        "{refused}"
    );
    let input = json!({ "CidrBlock": "10.0.0.0/16", "TagSpecifications": [tags] });
    ok::<op::CreateVpc>(root, input).await;
}
