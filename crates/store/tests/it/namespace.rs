//! Parts of one store do not see each other.

use std::sync::Arc;

use portcullis_store::{Revision, namespace};

use crate::fixture::{Fixture, delete, keys, put, told, value};

#[test]
fn parts_share_a_history_and_nothing_else() {
    let fixture = Fixture::memory();
    let whole = Arc::clone(&fixture.opened.as_ref().unwrap().store);
    let (one, two) = (
        namespace(Arc::clone(&whole), "1/"),
        namespace(Arc::clone(&whole), "2/"),
    );
    let mut watch = one.watch(b"role/", Revision::default().next()).unwrap();

    put(&*one, "role/a", "one");
    put(&*two, "role/a", "two");
    put(&*whole, "role/a", "whole");
    delete(&*one, "role/a");
    put(&*one, "role/b", "one");

    assert_eq!(keys(&*one, ""), ["role/b"]);
    assert_eq!(keys(&*two, ""), ["role/a"]);
    assert_eq!(value(&*two, "role/a").as_deref(), Some("two"));
    assert_eq!(keys(&*whole, ""), ["1/role/b", "2/role/a", "role/a"]);
    assert_eq!(told(&mut watch), ["1:role/a=one", "4:-role/a", "5:role/b=one"]);
}
