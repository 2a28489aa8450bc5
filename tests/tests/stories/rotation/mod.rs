//! Keys turn over while everybody works: by the book, with an agent that hears nothing, and after one that fell into wrong hands.

mod emergency;
mod evicted;
mod forced;
mod load;
mod place;
mod planned;
mod revoked;

use place::Place;
