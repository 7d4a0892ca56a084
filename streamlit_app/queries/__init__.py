"""The SQL of the pages, a module a page: typed functions on a `Warehouse`."""
