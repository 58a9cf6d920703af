"""OpenID Connect providers, and the account as an issuer of tokens."""

from account import tags
from case import Iam, Invalid

PRINTS = ["990f4193972f2becf12ddeda5237f9c952f20d9e"]


def provider(aws, **more):
    url = f"https://{aws.name('idp')}.example.com/realm"
    reply = aws.iam.create_open_id_connect_provider(Url=url, ThumbprintList=PRINTS, ClientIDList=["app"], **more)
    return reply["OpenIDConnectProviderArn"]


def described(aws, parameters):
    return aws.iam.get_open_id_connect_provider(OpenIDConnectProviderArn=parameters["OpenIDConnectProviderArn"])


class OnProvider:
    """Calls authorised on the provider they name."""

    def resource(self, aws, parameters):
        return parameters["OpenIDConnectProviderArn"]

    def invalid(self, aws):
        arn = aws.iam_arn("oidc-provider/nobody.example.com")
        parameters = {**self.parameters(aws), "OpenIDConnectProviderArn": arn}
        return Invalid(parameters, "NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}")


class CreateOpenIDConnectProvider(Iam):
    def parameters(self, aws):
        self.host = f"{aws.name('idp')}.example.com"
        return {
            "Url": f"https://{self.host}/realm",
            "ClientIDList": ["one", "two", "one"],
            "ThumbprintList": PRINTS,
            "Tags": tags("iam", Department="QA"),
        }

    def check(self, aws, parameters, reply):
        arn = aws.iam_arn(f"oidc-provider/{self.host}/realm")
        assert reply["OpenIDConnectProviderArn"] == arn and reply["Tags"] == parameters["Tags"]
        found = aws.iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        assert found["Url"] == f"{self.host}/realm" and found["ClientIDList"] == ["one", "two"]
        assert found["ThumbprintList"] == PRINTS and found["Tags"] == parameters["Tags"]

    def resource(self, aws, parameters):
        return aws.iam_arn(f"oidc-provider/{self.host}/realm")

    def invalid(self, aws):
        url = "https://" + provider(aws).split("/", 1)[1]
        message = f"Provider with url {url} already exists\\."
        return Invalid({"Url": url, "ThumbprintList": []}, "EntityAlreadyExists", message)


class GetOpenIDConnectProvider(OnProvider, Iam):
    def parameters(self, aws):
        return {"OpenIDConnectProviderArn": provider(aws)}

    def check(self, aws, parameters, reply):
        assert reply["ClientIDList"] == ["app"] and reply["ThumbprintList"] == PRINTS and reply["Tags"] == []


class ListOpenIDConnectProviders(Iam):
    can_be_invalid = False

    def parameters(self, aws):
        self.arn = provider(aws)
        return {}

    def check(self, aws, parameters, reply):
        assert {"Arn": self.arn} in reply["OpenIDConnectProviderList"]

    def resource(self, aws, parameters):
        return aws.iam_arn("oidc-provider/*")


class DeleteOpenIDConnectProvider(Iam):
    can_be_invalid = False  # deleting what is not there does no harm

    def parameters(self, aws):
        return {"OpenIDConnectProviderArn": provider(aws)}

    def check(self, aws, parameters, reply):
        left = aws.iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
        assert {"Arn": parameters["OpenIDConnectProviderArn"]} not in left

    def resource(self, aws, parameters):
        return parameters["OpenIDConnectProviderArn"]


class AddClientIDToOpenIDConnectProvider(OnProvider, Iam):
    def parameters(self, aws):
        return {"OpenIDConnectProviderArn": provider(aws), "ClientID": "other"}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters)["ClientIDList"] == ["app", "other"]


class RemoveClientIDFromOpenIDConnectProvider(OnProvider, Iam):
    def parameters(self, aws):
        return {"OpenIDConnectProviderArn": provider(aws), "ClientID": "app"}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters)["ClientIDList"] == []


class UpdateOpenIDConnectProviderThumbprint(OnProvider, Iam):
    def parameters(self, aws):
        return {"OpenIDConnectProviderArn": provider(aws), "ThumbprintList": ["a" * 40, "b" * 40]}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters)["ThumbprintList"] == parameters["ThumbprintList"]


class TagOpenIDConnectProvider(OnProvider, Iam):
    def parameters(self, aws):
        return {"OpenIDConnectProviderArn": provider(aws), "Tags": tags("iam", Team="blue")}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters)["Tags"] == parameters["Tags"]


class UntagOpenIDConnectProvider(OnProvider, Iam):
    def parameters(self, aws):
        arn = provider(aws, Tags=tags("iam", Team="blue", Stage="test"))
        return {"OpenIDConnectProviderArn": arn, "TagKeys": ["Team"]}

    def check(self, aws, parameters, reply):
        assert described(aws, parameters)["Tags"] == tags("iam", Stage="test")


class ListOpenIDConnectProviderTags(OnProvider, Iam):
    def parameters(self, aws):
        return {"OpenIDConnectProviderArn": provider(aws, Tags=tags("iam", Team="blue"))}

    def check(self, aws, parameters, reply):
        assert reply["Tags"] == tags("iam", Team="blue")


def outbound(aws, enabled):
    """Enables or disables the account's own tokens, whatever they were."""
    try:
        aws.iam.get_outbound_web_identity_federation_info()
        is_enabled = True
    except aws.iam.exceptions.FeatureDisabledException:
        is_enabled = False
    if enabled and not is_enabled:
        aws.iam.enable_outbound_web_identity_federation()
    if is_enabled and not enabled:
        aws.iam.disable_outbound_web_identity_federation()


class EnableOutboundWebIdentityFederation(Iam):
    can_be_invalid = False

    def parameters(self, aws):
        outbound(aws, False)
        return {}

    def check(self, aws, parameters, reply):
        found = aws.iam.get_outbound_web_identity_federation_info()
        assert found["JwtVendingEnabled"] and found["IssuerIdentifier"] == reply["IssuerIdentifier"]
        assert reply["IssuerIdentifier"].startswith(f"{aws.url}/federation/")


class DisableOutboundWebIdentityFederation(Iam):
    can_be_invalid = False

    def parameters(self, aws):
        outbound(aws, True)
        return {}

    def check(self, aws, parameters, reply):
        try:
            aws.iam.get_outbound_web_identity_federation_info()
            raise AssertionError("still enabled")
        except aws.iam.exceptions.FeatureDisabledException:
            pass


class GetOutboundWebIdentityFederationInfo(Iam):
    can_be_invalid = False

    def parameters(self, aws):
        outbound(aws, True)
        return {}

    def check(self, aws, parameters, reply):
        assert reply["JwtVendingEnabled"] is True
