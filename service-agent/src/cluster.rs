//! What an agent knows of the cluster.

use cattery_proto::v1;

/// Whether both say the same. The order of addresses and certificates means nothing, and authorities need not agree on it.
pub(crate) fn is_same(one: &v1::Cluster, other: &v1::Cluster) -> bool {
    one.cluster_id == other.cluster_id
        && one.trust_domain == other.trust_domain
        && sorted(&one.trust_bundle) == sorted(&other.trust_bundle)
        && sorted(&one.addresses) == sorted(&other.addresses)
}

fn sorted<T: Ord>(entries: &[T]) -> Vec<&T> {
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_unstable();
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_means_nothing() {
        let cluster = |addresses: &[&str]| v1::Cluster {
            addresses: addresses.iter().copied().map(str::to_owned).collect(),
            ..Default::default()
        };
        let both = cluster(&["a:1", "b:1"]);
        assert!(is_same(&both, &cluster(&["b:1", "a:1"])));
        assert!(!is_same(&both, &cluster(&["a:1"])));
        assert!(!is_same(&both, &cluster(&["a:1", "c:1"])));
    }
}
