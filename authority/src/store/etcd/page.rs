use etcd_client::{GetOptions, KeyValue};

use super::super::{Entry, MAX_PAGE, MAX_PAGE_BYTES, Page, Revision, StoreError, Transaction};
use super::connection::{Connections, Repeat};
use super::keys::Keys;
use super::{revision, txn};

/// One page, of the newest revision or of an earlier one. etcd bounds an answer by the number of entries alone, so where they are long it is asked for fewer.
pub(super) async fn list(
    connections: &Connections,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
    at: Option<Revision>,
) -> Result<Page, StoreError> {
    let keys = connections.keys();
    let end = keys.end(prefix);
    let begin = match after.filter(|after| *after >= prefix) {
        Some(after) => [keys.full(after), vec![0]].concat(),
        None => keys.full(prefix),
    };
    if begin >= end {
        // etcd takes no range that is the wrong way round.
        return Ok(Page {
            entries: Vec::new(),
            more: false,
            revision: match at {
                Some(at) => at,
                None => txn::commit(connections, &Transaction::new()).await?,
            },
        });
    }
    let limit = limit.min(MAX_PAGE);
    let mut ask = limit.max(1);
    let before = connections.forward().before()?;
    let mut answer = loop {
        let mut options = GetOptions::new()
            .with_range(end.clone())
            .with_limit(i64::try_from(ask).unwrap_or(i64::MAX));
        if let Some(at) = at {
            options = options.with_revision(i64::try_from(at).unwrap_or(i64::MAX));
        }
        let answer = connections.call_for(Repeat::Freely, |client| {
            let (mut kv, begin, options) = (client.kv_client(), begin.clone(), options.clone());
            async move { kv.get(begin, Some(options)).await }
        });
        match answer.await? {
            Some(answer) => break answer,
            None if ask > 1 => ask = ask.div_ceil(8),
            None => {
                let what = "etcd holds a value that is longer than any of ours";
                return Err(StoreError::Corrupt(what.into()));
            }
        }
    };
    let answered = connections.forward().after(before, answer.header())?;
    let mut page = Page {
        entries: Vec::new(),
        more: answer.more(),
        revision: at.unwrap_or(answered),
    };
    let mut bytes = 0;
    for found in answer.take_kvs() {
        let entry = entry(keys, found)?;
        bytes += entry.key.len() + entry.value.len();
        let full = bytes > MAX_PAGE_BYTES && !page.entries.is_empty();
        if full || page.entries.len() >= limit {
            page.more = true;
            break;
        }
        page.entries.push(entry);
    }
    Ok(page)
}

pub(super) fn entry(keys: &Keys, found: KeyValue) -> Result<Entry, StoreError> {
    let revision = revision(found.mod_revision());
    let (key, value) = found.into_key_value();
    Ok(Entry {
        key: keys.own(&key)?,
        value,
        revision,
    })
}
