//! What Envoy is answered.

use cattery_core::FORWARD_HEADER;
use cattery_proto::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use cattery_proto::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use cattery_proto::envoy::service::auth::v3::attribute_context::HttpRequest;
use cattery_proto::envoy::service::auth::v3::check_response::HttpResponse;
use cattery_proto::envoy::service::auth::v3::{CheckResponse, DeniedHttpResponse, OkHttpResponse};
use cattery_proto::envoy::r#type::v3::HttpStatus;
use cattery_proto::google::rpc;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use tonic::Code;

use crate::decision::{DECISION_ID, DecisionId};
use crate::facts::header_names;
use crate::forward::Forwarded;
use crate::refusal::{RETRY_AFTER_SECONDS, Refusal};
use crate::results::{Told, results};
use crate::verdict::Verdict;

/// What all headers begin with that tell the service who is calling.
const OURS: &str = "x-cat-";

/// The request goes on: with who is calling in its headers, without what a client wrote there, and without the token, which has done its duty.
pub(super) fn pass(
    decision: DecisionId,
    asked: &HttpRequest,
    caller: Told,
    forwarded: &[Forwarded<Told>],
) -> CheckResponse {
    let dynamic_metadata = Some(metadata(decision, &caller, forwarded));
    let (mut headers, mut headers_to_remove) = (Vec::new(), vec![AUTHORIZATION.to_string()]);
    for (name, value) in results(decision, caller, forwarded) {
        if value.is_empty() {
            headers_to_remove.push(name.to_string());
        } else {
            headers.push(set(&name, value));
        }
    }
    let is_set = |name: &str| {
        let mut set = headers.iter().filter_map(|option| option.header.as_ref());
        set.any(|header| header.key == name)
    };
    let strange = header_names(asked)
        .filter(|name| name.starts_with(OURS) && *name != FORWARD_HEADER && !is_set(name));
    headers_to_remove.extend(strange.map(str::to_owned));
    CheckResponse {
        status: Some(status(Code::Ok)),
        http_response: Some(HttpResponse::OkResponse(OkHttpResponse {
            headers,
            headers_to_remove,
        })),
        dynamic_metadata,
    }
}

/// The client is told what forward-auth tells it. Envoy makes a gRPC status of it where the request was gRPC.
pub(super) fn refuse(decision: DecisionId, verdict: Verdict, refusal: &Refusal) -> CheckResponse {
    let challenge = refusal.challenge.as_ref();
    let last = match challenge.and_then(|value| value.to_str().ok()) {
        Some(challenge) => set(&WWW_AUTHENTICATE, challenge.to_owned()),
        None => set(&RETRY_AFTER, RETRY_AFTER_SECONDS.to_owned()),
    };
    let headers = vec![
        set(&CONTENT_TYPE, "text/plain".to_owned()),
        set(&CACHE_CONTROL, "no-store".to_owned()),
        set(&DECISION_ID, decision.to_string()),
        last,
    ];
    CheckResponse {
        status: Some(status(grpc_code(refusal.status))),
        http_response: Some(HttpResponse::DeniedResponse(DeniedHttpResponse {
            status: Some(HttpStatus {
                code: refusal.status.as_u16().into(),
            }),
            headers,
            body: String::from_utf8_lossy(&refusal.body).into_owned(),
        })),
        dynamic_metadata: Some(fields([
            ("decision_id", text(decision.to_string())),
            ("verdict", text(verdict.code())),
        ])),
    }
}

/// For filters behind, and for access logs.
fn metadata(decision: DecisionId, caller: &Told, forwarded: &[Forwarded<Told>]) -> Struct {
    let verdicts = forwarded.iter().map(|verdict| match verdict {
        Ok(told) => object([
            ("verdict", text("ok")),
            ("principal", text(&told.principal)),
            ("token_id", text(&told.token_id)),
            ("scopes", scopes(told)),
        ]),
        Err(refused) => object([("verdict", text(refused.code()))]),
    });
    fields([
        ("decision_id", text(decision.to_string())),
        ("verdict", text("ok")),
        ("principal", text(&caller.principal)),
        ("token_id", text(&caller.token_id)),
        ("scopes", scopes(caller)),
        ("epoch", value(Kind::NumberValue(caller.epoch.into()))),
        ("claims_type", text(&caller.claims_type)),
        ("claims", text(&caller.claims)),
        ("forwarded", list(verdicts)),
    ])
}

/// As in the header, one by one.
fn scopes(told: &Told) -> Value {
    list(told.scopes.split_terminator(' ').map(text))
}

fn grpc_code(status: StatusCode) -> Code {
    match status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        _ => Code::Unavailable,
    }
}

fn status(code: Code) -> rpc::Status {
    rpc::Status { code: code.into() }
}

fn set(name: &HeaderName, value: String) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_string(),
            value,
            raw_value: Vec::new(),
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
    }
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Struct {
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    Struct {
        fields: fields.into(),
    }
}

fn object<const N: usize>(of: [(&str, Value); N]) -> Value {
    value(Kind::StructValue(fields(of)))
}

fn list(values: impl Iterator<Item = Value>) -> Value {
    value(Kind::ListValue(ListValue {
        values: values.collect(),
    }))
}

fn text(text: impl Into<String>) -> Value {
    value(Kind::StringValue(text.into()))
}

fn value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}
