"""The pages: every module here is one, in the order that its `PAGE` states."""
