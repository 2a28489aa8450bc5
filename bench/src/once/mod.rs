//! What binding and single use cost: on the way of verifying, and through real agents, whose memory is their own or shared through a real
//! authority.

mod calls;
mod place;
mod tokens;
mod verifying;

use anyhow::Result;
use cattery_bench::Store;
use cattery_report::Page;
use tokio::runtime::Builder;

use calls::Way;
use place::Place;
use tokens::Kind;

/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    /// Of each kind in each round.
    tokens: usize,
    /// Of calls.
    rounds: usize,
    /// Of verifying in one thread.
    slices: usize,
}

pub(crate) fn measure(smoke: bool) -> Result<Page> {
    let extent = if smoke {
        Extent {
            tokens: 20,
            rounds: 1,
            slices: 1,
        }
    } else {
        Extent {
            tokens: 2_000,
            rounds: 7,
            slices: 101,
        }
    };
    let mut page = Page::new(
        "Binding and single use",
        "What a token costs that is bound to its request, or good for a single use, beside a plain one.",
    );
    verifying::measure(&mut page, extent)?;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut embedded = Place::start(Store::Embedded).await?;
        let alone = embedded.agent("alone", false)?;
        let sharing = embedded.agent("sharing", true)?;
        let mut etcd = Place::start(Store::Etcd).await?;
        let sharing_etcd = etcd.agent("sharing", true)?;
        place::settle().await;
        let share = |store: Store| format!("single use, all agents share, {}", store.name());
        let way = |what: &str, kind, place: &Place, agent| Way {
            what: what.to_owned(),
            kind,
            key: place.key.clone(),
            agent,
        };
        let ways = [
            way("plain", Kind::Plain, &embedded, alone.clone()),
            way(
                "bound to its request",
                Kind::Bound,
                &embedded,
                alone.clone(),
            ),
            way(
                "single use, each agent remembers",
                Kind::Once,
                &embedded,
                alone,
            ),
            way(&share(Store::Embedded), Kind::Once, &embedded, sharing),
            way(&share(Store::Etcd), Kind::Once, &etcd, sharing_etcd),
        ];
        calls::measure(&mut page, &ways, extent).await
    })?;
    Ok(page)
}
