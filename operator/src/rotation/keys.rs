//! Whose keys turn over, and what people call them.

use cattery_core::ServiceName;

/// Keys with one schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// The cluster's root keys, numbered in epochs.
    Cluster,
    /// One service's keys, numbered in generations.
    Service(ServiceName),
}

impl Keys {
    /// The service, as requests name it: empty for the cluster.
    pub(crate) fn service(&self) -> String {
        match self {
            Self::Cluster => String::new(),
            Self::Service(name) => name.as_str().to_owned(),
        }
    }

    /// One of them: `epoch 4`, `generation 1 of service/photos`.
    pub(crate) fn named(&self, number: u32) -> String {
        match self {
            Self::Cluster => format!("epoch {number}"),
            Self::Service(name) => format!("generation {number} of service/{name}"),
        }
    }

    /// The same at the begin of a sentence.
    pub(crate) fn named_first(&self, number: u32) -> String {
        match self {
            Self::Cluster => format!("Epoch {number}"),
            Self::Service(name) => format!("Generation {number} of service/{name}"),
        }
    }

    /// What one of them is: `epoch`, `generation`.
    pub(crate) fn unit(&self) -> &'static str {
        match self {
            Self::Cluster => "epoch",
            Self::Service(_) => "generation",
        }
    }

    /// The command that turns them over.
    pub(crate) fn rotate(&self) -> String {
        match self {
            Self::Cluster => "cattery epoch rotate".to_owned(),
            Self::Service(name) => format!("cattery service rotate-key {name}"),
        }
    }

    /// The command that shows where they are.
    pub(crate) fn list(&self) -> String {
        match self {
            Self::Cluster => "cattery epoch list".to_owned(),
            Self::Service(name) => format!("cattery service show {name}"),
        }
    }
}
