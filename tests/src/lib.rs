//! Support for the tests of Sandlot.
