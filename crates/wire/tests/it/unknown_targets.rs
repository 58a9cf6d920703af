//! Requests for services that are not here.

use portcullis_wire::route;

#[test]
fn an_unknown_service_is_called_by_the_name_it_was_signed_for() {
    let scope = "AKIDEXAMPLE/20260101/us-east-1/ecr-public/aws4_request";
    let credential = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=00");
    let target = "SpencerFrontendService.DescribeRegistries";
    for (credential, named) in [(Some(credential), "ecr-public"), (None, "SpencerFrontendService")] {
        let mut request = http::Request::post("http://127.0.0.1:4566/").header("x-amz-target", target);
        if let Some(credential) = credential {
            request = request.header("authorization", credential);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let error = route(&[], &parts, b"{}").unwrap_err();
        assert_eq!(error.error().code, "UnknownOperationException");
        assert_eq!(
            error.error().message,
            format!("The service '{named}' is not here (X-Amz-Target '{target}').")
        );
    }
}
