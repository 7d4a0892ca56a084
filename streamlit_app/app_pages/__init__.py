"""The pages. Every module is one; its `PAGE` has the place in the menu."""
