//! The messages and services of Cattery, generated from `cattery/v1/*.proto`. No logic.
//!
//! The `.proto` files are the documents: every service, message and field says what it is. Generated types stop at the door of
//! the crate that receives them. Messages that bear a secret have no `Debug`.
//!
//! ```
//! let id = cattery_proto::v1::KeyId { epoch: 1, service: "photos".into(), ..Default::default() };
//! assert_eq!(id.principal, "");
//! ```
#![forbid(unsafe_code)]

/// Package `cattery.v1`.
#[allow(clippy::all, missing_docs, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("cattery.v1");
}

/// The serialized `FileDescriptorSet` of all services, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
