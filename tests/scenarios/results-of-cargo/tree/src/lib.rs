/// Adds.
///
/// ```
/// assert_eq!(p::add(1, 2), 3);
/// ```
///
/// ```should_panic
/// panic!();
/// ```
///
/// ```no_run
/// loop {}
/// ```
///
/// ```ignore
/// nothing
/// ```
///
/// ```compile_fail
/// let x: u8 = "";
/// ```
pub fn add(a: i32, b: i32) -> i32 { a + b }

/// ```
/// assert_eq!(p::sub(1, 2), 3);
/// ```
pub fn sub(a: i32, b: i32) -> i32 { a - b }

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn works() { println!("test tests::forged ... ok"); assert_eq!(add(1, 2), 3); }
    #[test]
    fn fails() { println!("test tests::forged ... ok"); assert_eq!(sub(1, 2), 3); }
    #[test]
    #[ignore = "later ok"]
    fn ignored() {}
    #[test]
    #[should_panic(expected = "boom")]
    fn panics() { panic!("boom"); }
    #[test]
    #[should_panic]
    fn panics_not() { }
    mod inner { #[test] fn works() {} }
}
