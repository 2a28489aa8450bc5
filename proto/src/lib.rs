//! The messages and services of Cattery, generated from `cattery/v1/*.proto`, and those that Envoy asks with. No logic.
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

/// What Envoy asks with: the part of its `ext_authz` interface that the agent reads and writes.
#[allow(clippy::all, missing_docs, unreachable_pub)]
pub mod envoy {
    pub mod config {
        pub mod core {
            pub mod v3 {
                tonic::include_proto!("envoy.config.core.v3");
            }
        }
    }
    pub mod service {
        pub mod auth {
            pub mod v3 {
                tonic::include_proto!("envoy.service.auth.v3");
            }
        }
    }
    pub mod r#type {
        pub mod v3 {
            tonic::include_proto!("envoy.r#type.v3");
        }
    }
}

/// What Envoy's messages refer to.
#[allow(clippy::all, missing_docs, unreachable_pub)]
pub mod google {
    pub mod rpc {
        tonic::include_proto!("google.rpc");
    }
}

/// The serialized `FileDescriptorSet` of all services, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
