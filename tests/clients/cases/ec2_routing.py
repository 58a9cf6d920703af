"""Internet gateways, route tables and routes."""

from account import tags
from case import Ec2, Invalid
from cases.ec2_vpcs import NOTHING, specified
from errors import refused


def described_gateway(aws, gateway):
    return aws.ec2.describe_internet_gateways(InternetGatewayIds=[gateway])["InternetGateways"][0]


def described_table(aws, table):
    return aws.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]


class OnGateway:
    def resource(self, aws, parameters):
        return aws.ec2_arn(f"internet-gateway/{parameters['InternetGatewayId']}")

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "InternetGatewayId": f"igw-{NOTHING}"}
        message = rf"The internetGateway ID 'igw-{NOTHING}' does not exist"
        return Invalid(parameters, r"InvalidInternetGatewayID\.NotFound", message)


class OnTable:
    def resource(self, aws, parameters):
        return aws.ec2_arn(f"route-table/{parameters['RouteTableId']}")

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "RouteTableId": f"rtb-{NOTHING}"}
        message = rf"The routeTable ID 'rtb-{NOTHING}' does not exist"
        return Invalid(parameters, r"InvalidRouteTableID\.NotFound", message)


class CreateInternetGateway(Ec2):
    def parameters(self, aws):
        return {"TagSpecifications": specified("internet-gateway", Team="network")}

    def check(self, aws, parameters, reply):
        found = described_gateway(aws, reply["InternetGateway"]["InternetGatewayId"])
        assert (found["Attachments"], found["Tags"]) == ([], tags("ec2", Team="network"))

    def resource(self, aws, parameters):
        return aws.ec2_arn("internet-gateway/*")

    def invalid(self, aws):
        message = r"'vpc' is not a valid taggable resource type for this operation\."
        return Invalid({"TagSpecifications": specified("vpc", a="b")}, "InvalidParameterValue", message)


class DescribeInternetGateways(Ec2):
    def parameters(self, aws):
        vpc = aws.vpc()
        aws.internet_gateway(vpc)
        return {"Filters": [{"Name": "attachment.vpc-id", "Values": [vpc]}]}

    def check(self, aws, parameters, reply):
        (found,) = reply["InternetGateways"]
        (vpc,) = parameters["Filters"][0]["Values"]
        assert found["Attachments"] == [{"State": "available", "VpcId": vpc}]

    def invalid(self, aws):
        parameters = {"InternetGatewayIds": ["igw"]}
        return Invalid(parameters, r"InvalidInternetGatewayId\.Malformed", r"Invalid id: .*")


class AttachInternetGateway(OnGateway, Ec2):
    def parameters(self, aws):
        return {"InternetGatewayId": aws.internet_gateway(), "VpcId": aws.vpc()}

    def check(self, aws, parameters, reply):
        found = described_gateway(aws, parameters["InternetGatewayId"])
        assert found["Attachments"][0]["VpcId"] == parameters["VpcId"]


class DetachInternetGateway(OnGateway, Ec2):
    def parameters(self, aws):
        vpc = aws.vpc()
        return {"InternetGatewayId": aws.internet_gateway(vpc), "VpcId": vpc}

    def check(self, aws, parameters, reply):
        assert described_gateway(aws, parameters["InternetGatewayId"])["Attachments"] == []


class DeleteInternetGateway(OnGateway, Ec2):
    def parameters(self, aws):
        return {"InternetGatewayId": aws.internet_gateway()}

    def check(self, aws, parameters, reply):
        with refused(r"InvalidInternetGatewayID\.NotFound"):
            described_gateway(aws, parameters["InternetGatewayId"])


class CreateRouteTable(Ec2):
    def parameters(self, aws):
        return {"VpcId": aws.vpc(), "TagSpecifications": specified("route-table", Team="network")}

    def check(self, aws, parameters, reply):
        found = described_table(aws, reply["RouteTable"]["RouteTableId"])
        assert (found["VpcId"], found["Associations"]) == (parameters["VpcId"], [])
        assert found["Tags"] == tags("ec2", Team="network")

    def resource(self, aws, parameters):
        return aws.ec2_arn("route-table/*")

    def invalid(self, aws):
        message = rf"The vpc ID 'vpc-{NOTHING}' does not exist"
        return Invalid({"VpcId": f"vpc-{NOTHING}"}, r"InvalidVpcID\.NotFound", message)


class DescribeRouteTables(Ec2):
    def parameters(self, aws):
        return {"RouteTableIds": [aws.route_table()]}

    def check(self, aws, parameters, reply):
        assert [table["RouteTableId"] for table in reply["RouteTables"]] == parameters["RouteTableIds"]

    def invalid(self, aws):
        message = rf"The routeTable ID 'rtb-{NOTHING}' does not exist"
        return Invalid({"RouteTableIds": [f"rtb-{NOTHING}"]}, r"InvalidRouteTableID\.NotFound", message)


class DeleteRouteTable(OnTable, Ec2):
    def parameters(self, aws):
        return {"RouteTableId": aws.route_table()}

    def check(self, aws, parameters, reply):
        with refused(r"InvalidRouteTableID\.NotFound"):
            described_table(aws, parameters["RouteTableId"])


def routed(aws, vpc, table):
    """Parameters of a route to everywhere through a gateway of the VPC."""
    return {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": aws.internet_gateway(vpc)}


class CreateRoute(OnTable, Ec2):
    def parameters(self, aws):
        vpc = aws.vpc()
        return routed(aws, vpc, aws.route_table(vpc))

    def check(self, aws, parameters, reply):
        _, route = described_table(aws, parameters["RouteTableId"])["Routes"]
        assert (route["GatewayId"], route["State"]) == (parameters["GatewayId"], "active")


class ReplaceRoute(OnTable, Ec2):
    def parameters(self, aws):
        vpc = aws.vpc()
        route = routed(aws, vpc, aws.route_table(vpc))
        aws.ec2.create_route(**route)
        del route["GatewayId"]
        return {**route, "NetworkInterfaceId": aws.network_interface(aws.subnet(vpc))}

    def check(self, aws, parameters, reply):
        _, route = described_table(aws, parameters["RouteTableId"])["Routes"]
        assert route["NetworkInterfaceId"] == parameters["NetworkInterfaceId"]


class DeleteRoute(OnTable, Ec2):
    def parameters(self, aws):
        vpc = aws.vpc()
        route = routed(aws, vpc, aws.route_table(vpc))
        aws.ec2.create_route(**route)
        del route["GatewayId"]
        return route

    def check(self, aws, parameters, reply):
        assert len(described_table(aws, parameters["RouteTableId"])["Routes"]) == 1


class AssociateRouteTable(OnTable, Ec2):
    def parameters(self, aws):
        vpc = aws.vpc()
        return {"RouteTableId": aws.route_table(vpc), "SubnetId": aws.subnet(vpc)}

    def check(self, aws, parameters, reply):
        (own,) = described_table(aws, parameters["RouteTableId"])["Associations"]
        assert own["RouteTableAssociationId"] == reply["AssociationId"]
        assert own["SubnetId"] == parameters["SubnetId"]


class OnAssociation:
    def parameters(self, aws):
        vpc = aws.vpc()
        self.table = aws.route_table(vpc)
        associated = aws.ec2.associate_route_table(RouteTableId=self.table, SubnetId=aws.subnet(vpc))
        return {"AssociationId": associated["AssociationId"]}

    def invalid(self, aws):
        parameters = {**self.parameters(aws), "AssociationId": f"rtbassoc-{NOTHING}"}
        message = rf"The association ID 'rtbassoc-{NOTHING}' does not exist"
        return Invalid(parameters, r"InvalidAssociationID\.NotFound", message)


class DisassociateRouteTable(OnAssociation, Ec2):
    def check(self, aws, parameters, reply):
        assert described_table(aws, self.table)["Associations"] == []

    def resource(self, aws, parameters):
        # The request names an association: a refusal does not tell whose it is.
        return aws.ec2_arn("route-table/*")


class ReplaceRouteTableAssociation(OnAssociation, Ec2):
    def parameters(self, aws):
        parameters = super().parameters(aws)
        vpc = described_table(aws, self.table)["VpcId"]
        return {**parameters, "RouteTableId": aws.route_table(vpc)}

    def check(self, aws, parameters, reply):
        (own,) = described_table(aws, parameters["RouteTableId"])["Associations"]
        assert own["RouteTableAssociationId"] == reply["NewAssociationId"]

    def resource(self, aws, parameters):
        return aws.ec2_arn(f"route-table/{parameters['RouteTableId']}")
