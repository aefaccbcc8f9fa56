#[test]
fn works() {}
#[test]
fn slow() { std::thread::sleep(std::time::Duration::from_millis(200)); }
