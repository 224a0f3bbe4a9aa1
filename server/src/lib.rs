//! Sandlot's web server.
#![forbid(unsafe_code)]
