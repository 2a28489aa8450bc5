use etcd_client::{Compare, CompareOp, GetOptions, PutOptions, Txn, TxnOp, TxnOpResponse};

use super::super::{Check, Entry, Operation, Revision, SessionId, StoreError, Transaction};
use super::connection::{Connections, Repeat};
use super::keys::Keys;
use super::page::entry;
use super::revision;

/// Commits as one transaction of etcd. Where a check does not hold, the same transaction reads what all of them rest on.
pub(super) async fn commit(
    connections: &Connections,
    transaction: &Transaction,
) -> Result<Revision, StoreError> {
    let keys = connections.keys();
    let txn = txn(keys, transaction);
    // What changes nothing can be asked again.
    let repeat = match transaction.operations().is_empty() {
        true => Repeat::Freely,
        false => Repeat::Never(transaction.until()),
    };
    let before = connections.forward().before()?;
    let answer = connections.call(repeat, |client| {
        let (mut kv, txn) = (client.kv_client(), txn.clone());
        async move { kv.txn(txn).await }
    });
    let answer = answer.await?;
    // Deleting what is not there makes no revision.
    let is_put = |operation: &Operation| operation.value().is_some();
    let changed = answer.succeeded() && transaction.operations().iter().any(is_put);
    let least = if changed { before.of_change() } else { before };
    let answered = connections.forward().after(least, answer.header())?;
    if answer.succeeded() {
        return Ok(answered);
    }
    let found = answer.op_responses().into_iter().map(|found| match found {
        TxnOpResponse::Get(found) => found.kvs().first().map(|kv| revision(kv.mod_revision())),
        _ => None,
    });
    let mut checks = transaction.checks().iter().zip(found);
    let failed = checks.find(|(check, found)| !check.holds(*found));
    let key = failed.map_or_else(String::new, |(check, _)| check.key().to_owned());
    Err(StoreError::Conflict { key })
}

/// Reads several keys in one transaction of etcd.
pub(super) async fn read(
    connections: &Connections,
    wanted: &[String],
) -> Result<Vec<Option<Entry>>, StoreError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let keys = connections.keys();
    let gets: Vec<_> = wanted
        .iter()
        .map(|key| TxnOp::get(keys.full(key), None))
        .collect();
    let txn = Txn::new().and_then(gets);
    let before = connections.forward().before()?;
    let answer = connections.call(Repeat::Freely, |client| {
        let (mut kv, txn) = (client.kv_client(), txn.clone());
        async move { kv.txn(txn).await }
    });
    let answer = answer.await?;
    connections.forward().after(before, answer.header())?;
    let found = answer.op_responses().into_iter().map(|found| match found {
        TxnOpResponse::Get(mut found) => found.take_kvs().into_iter().next(),
        _ => None,
    });
    let found = found.map(|found| found.map(|found| entry(keys, found)).transpose());
    let found: Vec<_> = found.collect::<Result<_, _>>()?;
    if found.len() != wanted.len() {
        let what = "etcd answered another number of keys than it was asked for";
        return Err(StoreError::Corrupt(what.into()));
    }
    Ok(found)
}

fn txn(keys: &Keys, transaction: &Transaction) -> Txn {
    let only_revision = || Some(GetOptions::new().with_keys_only());
    let compares: Vec<_> = transaction
        .checks()
        .iter()
        .map(|check| compare(keys, check))
        .collect();
    let reads: Vec<_> = transaction
        .checks()
        .iter()
        .map(|check| TxnOp::get(keys.full(check.key()), only_revision()))
        .collect();
    let mut changes: Vec<_> = transaction
        .operations()
        .iter()
        .map(|operation| change(keys, operation))
        .collect();
    if changes.is_empty() {
        // A transaction that neither reads nor writes is answered from what a member happens to know.
        changes.push(TxnOp::get(keys.full(""), only_revision()));
    }
    Txn::new().when(compares).and_then(changes).or_else(reads)
}

fn compare(keys: &Keys, check: &Check) -> Compare {
    let full = keys.full(check.key());
    match check {
        Check::Absent(_) => Compare::create_revision(full, CompareOp::Equal, 0),
        // No entry has a revision that etcd cannot count to.
        Check::Unchanged(_, revision) => {
            let revision = i64::try_from(*revision).unwrap_or(i64::MAX);
            Compare::mod_revision(full, CompareOp::Equal, revision)
        }
    }
}

fn change(keys: &Keys, operation: &Operation) -> TxnOp {
    match operation {
        Operation::Put {
            key,
            value,
            session,
        } => {
            let options = session.map(|SessionId(lease)| PutOptions::new().with_lease(lease));
            TxnOp::put(keys.full(key), value.as_slice(), options)
        }
        Operation::Delete(key) => TxnOp::delete(keys.full(key), None),
    }
}
