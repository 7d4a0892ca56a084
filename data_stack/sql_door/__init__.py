"""The door for SQL of people, programs and models: one select on the published file, in a process of its own."""
