"""The fixture `simulate` for the test suites of those who use cachesim."""
