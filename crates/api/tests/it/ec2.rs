//! EC2's dialect of the query protocol: its names, its lists, its envelopes.

use portcullis_api::ec2::{self, op};
use portcullis_wire::{
    ErrorReply, Operation, RequestError, decode_reply, decode_request, encode_error, encode_reply,
    encode_request,
};

fn form<O: Operation>(input: &O::Input) -> String {
    String::from_utf8(encode_request::<O>(input).body).unwrap()
}

fn tag(key: &str, value: &str) -> ec2::Tag {
    ec2::Tag {
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
    }
}

fn rules() -> ec2::AuthorizeSecurityGroupIngressRequest {
    let permission = ec2::IpPermission {
        ip_protocol: Some("tcp".to_owned()),
        from_port: Some(80),
        to_port: Some(80),
        ip_ranges: Some(vec![ec2::IpRange {
            cidr_ip: Some("10.0.0.0/8".to_owned()),
            description: None,
        }]),
        user_id_group_pairs: Some(vec![ec2::UserIdGroupPair {
            group_id: Some("sg-1".to_owned()),
            ..Default::default()
        }]),
        ..Default::default()
    };
    ec2::AuthorizeSecurityGroupIngressRequest {
        group_id: Some("sg-0".to_owned()),
        ip_permissions: Some(vec![permission]),
        dry_run: Some(false),
        ..Default::default()
    }
}

#[test]
fn forms_have_capitals_and_lists_without_a_level_between() {
    assert_eq!(
        form::<op::AuthorizeSecurityGroupIngress>(&rules()),
        "Action=AuthorizeSecurityGroupIngress&Version=2016-11-15&GroupId=sg-0&IpPermissions.1.IpProtocol=tcp\
         &IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80&IpPermissions.1.Groups.1.GroupId=sg-1\
         &IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0%2F8&DryRun=false"
    );
    let create = ec2::CreateVpcRequest {
        cidr_block: Some("10.0.0.0/16".to_owned()),
        tag_specifications: Some(vec![ec2::TagSpecification {
            resource_type: Some("vpc".to_owned()),
            tags: Some(vec![tag("a", "b c")]),
        }]),
        ..Default::default()
    };
    let text = form::<op::CreateVpc>(&create);
    assert!(
        text.ends_with("&TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b%20c"),
        "{text}"
    );
    assert_eq!(decode_request::<op::CreateVpc>(text.as_bytes()), Ok(create));
    let text = form::<op::AuthorizeSecurityGroupIngress>(&rules());
    assert_eq!(
        decode_request::<op::AuthorizeSecurityGroupIngress>(text.as_bytes()),
        Ok(rules())
    );
}

#[test]
fn an_empty_list_is_not_written() {
    let none = ec2::DescribeVpcsRequest {
        vpc_ids: Some(Vec::new()),
        ..Default::default()
    };
    assert_eq!(
        form::<op::DescribeVpcs>(&none),
        "Action=DescribeVpcs&Version=2016-11-15"
    );
}

#[test]
fn answers_have_the_request_id_beside_their_members() {
    let output = ec2::DescribeVpcsResult {
        vpcs: Some(vec![ec2::Vpc {
            vpc_id: Some("vpc-1".to_owned()),
            is_default: Some(true),
            tags: Some(vec![tag("a", "<b>")]),
            ..Default::default()
        }]),
        next_token: None,
    };
    let reply = encode_reply::<op::DescribeVpcs>(&output, "the-id");
    let body = String::from_utf8(reply.body.clone()).unwrap();
    assert_eq!(
        body,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <DescribeVpcsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>the-id</requestId>\
         <vpcSet><item><isDefault>true</isDefault><tagSet><item><key>a</key><value>&lt;b&gt;</value></item></tagSet>\
         <vpcId>vpc-1</vpcId></item></vpcSet></DescribeVpcsResponse>"
    );
    assert_eq!(decode_reply::<op::DescribeVpcs>(200, &reply.body), Ok(output));
    let done = encode_reply::<op::DeleteVpc>(&portcullis_wire::Empty {}, "the-id");
    let body = String::from_utf8(done.body).unwrap();
    assert!(
        body.contains("<requestId>the-id</requestId><return>true</return></DeleteVpcResponse>"),
        "{body}"
    );
}

#[test]
fn errors_stand_in_a_list_of_one() {
    let error = ErrorReply::sender("InvalidVpcID.NotFound", 400, "The vpc ID 'vpc-<' does not exist");
    let reply = encode_error(&ec2::SERVICE, &error, "the-id");
    let body = String::from_utf8(reply.body.clone()).unwrap();
    assert_eq!(
        body,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code>\
         <Message>The vpc ID 'vpc-&lt;' does not exist</Message></Error></Errors><RequestID>the-id</RequestID></Response>"
    );
    let read = decode_reply::<op::DescribeVpcs>(400, &reply.body).unwrap_err();
    assert_eq!(
        (read.code(), read.to_string()),
        (
            "InvalidVpcID.NotFound",
            "InvalidVpcID.NotFound: The vpc ID 'vpc-<' does not exist".to_owned()
        )
    );
}

#[test]
fn broken_requests_get_ec2s_own_codes() {
    fn refused<O: Operation>(parameters: &str) -> String {
        let body = format!("Action={}&Version=2016-11-15{parameters}", O::META.name);
        let error: RequestError = decode_request::<O>(body.as_bytes()).unwrap_err();
        let reply = error.reply(O::META.service);
        format!("{} {}: {}", reply.status, reply.code, reply.message)
    }
    let cases = [
        (
            refused::<op::DeleteVpc>(""),
            "400 MissingParameter: The request must contain the parameter VpcId",
        ),
        (
            refused::<op::DeleteVpc>("&VpcId=vpc-1&Colour=blue"),
            "400 UnknownParameter: The parameter Colour is not recognized",
        ),
        (
            refused::<op::DeleteVpc>("&VpcId=vpc-1&DryRun=perhaps"),
            "400 InvalidParameterValue: DryRun must be true or false",
        ),
        (
            refused::<op::DescribeVpcs>("&MaxResults=4"),
            "400 InvalidParameterValue: 1 validation error detected: Value '4' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 5",
        ),
        (
            refused::<op::DescribeVpcs>("&VpcId.1=a&VpcId.1=b"),
            "400 InvalidParameterValue: parameter VpcId.1 is given twice",
        ),
    ];
    for (got, wanted) in cases {
        assert_eq!(got, wanted);
    }
    let deep = format!("&VpcId{}=x", ".1".repeat(100));
    assert!(refused::<op::DescribeVpcs>(&deep).contains("Nesting exceeded"));
    let many: String = (0..2_000).map(|number| format!("&VpcId.{number}=x")).collect();
    assert!(refused::<op::DescribeVpcs>(&many).contains("Too many members or parameters."));
}
