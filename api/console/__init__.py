"""Pages for people, over the same functions that the HTTP interface uses; `routes.mount` puts them on an application.

Nothing is imported here: reports take their words from `names` and `words` without loading a page.
"""
