"""The record of it all."""

import json

from case import CloudTrail, Invalid


class LookupEvents(CloudTrail):
    def parameters(self, aws):
        self.cluster = aws.cluster()
        return {"LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "CreateCluster"}]}

    def check(self, aws, parameters, reply):
        records = [json.loads(event["CloudTrailEvent"]) for event in reply["Events"]]
        (record,) = [
            found for found in records if (found["requestParameters"] or {}).get("clusterName") == self.cluster
        ]
        assert record["eventSource"] == "ecs.amazonaws.com"
        assert record["userIdentity"]["arn"] == aws.arn
        assert record["readOnly"] is False and record["sourceIPAddress"] == "127.0.0.1"

    def invalid(self, aws):
        wrong = [{"AttributeKey": "Colour", "AttributeValue": "blue"}]
        message = r"1 validation error detected: .*attributeKey.*"
        return Invalid({"LookupAttributes": wrong}, "ValidationException", message)
