//! Traces: where a request belongs (W3C Trace Context), and spans to a collector (OTLP over gRPC,
//! <https://opentelemetry.io/docs/specs/otlp/>) where the configuration names one. Used by the authority and by the agent.
//!
//! Nothing is exported but spans of the target [`TARGET`], with the few attributes that they name: no events, no log lines, no headers. Where nothing is
//! exported, or nobody samples the request, no span is made.
#![forbid(unsafe_code)]

mod context;
mod export;
mod patient;

use std::sync::OnceLock;

use opentelemetry::Context;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

pub use context::{REQUEST_ID, TRACEPARENT, TraceParent, request_id};
pub use export::{Export, ExportError, Exporting, layer};

/// The target of spans that are exported. They are for a collector alone: no log has it.
pub const TARGET: &str = "cattery_spans";

/// Which part of the requests that belong to no trace begins one; none before anything is exported.
static SAMPLE_RATIO: OnceLock<f64> = OnceLock::new();

/// Whether a request that came with this parent is to be traced: where its sender samples it or, without a sender's word, as the configured ratio may
/// have it.
pub fn is_traced(parent: Option<&TraceParent<'_>>) -> bool {
    match (SAMPLE_RATIO.get(), parent) {
        (None, _) => false,
        (Some(_), Some(parent)) => parent.is_sampled,
        (Some(ratio), None) => *ratio > 0.0,
    }
}

/// Makes a span the child of what the sender of a request began.
pub fn set_parent(span: &Span, parent: &TraceParent<'_>) {
    let ids = TraceId::from_hex(parent.trace_id).ok();
    let Some((trace_id, span_id)) = ids.zip(SpanId::from_hex(parent.parent_id).ok()) else {
        return;
    };
    let flags = TraceFlags::default().with_sampled(parent.is_sampled);
    let remote = SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE);
    // Without an exporter there is nobody to tell.
    let _ = span.set_parent(Context::new().with_remote_span_context(remote));
}
