"""The test runner behind `make test`."""
