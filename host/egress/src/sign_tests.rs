use super::*;
use ring::signature::KeyPair as _;

fn seals(secret: &str) -> (Seals, String) {
    let mut seals = Seals::new();
    let placeholder = seals.seal(Secret::new(secret));
    (seals, placeholder)
}

fn hmac_of(secret: &str, format: KeyFormat, digest: Digest, message: &[u8], encoding: Encoding) -> Result<String, String> {
    let (seals, sealed) = seals(secret);
    let key = HmacKey { sealed, format, prefix: String::new(), derivation: Vec::new() };
    seals.hmac(&key, digest, message, encoding, 1 << 20)
}

#[test]
fn hmac_matches_rfc_4231_and_rfc_2202() {
    let sha256 = |key: &str, message: &[u8]| hmac_of(key, KeyFormat::Hex, Digest::Sha256, message, Encoding::Hex).unwrap();
    assert_eq!(sha256(&"0b".repeat(20), b"Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_eq!(sha256(&"AA".repeat(20), &[0xdd; 50]), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    assert_eq!(
        sha256(&"aa".repeat(131), b"Test Using Larger Than Block-Size Key - Hash Key First"),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    );
    let text = |digest| hmac_of("Jefe", KeyFormat::Text, digest, b"what do ya want for nothing?", Encoding::Hex).unwrap();
    assert_eq!(text(Digest::Sha256), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_eq!(text(Digest::Sha1), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

/// The example of the Standard Webhooks specification and its reference libraries.
#[test]
fn standard_webhooks_keys_are_understood() {
    let message = br#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
    for key in ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
        let code = hmac_of(key, KeyFormat::StandardWebhooks, Digest::Sha256, message, Encoding::Base64).unwrap();
        assert_eq!(code, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}

/// "Examples of how to derive a signing key for Signature Version 4" in the AWS General Reference.
#[test]
fn a_derived_key_matches_the_example_of_aws() {
    let (seals, sealed) = seals("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    let key = |derivation: &[&str]| HmacKey {
        sealed: sealed.clone(),
        format: KeyFormat::Text,
        prefix: "AWS4".to_owned(),
        derivation: derivation.iter().map(|&step| step.to_owned()).collect(),
    };
    let sign = |derivation: &[&str], message: &[u8]| {
        seals.hmac(&key(derivation), Digest::Sha256, message, Encoding::Hex, 1 << 20).unwrap()
    };
    // The derived key itself is the code of the last step.
    assert_eq!(
        sign(&["20150830", "us-east-1", "iam"], b"aws4_request"),
        "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    );
    let to_sign = b"AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n\
        f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
    assert_eq!(
        sign(&["20150830", "us-east-1", "iam", "aws4_request"], to_sign),
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    );
}

#[test]
fn keys_are_decoded_in_every_usual_spelling() {
    let code = |secret: &str, format| hmac_of(secret, format, Digest::Sha256, b"x", Encoding::Base64Url);
    let plain = code("key?>bytes", KeyFormat::Text).unwrap();
    assert!(!plain.contains('='));
    for spelling in ["a2V5Pz5ieXRlcw==", "a2V5Pz5ieXRlcw", " a2V5Pz5ieXRlcw==\n"] {
        assert_eq!(code(spelling, KeyFormat::Base64).unwrap(), plain, "{spelling}");
    }
    assert_eq!(code("6b65793f3E6279746573", KeyFormat::Hex).unwrap(), plain);
    for (secret, format) in [("", KeyFormat::Text), ("abc", KeyFormat::Hex), ("zz", KeyFormat::Hex), ("!", KeyFormat::Base64)] {
        let message = code(secret, format).unwrap_err();
        assert!(message.contains("format"), "{message}");
        assert!(secret.is_empty() || !message.contains(&format!("`{secret}`")), "{message}");
    }
}

#[test]
fn what_is_no_placeholder_or_too_large_is_refused() {
    let (seals, sealed) = seals("key");
    let key =
        |sealed: &str| HmacKey { sealed: sealed.into(), format: KeyFormat::Text, prefix: String::new(), derivation: vec![] };
    let other = format!("sealed-{}", "0".repeat(32));
    assert!(seals.hmac(&key(&other), Digest::Sha256, b"x", Encoding::Hex, 10).unwrap_err().contains("placeholder"));
    assert!(seals.hmac(&key(&sealed), Digest::Sha256, &[0; 11], Encoding::Hex, 10).unwrap_err().contains("hmac-message-bytes"));
    assert!(seals.sign(&other, SignatureAlgorithm::Rs256, b"x", Encoding::Hex, 10).is_err());
}

/// The examples of RFC 7515, appendices A.1 (HS256) and A.2 (RS256); those of ES256 (A.3) are random, so they are verified below.
#[test]
fn json_web_tokens_are_signed_as_their_specification_shows() {
    let payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let message = format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{payload}");
    let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let code = hmac_of(key, KeyFormat::Base64, Digest::Sha256, message.as_bytes(), Encoding::Base64Url).unwrap();
    assert_eq!(code, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");

    let (seals, sealed) = seals(include_str!("../tests/data/rfc7515-a2.pem"));
    let message = format!("eyJhbGciOiJSUzI1NiJ9.{payload}");
    let signed = seals.sign(&sealed, SignatureAlgorithm::Rs256, message.as_bytes(), Encoding::Base64Url, 1000).unwrap();
    assert_eq!(
        signed,
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQ\
         jbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqt\
         FZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    );
}

#[test]
fn signatures_verify() {
    let pem = include_str!("../tests/data/rsa.pem");
    for pem in [pem.to_owned(), pem.replace('\n', "\\n")] {
        let (seals, placeholder) = seals(&pem);
        let signed = seals.sign(&placeholder, SignatureAlgorithm::Rs256, b"message", Encoding::Base64, 100).unwrap();
        let public = include_bytes!("../tests/data/rsa-public.der");
        let public = signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, public);
        public.verify(b"message", &STANDARD.decode(signed).unwrap()).unwrap();
    }
    let random = SystemRandom::new();
    let kind = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = signature::EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
    let pair = signature::EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(document.as_ref()));
    let (seals, placeholder) = seals(&pem);
    let signed = seals.sign(&placeholder, SignatureAlgorithm::Es256, b"message", Encoding::Base64Url, 100).unwrap();
    let signed = URL_SAFE_NO_PAD.decode(signed).unwrap();
    assert_eq!(signed.len(), 64);
    let public = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
    public.verify(b"message", &signed).unwrap();
    assert!(seals.sign(&placeholder, SignatureAlgorithm::Rs256, b"message", Encoding::Hex, 100).is_err(), "another kind of key");
}
