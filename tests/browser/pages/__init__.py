"""The pages, on one host for all of these tests."""
