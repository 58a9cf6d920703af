"""CloudWatch Logs: groups, streams, events, tags, policies."""

import json
import time

import pytest

from account import ACCOUNT
from case import Invalid, Logs

NO_GROUP = r"The specified log group does not exist\."


def arn(aws, group):
    return f"arn:aws:logs:{aws.region}:{ACCOUNT}:log-group:{group}"


def group(aws, **more):
    """A new log group; its name."""
    name = aws.name("/cases/group")
    aws.client("logs").create_log_group(logGroupName=name, **more)
    return name


def stream(aws, events=()):
    """A new group with a stream; both names."""
    name = group(aws)
    aws.client("logs").create_log_stream(logGroupName=name, logStreamName="app/1")
    if events:
        put(aws, name, events)
    return name, "app/1"


def put(aws, name, messages):
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": message} for number, message in enumerate(messages)]
    aws.client("logs").put_log_events(logGroupName=name, logStreamName="app/1", logEvents=events)


def described(aws, name):
    groups = aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return next((row for row in groups if row["logGroupName"] == name), None)


def on_group(aws, parameters):
    return f"{arn(aws, parameters['logGroupName'])}:log-stream:"


def on_stream(aws, parameters):
    return on_group(aws, parameters) + parameters["logStreamName"]


def on_all(aws):
    return f"{arn(aws, '')}:log-stream:"


class CreateLogGroup(Logs):
    def parameters(self, aws):
        return {"logGroupName": aws.name("/cases/made"), "tags": {"stage": "test"}, "deletionProtectionEnabled": True}

    def check(self, aws, parameters, reply):
        name = parameters["logGroupName"]
        shown = described(aws, name)
        assert shown["arn"] == f"{arn(aws, name)}:*" and shown["logGroupArn"] == arn(aws, name)
        assert (shown["storedBytes"], shown["metricFilterCount"], shown["logGroupClass"]) == (0, 0, "STANDARD")
        assert shown["deletionProtectionEnabled"] and "retentionInDays" not in shown
        assert aws.client("logs").list_tags_for_resource(resourceArn=arn(aws, name))["tags"] == {"stage": "test"}

    def resource(self, aws, parameters):
        return on_group(aws, parameters)

    def invalid(self, aws):
        return Invalid({"logGroupName": "aws/x"}, "InvalidParameterException", r"Log groups starting with AWS/ are reserved for AWS\.")


class DeleteLogGroup(Logs):
    def parameters(self, aws):
        return {"logGroupName": stream(aws, ["gone"])[0]}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["logGroupName"]) is None

    def resource(self, aws, parameters):
        return on_group(aws, parameters)

    def invalid(self, aws):
        return Invalid({"logGroupName": "none"}, "ResourceNotFoundException", NO_GROUP)


class DescribeLogGroups(Logs):
    def parameters(self, aws):
        prefix = aws.name("/cases/described")
        for end in "abc":
            aws.client("logs").create_log_group(logGroupName=prefix + end)
        return {"logGroupNamePrefix": prefix}

    def check(self, aws, parameters, reply):
        prefix = parameters["logGroupNamePrefix"]
        assert [row["logGroupName"] for row in reply["logGroups"]] == [prefix + end for end in "abc"]
        pages = aws.client("logs").get_paginator("describe_log_groups").paginate(**parameters, PaginationConfig={"PageSize": 2})
        assert [len(page["logGroups"]) for page in pages] == [2, 1]

    def resource(self, aws, parameters):
        return on_all(aws)

    def invalid(self, aws):
        both = {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}
        return Invalid(both, "InvalidParameterException", "LogGroup name prefix and LogGroup name pattern are mutually .*")


class ListLogGroups(Logs):
    def parameters(self, aws):
        name = aws.name("listed")
        aws.client("logs").create_log_group(logGroupName=name)
        return {"logGroupNamePattern": f"^{name}"}

    def check(self, aws, parameters, reply):
        name = parameters["logGroupNamePattern"][1:]
        expected = {"logGroupName": name, "logGroupArn": arn(aws, name), "logGroupClass": "STANDARD"}
        assert reply["logGroups"] == [expected]

    def resource(self, aws, parameters):
        return on_all(aws)

    def invalid(self, aws):
        return Invalid({"nextToken": "!"}, "InvalidParameterException", r"The specified nextToken is invalid\.")


class PutRetentionPolicy(Logs):
    def parameters(self, aws):
        return {"logGroupName": group(aws), "retentionInDays": 7}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["logGroupName"])["retentionInDays"] == 7

    def resource(self, aws, parameters):
        return on_group(aws, parameters)

    def invalid(self, aws):
        text = r"1 validation error detected: Value '2' at 'retentionInDays' failed to satisfy constraint: .*"
        return Invalid({"logGroupName": group(aws), "retentionInDays": 2}, "InvalidParameterException", text)


class DeleteRetentionPolicy(Logs):
    def parameters(self, aws):
        name = group(aws)
        aws.client("logs").put_retention_policy(logGroupName=name, retentionInDays=7)
        return {"logGroupName": name}

    def check(self, aws, parameters, reply):
        assert "retentionInDays" not in described(aws, parameters["logGroupName"])

    def resource(self, aws, parameters):
        return on_group(aws, parameters)

    def invalid(self, aws):
        return Invalid({"logGroupName": "none"}, "ResourceNotFoundException", NO_GROUP)


class PutLogGroupDeletionProtection(Logs):
    def parameters(self, aws):
        return {"logGroupIdentifier": arn(aws, group(aws)), "deletionProtectionEnabled": True}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters["logGroupIdentifier"].split(":")[-1])["deletionProtectionEnabled"]

    def resource(self, aws, parameters):
        return parameters["logGroupIdentifier"] + ":log-stream:"

    def invalid(self, aws):
        unknown = {"logGroupIdentifier": "arn:aws:logs:x", "deletionProtectionEnabled": True}
        return Invalid(unknown, "InvalidParameterException", r"The specified log group identifier is invalid\.")


def key(aws):
    """A KMS key that CloudWatch Logs may use; its ARN."""
    everything = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    account = everything | {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    logs = everything | {"Principal": {"Service": f"logs.{aws.region}.amazonaws.com"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [account, logs]})
    return aws.client("kms").create_key(Policy=policy)["KeyMetadata"]["Arn"]


class AssociateKmsKey(Logs):
    def parameters(self, aws):
        return {"logGroupName": stream(aws, ["clear"])[0], "kmsKeyId": key(aws)}

    def check(self, aws, parameters, reply):
        name = parameters["logGroupName"]
        assert described(aws, name)["kmsKeyId"] == parameters["kmsKeyId"]
        put(aws, name, ["sealed"])
        logs, kms = aws.client("logs"), aws.client("kms")
        assert [event["message"] for event in logs.filter_log_events(logGroupName=name)["events"]] == ["clear", "sealed"]
        kms.disable_key(KeyId=parameters["kmsKeyId"])
        with pytest.raises(logs.exceptions.ClientError, match="is not allowed to be used with Arn"):
            logs.filter_log_events(logGroupName=name)
        kms.enable_key(KeyId=parameters["kmsKeyId"])
        assert len(logs.filter_log_events(logGroupName=name)["events"]) == 2

    def resource(self, aws, parameters):
        return on_group(aws, parameters)

    def invalid(self, aws):
        unknown = {"logGroupName": group(aws), "kmsKeyId": "alias/none"}
        return Invalid(unknown, "InvalidParameterException", r"The specified KMS Key Id could not be found\.")


class DisassociateKmsKey(Logs):
    def parameters(self, aws):
        return {"resourceIdentifier": arn(aws, group(aws, kmsKeyId=key(aws)))}

    def check(self, aws, parameters, reply):
        assert "kmsKeyId" not in described(aws, parameters["resourceIdentifier"].split(":")[-1])

    def resource(self, aws, parameters):
        return parameters["resourceIdentifier"] + ":log-stream:"

    def invalid(self, aws):
        text = r"Specify either logGroupName or resourceIdentifier, and only one of them\."
        return Invalid({}, "InvalidParameterException", text)


class CreateLogStream(Logs):
    def parameters(self, aws):
        return {"logGroupName": group(aws), "logStreamName": "web/[1]"}

    def check(self, aws, parameters, reply):
        name = parameters["logGroupName"]
        [shown] = aws.client("logs").describe_log_streams(logGroupName=name)["logStreams"]
        assert shown["arn"] == f"{arn(aws, name)}:log-stream:web/[1]"
        assert shown["storedBytes"] == 0 and "firstEventTimestamp" not in shown

    def resource(self, aws, parameters):
        return on_stream(aws, parameters)

    def invalid(self, aws):
        unknown = {"logGroupName": "none", "logStreamName": "s"}
        return Invalid(unknown, "ResourceNotFoundException", NO_GROUP)


class DeleteLogStream(Logs):
    def parameters(self, aws):
        name, one = stream(aws, ["gone"])
        return {"logGroupName": name, "logStreamName": one}

    def check(self, aws, parameters, reply):
        logs, name = aws.client("logs"), parameters["logGroupName"]
        assert logs.describe_log_streams(logGroupName=name)["logStreams"] == []
        assert logs.filter_log_events(logGroupName=name)["events"] == []

    def resource(self, aws, parameters):
        return on_stream(aws, parameters)

    def invalid(self, aws):
        unknown = {"logGroupName": group(aws), "logStreamName": "none"}
        return Invalid(unknown, "ResourceNotFoundException", r"The specified log stream does not exist\.")


class DescribeLogStreams(Logs):
    def parameters(self, aws):
        return {"logGroupIdentifier": arn(aws, stream(aws, ["one", "two"])[0]), "orderBy": "LastEventTime"}

    def check(self, aws, parameters, reply):
        [shown] = reply["logStreams"]
        assert shown["lastEventTimestamp"] == shown["firstEventTimestamp"] + 1
        assert shown["lastIngestionTime"] >= shown["creationTime"] and shown["uploadSequenceToken"]

    def resource(self, aws, parameters):
        return parameters["logGroupIdentifier"] + ":log-stream:"

    def invalid(self, aws):
        both = {"logGroupName": group(aws), "orderBy": "LastEventTime", "logStreamNamePrefix": "a"}
        return Invalid(both, "InvalidParameterException", r"Cannot order by LastEventTime with a logStreamNamePrefix\.")


class PutLogEvents(Logs):
    def parameters(self, aws):
        name, one = stream(aws)
        now = int(time.time() * 1000)
        times = [now - 15 * 86_400_000, now, now, now + 3 * 3_600_000]
        events = [{"timestamp": at, "message": f"message {number}"} for number, at in enumerate(times)]
        return {"logGroupName": name, "logStreamName": one, "logEvents": events, "sequenceToken": "ignored"}

    def check(self, aws, parameters, reply):
        assert reply["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 3}
        assert len(reply["nextSequenceToken"]) == 56
        named = {key: parameters[key] for key in ("logGroupName", "logStreamName")}
        kept = [event["message"] for event in aws.client("logs").get_log_events(**named)["events"]]
        assert kept == ["message 1", "message 2"]

    def resource(self, aws, parameters):
        return on_stream(aws, parameters)

    def invalid(self, aws):
        name, one = stream(aws)
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": "b"}, {"timestamp": now - 1, "message": "a"}]
        text = r"Log events in a single PutLogEvents request must be in chronological order\."
        return Invalid({"logGroupName": name, "logStreamName": one, "logEvents": events}, "InvalidParameterException", text)


class GetLogEvents(Logs):
    def parameters(self, aws):
        name, one = stream(aws, ["one", "two", "three"])
        return {"logGroupName": name, "logStreamName": one, "startFromHead": True, "limit": 2}

    def check(self, aws, parameters, reply):
        assert [event["message"] for event in reply["events"]] == ["one", "two"]
        more = aws.client("logs").get_log_events(**parameters, nextToken=reply["nextForwardToken"])
        assert [event["message"] for event in more["events"]] == ["three"]
        end = aws.client("logs").get_log_events(**parameters, nextToken=more["nextForwardToken"])
        assert end["events"] == [] and end["nextForwardToken"] == more["nextForwardToken"]

    def resource(self, aws, parameters):
        return on_stream(aws, parameters)

    def invalid(self, aws):
        name, one = stream(aws)
        bad = {"logGroupName": name, "logStreamName": one, "nextToken": "nonsense"}
        return Invalid(bad, "InvalidParameterException", r"The specified nextToken is invalid\.")


class FilterLogEvents(Logs):
    def parameters(self, aws):
        name, _ = stream(aws, ["GET 200", "POST 500", "GET 500"])
        return {"logGroupName": name, "filterPattern": "GET 500", "logStreamNamePrefix": "app/"}

    def check(self, aws, parameters, reply):
        [event] = reply["events"]
        assert (event["message"], event["logStreamName"], len(event["eventId"])) == ("GET 500", "app/1", 56)
        assert reply["searchedLogStreams"] == [] and "nextToken" not in reply
        logs, name = aws.client("logs"), parameters["logGroupName"]
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=name, PaginationConfig={"PageSize": 2})
        messages = [event["message"] for page in pages for event in page["events"]]
        assert messages == ["GET 200", "POST 500", "GET 500"]

    def resource(self, aws, parameters):
        return on_group(aws, parameters)

    def invalid(self, aws):
        bad = {"logGroupName": group(aws), "filterPattern": "{ $.x = "}
        return Invalid(bad, "InvalidParameterException", r".+")


class StartLiveTail(Logs):
    #: Of its first version the AWS CLI leaves this one out: it does not print streams.
    is_in_cli = False

    def parameters(self, aws):
        self.name, _ = stream(aws)
        return {"logGroupIdentifiers": [arn(aws, self.name)], "logEventFilterPattern": "ERROR"}

    def check(self, aws, parameters, reply):
        events = iter(reply["responseStream"])
        begun = next(events)["sessionStart"]
        assert begun["logGroupIdentifiers"] == parameters["logGroupIdentifiers"] and begun["sessionId"]
        put(aws, self.name, ["fine", "ERROR"])
        updates = (event["sessionUpdate"] for event in events)
        update = next(update for update in updates if update["sessionResults"])
        [seen] = update["sessionResults"]
        assert (seen["message"], seen["logStreamName"]) == ("ERROR", "app/1")
        assert update["sessionMetadata"] == {"sampled": False}
        reply["responseStream"].close()

    def resource(self, aws, parameters):
        return parameters["logGroupIdentifiers"][0] + ":log-stream:"

    def invalid(self, aws):
        return Invalid({"logGroupIdentifiers": ["none"]}, "ResourceNotFoundException", NO_GROUP)


class TestMetricFilter(Logs):
    def parameters(self, aws):
        return {"filterPattern": "[ip, status=5*]", "logEventMessages": ["10.0.0.1 200", "10.0.0.2 500"]}

    def check(self, aws, parameters, reply):
        [match] = reply["matches"]
        assert (match["eventNumber"], match["eventMessage"]) == (2, "10.0.0.2 500")
        assert match["extractedValues"] == {"$ip": "10.0.0.2", "$status": "500"}

    def invalid(self, aws):
        bad = {"filterPattern": "{ $.x", "logEventMessages": ["m"]}
        return Invalid(bad, "InvalidParameterException", r".+")


class TagResource(Logs):
    def parameters(self, aws):
        return {"resourceArn": arn(aws, group(aws)), "tags": {"stage": "test"}}

    def check(self, aws, parameters, reply):
        named = {"resourceArn": parameters["resourceArn"]}
        assert aws.client("logs").list_tags_for_resource(**named)["tags"] == {"stage": "test"}

    def resource(self, aws, parameters):
        return parameters["resourceArn"]

    def invalid(self, aws):
        reserved = {"resourceArn": arn(aws, group(aws)), "tags": {"aws:x": "1"}}
        return Invalid(reserved, "InvalidParameterException", "aws: prefixed tag key names are not allowed for external use.")


class UntagResource(Logs):
    def parameters(self, aws):
        return {"resourceArn": arn(aws, group(aws, tags={"a": "1", "b": "2"})), "tagKeys": ["a", "c"]}

    def check(self, aws, parameters, reply):
        named = {"resourceArn": parameters["resourceArn"]}
        assert aws.client("logs").list_tags_for_resource(**named)["tags"] == {"b": "2"}

    def resource(self, aws, parameters):
        return parameters["resourceArn"]

    def invalid(self, aws):
        unknown = {"resourceArn": arn(aws, "none"), "tagKeys": ["a"]}
        return Invalid(unknown, "ResourceNotFoundException", r"The specified resource does not exist\.")


class ListTagsForResource(Logs):
    def parameters(self, aws):
        return {"resourceArn": arn(aws, group(aws, tags={"a": "1"}))}

    def check(self, aws, parameters, reply):
        assert reply["tags"] == {"a": "1"}

    def resource(self, aws, parameters):
        return parameters["resourceArn"]

    def invalid(self, aws):
        return Invalid({"resourceArn": arn(aws, "none")}, "ResourceNotFoundException", r"The specified resource does not exist\.")


class TagLogGroup(Logs):
    def parameters(self, aws):
        return {"logGroupName": group(aws), "tags": {"stage": "test"}}

    def check(self, aws, parameters, reply):
        assert aws.client("logs").list_tags_log_group(logGroupName=parameters["logGroupName"])["tags"] == {"stage": "test"}

    def resource(self, aws, parameters):
        return on_group(aws, parameters)

    def invalid(self, aws):
        return Invalid({"logGroupName": "none", "tags": {"a": "1"}}, "ResourceNotFoundException", NO_GROUP)


class UntagLogGroup(Logs):
    def parameters(self, aws):
        return {"logGroupName": group(aws, tags={"a": "1", "b": "2"}), "tags": ["a"]}

    def check(self, aws, parameters, reply):
        assert aws.client("logs").list_tags_log_group(logGroupName=parameters["logGroupName"])["tags"] == {"b": "2"}

    def resource(self, aws, parameters):
        return on_group(aws, parameters)

    def invalid(self, aws):
        return Invalid({"logGroupName": "none", "tags": ["a"]}, "ResourceNotFoundException", NO_GROUP)


class ListTagsLogGroup(Logs):
    def parameters(self, aws):
        return {"logGroupName": group(aws, tags={"a": "1"})}

    def check(self, aws, parameters, reply):
        assert reply["tags"] == {"a": "1"}

    def resource(self, aws, parameters):
        return on_group(aws, parameters)

    def invalid(self, aws):
        return Invalid({"logGroupName": "none"}, "ResourceNotFoundException", NO_GROUP)


def policy(aws, name):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "route53.amazonaws.com"},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": arn(aws, "/aws/route53/*"),
    }
    return {"policyName": name, "policyDocument": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


def policies(aws):
    return {row["policyName"]: row for row in aws.client("logs").describe_resource_policies()["resourcePolicies"]}


class PutResourcePolicy(Logs):
    def parameters(self, aws):
        return policy(aws, "put")

    def check(self, aws, parameters, reply):
        shown = policies(aws)["put"]
        assert shown["policyDocument"] == parameters["policyDocument"] and shown["policyScope"] == "ACCOUNT"
        assert reply["resourcePolicy"]["policyName"] == "put" and reply["revisionId"] == shown["revisionId"]

    def resource(self, aws, parameters):
        return on_all(aws)

    def invalid(self, aws):
        bad = {"policyName": "bad", "policyDocument": "{"}
        return Invalid(bad, "InvalidParameterException", r"The policy document is invalid: .*")


class DeleteResourcePolicy(Logs):
    def parameters(self, aws):
        aws.client("logs").put_resource_policy(**policy(aws, "delete"))
        return {"policyName": "delete"}

    def check(self, aws, parameters, reply):
        assert "delete" not in policies(aws)

    def resource(self, aws, parameters):
        return on_all(aws)

    def invalid(self, aws):
        return Invalid({"policyName": "none"}, "ResourceNotFoundException", r"Policy with name \[none\] does not exist\.")


class DescribeResourcePolicies(Logs):
    def parameters(self, aws):
        aws.client("logs").put_resource_policy(**policy(aws, "describe"))
        return {"limit": 50}

    def check(self, aws, parameters, reply):
        [shown] = [row for row in reply["resourcePolicies"] if row["policyName"] == "describe"]
        assert shown["policyDocument"] == policy(aws, "describe")["policyDocument"] and shown["lastUpdatedTime"]

    def resource(self, aws, parameters):
        return on_all(aws)

    def invalid(self, aws):
        return Invalid({"limit": 51}, "InvalidParameterException", r"1 validation error detected: .*")


def subscription(aws):
    function = f"arn:aws:lambda:{aws.region}:{ACCOUNT}:function:f"
    return {"logGroupName": group(aws), "filterName": "f", "filterPattern": "", "destinationArn": function}


class PutSubscriptionFilter(Logs):
    #: No destination is on this server, and CloudWatch Logs tries one before it takes a filter for it (docs/logs.md).
    can_succeed = False

    def invalid(self, aws):
        text = r"Subscription filters are not delivered by this server: there is no Kinesis, Firehose or Lambda to deliver to\."
        return Invalid(subscription(aws), "InvalidParameterException", text)


class DeleteSubscriptionFilter(Logs):
    #: There is never one to delete.
    can_succeed = False

    def invalid(self, aws):
        unknown = {"logGroupName": group(aws), "filterName": "f"}
        return Invalid(unknown, "ResourceNotFoundException", r"The specified subscription filter does not exist\.")


class DescribeSubscriptionFilters(Logs):
    def parameters(self, aws):
        return {"logGroupName": group(aws)}

    def check(self, aws, parameters, reply):
        assert reply["subscriptionFilters"] == []

    def resource(self, aws, parameters):
        return on_group(aws, parameters)

    def invalid(self, aws):
        return Invalid({"logGroupName": "none"}, "ResourceNotFoundException", NO_GROUP)
