//! What one would write without much thought: whole names and ids, in the standard library's set.

use std::collections::HashSet;

pub(crate) type Peer = HashSet<(String, [u8; 16])>;
