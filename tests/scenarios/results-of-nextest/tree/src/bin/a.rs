fn main() {}
#[test]
fn works() {}
