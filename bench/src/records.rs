//! What users have in the store, as an authority writes it: keys and values, without what the store adds to them.

use cattery_authority::records::{
    ApiKeyRecord, Hex, LeaseGrant, Leased, LeasesRecord, MembershipRecord, NameState, Record,
    UserGroupsRecord, UserRecord, key,
};

/// For how many services one fetch is.
pub(crate) const USED_SERVICES: usize = 5;
const USER: &str = "alice.w@example.org";
const SECONDS: u64 = 1_790_000_000;
const DAY: u64 = 86_400;
const ID: Hex<8> = Hex([7; 8]);

fn len(key: &str, record: &impl Record) -> usize {
    key.len() + record.encode().len()
}

/// Bytes for a user who has an API key and is in one group, which grants them what they use.
pub(crate) fn of_user() -> usize {
    let user = UserRecord {
        name: USER.to_owned(),
        version: 0,
        registration: 1,
        state: NameState::Active,
        created_at: SECONDS,
    };
    let api_key = ApiKeyRecord {
        id: ID,
        user: USER.to_owned(),
        registration: 1,
        secret_sha256: Hex([7; 32]),
        created_at: SECONDS,
        expires_at: Some(SECONDS + DAY),
        revoked_at: None,
        caveats: Vec::new(),
        parent: None,
        children: Vec::new(),
    };
    let groups = UserGroupsRecord {
        user: USER.to_owned(),
        registration: 1,
        groups: vec![MembershipRecord {
            group: "everyone".to_owned(),
            registration: 1,
            added_at: SECONDS,
        }],
    };
    len(&key::user(USER), &user)
        + len(&key::api_key(&ID), &api_key)
        + len(&key::user_groups(USER), &groups)
}

/// Bytes for one call that fetched keys for so many services.
pub(crate) fn of_fetch(services: usize) -> usize {
    let (key, record) = fetch(ID.0, services);
    len(&key, &record)
}

/// What is stored for such a call, and where; other ids are another call's.
pub(crate) fn fetch(id: [u8; 8], services: usize) -> (String, LeasesRecord) {
    let principal = format!("user/{USER}");
    let id = Hex(id);
    let lease = |number| Leased {
        id,
        service: format!("service-{number:04}"),
        expires_at: SECONDS + DAY,
        grant: Some(LeaseGrant {
            principal: "group/everyone".to_owned(),
            service: format!("service-{number:04}"),
        }),
    };
    let leases = LeasesRecord {
        principal: principal.clone(),
        proof: key::api_key(&ID),
        under: None,
        issued_at: SECONDS,
        leases: (0..services).map(lease).collect(),
    };
    (key::leases(&principal, SECONDS * 1_000, &id), leases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_for_more_services_takes_more() {
        assert!(of_user() > 0);
        assert!(of_fetch(5) > of_fetch(1));
    }
}
