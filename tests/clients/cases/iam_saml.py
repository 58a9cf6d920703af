"""SAML identity providers."""

from account import tags
from case import Iam, Invalid
from certificates import certificate

LOST = "no-such-provider"


def metadata(name="https://idp.example.com/"):
    """Metadata of a provider, with a certificate it signs with."""
    body, _ = certificate()
    letters = "".join(line for line in body.splitlines() if not line.startswith("-----"))
    return (
        f'<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{name}">'
        '<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">'
        '<KeyDescriptor use="signing">'
        '<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data>'
        f"<X509Certificate>{letters}</X509Certificate></X509Data></KeyInfo></KeyDescriptor></IDPSSODescriptor>"
        f"<!--{'x' * 1000}--></EntityDescriptor>"
    )


class OnProvider:
    """Calls authorised on the provider they name."""

    def resource(self, aws, parameters):
        return parameters["SAMLProviderArn"]

    def invalid(self, aws):
        lost = aws.iam_arn(f"saml-provider/{LOST}")
        return Invalid({**self.parameters(aws), "SAMLProviderArn": lost}, "NoSuchEntity", f".*{LOST}.*")

    def provider(self, aws, **more):
        made = aws.iam.create_saml_provider(Name=aws.name("idp"), SAMLMetadataDocument=metadata(), **more)
        return made["SAMLProviderArn"]


class CreateSAMLProvider(Iam):
    def parameters(self, aws):
        return {"Name": aws.name("idp"), "SAMLMetadataDocument": metadata(), "Tags": tags("iam", Team="one")}

    def check(self, aws, parameters, reply):
        found = aws.iam.get_saml_provider(SAMLProviderArn=reply["SAMLProviderArn"])
        assert found["SAMLMetadataDocument"] == parameters["SAMLMetadataDocument"]
        assert found["Tags"] == parameters["Tags"] and found["AssertionEncryptionMode"] == "Allowed"

    def resource(self, aws, parameters):
        return aws.iam_arn(f"saml-provider/{parameters['Name']}")

    def invalid(self, aws):
        parameters = {"Name": aws.name("idp"), "SAMLMetadataDocument": "<html/>" * 200}
        return Invalid(parameters, "InvalidInput", r"Could not parse metadata")


class GetSAMLProvider(OnProvider, Iam):
    def parameters(self, aws):
        return {"SAMLProviderArn": self.provider(aws)}

    def check(self, aws, parameters, reply):
        assert reply["SAMLProviderUUID"].startswith("SAMLSP") and reply["ValidUntil"]


class ListSAMLProviders(Iam):
    can_be_invalid = False

    def parameters(self, aws):
        self.arn = OnProvider().provider(aws)
        return {}

    def check(self, aws, parameters, reply):
        assert self.arn in [found["Arn"] for found in reply["SAMLProviderList"]]

    def resource(self, aws, parameters):
        return aws.iam_arn("saml-provider/*")


class UpdateSAMLProvider(OnProvider, Iam):
    def parameters(self, aws):
        return {"SAMLProviderArn": self.provider(aws), "SAMLMetadataDocument": metadata("https://other.example.com/")}

    def check(self, aws, parameters, reply):
        found = aws.iam.get_saml_provider(SAMLProviderArn=parameters["SAMLProviderArn"])
        assert found["SAMLMetadataDocument"] == parameters["SAMLMetadataDocument"]


class DeleteSAMLProvider(OnProvider, Iam):
    def parameters(self, aws):
        return {"SAMLProviderArn": self.provider(aws)}

    def check(self, aws, parameters, reply):
        listed = aws.iam.list_saml_providers()["SAMLProviderList"]
        assert parameters["SAMLProviderArn"] not in [found["Arn"] for found in listed]


class TagSAMLProvider(OnProvider, Iam):
    def parameters(self, aws):
        return {"SAMLProviderArn": self.provider(aws), "Tags": tags("iam", Owner="richard-roe")}

    def check(self, aws, parameters, reply):
        found = aws.iam.list_saml_provider_tags(SAMLProviderArn=parameters["SAMLProviderArn"])
        assert found["Tags"] == parameters["Tags"]


class UntagSAMLProvider(OnProvider, Iam):
    def parameters(self, aws):
        return {"SAMLProviderArn": self.provider(aws, Tags=tags("iam", A="1", B="2")), "TagKeys": ["A"]}

    def check(self, aws, parameters, reply):
        found = aws.iam.list_saml_provider_tags(SAMLProviderArn=parameters["SAMLProviderArn"])
        assert found["Tags"] == tags("iam", B="2")


class ListSAMLProviderTags(OnProvider, Iam):
    def parameters(self, aws):
        return {"SAMLProviderArn": self.provider(aws, Tags=tags("iam", A="1"))}

    def check(self, aws, parameters, reply):
        assert reply["Tags"] == tags("iam", A="1")
