//! Both forges against every fault of the table, case by case.
